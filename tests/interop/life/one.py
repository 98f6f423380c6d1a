# SPDX-License-Identifier: BSD-3-Clause
"""One case on its way through one worker: what it sends, what it waits for, what was seen of it."""

from __future__ import annotations

import json
import signal as signals
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import amqp

from interop.life.wire import MARK, Event
from support.process import Timeout

if TYPE_CHECKING:
    from interop.life.site import Site

SECONDS = 40.0
REPLY_SECONDS = 10.0
FATAL_SECONDS = 4.0
QUEUE = "celery"
REPLIES = "life-replies"
SETTLED = ("ack", "reject", "requeue")


def until(check: Callable[[], Any], what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Yield until check says something true."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise Timeout(f"no {what}")
        yield


class One:
    """A case; its id is that of its task."""

    def __init__(self, site: Site, mark: str) -> None:
        self._site = site
        self._mark = mark
        self.task_id = str(uuid.uuid4())
        self.path = str(site.folder / self.task_id)
        self.during: list[str] | None = None
        self.failure = ""

    @property
    def app(self) -> Any:
        """A stock client."""
        return self._site.app

    @property
    def acks_early(self) -> bool:
        """True if the worker was told to."""
        return not self._site.settings["task_acks_late"]

    def another(self) -> One:
        """A task that the case needs and is not about."""
        return One(self._site, "")

    def send(self, name: str, *args: Any, **options: Any) -> None:
        """Send the task with the stock client."""
        self.app.send_task(name, args, task_id=self.task_id, headers={MARK: self._mark}, **options)

    def publish(self, body: Any, headers: dict[str, Any],
                content_type: str = "application/json") -> None:
        """Publish what no client would."""
        text = body if isinstance(body, str) else json.dumps(body)
        reply = {"reply_to": REPLIES} if self._site.backend == "rpc" else {}
        message = amqp.Message(
            text, correlation_id=self.task_id, content_type=content_type, content_encoding="utf-8",
            delivery_mode=2, application_headers={**headers, MARK: self._mark}, **reply)
        self._site.client.publish(message, QUEUE)

    def events(self) -> list[Event]:
        """All that was seen on the wire."""
        return self._site.wire.of(self._mark or "-", self.task_id)

    def ends(self) -> list[str]:
        """What was said of its deliveries, in order."""
        return [one.what for one in self.events() if one.what in SETTLED]

    def documents(self) -> list[tuple[float, Any]]:
        """Its documents in order, each with its time."""
        if self._site.backend == "redis":
            return [(one.at, one.document) for one in self._site.store.of(self.task_id)]
        return [(one.at, json.loads(one.body)) for one in self.events()
                if one.what == "publish" and "task" not in one.headers]

    def settled(self, count: int) -> Iterator[None]:
        """Wait until so many deliveries have been settled."""
        yield from until(lambda: len(self.ends()) >= count, f"end of delivery {count}")

    def settled_or_dead(self) -> Iterator[None]:
        """Wait until it is settled or the worker is gone, but not for ever."""
        deadline = time.monotonic() + FATAL_SECONDS
        yield from until(lambda: self.ends() or not self._site.worker.running()
                         or time.monotonic() > deadline, "end")

    def delivered(self) -> Iterator[None]:
        """Wait until the worker has it."""
        yield from until(lambda: any(one.what == "deliver" for one in self.events()), "delivery")

    def stored(self, state: str) -> Iterator[None]:
        """Wait for a document with this state."""
        yield from until(lambda: any(one["status"] == state for _, one in self.documents()), state)

    def exists(self, path: str) -> Iterator[None]:
        """Wait until a task has made the file."""
        yield from until(Path(path).exists, path)

    def release(self) -> None:
        """Let life.hold go."""
        Path(f"{self.path}.go").touch()

    def look(self) -> None:
        """Keep what the broker knows now."""
        self.during = self.ends()

    def quit(self) -> None:
        """A cold shutdown."""
        self._site.worker.signal(signals.SIGQUIT)

    def ended(self) -> Iterator[None]:
        """Wait until the worker has ended."""
        yield from until(lambda: not self._site.worker.running(), "end of the worker")

    def revoke(self, **options: Any) -> Iterator[None]:
        """Revoke the task; the worker has heard it."""
        self.app.control.revoke(self.task_id, reply=True, timeout=REPLY_SECONDS, limit=1,
                                **options)
        yield

    def limit(self, name: str, rate: str) -> Iterator[None]:
        """Change a rate limit; the worker has heard it."""
        self.app.control.rate_limit(name, rate, reply=True, timeout=REPLY_SECONDS, limit=1)
        yield
