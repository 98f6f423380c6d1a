# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that a test starts, sees run, and lets go: fault.hold and its trace."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import amqp

from faults.ledger import read_lines
from support.amqp import Client
from support.process import wait_until

QUEUE = "celery"
CLIENT_SECONDS = 30.0


def consumers(url: str, queue: str) -> int:
    """The consumers of a queue; 0 if there is no such queue."""
    with Client(url) as client:
        try:
            return client.counts(queue)[1]
        except amqp.exceptions.NotFound:
            return 0


class Held:
    """Sends fault.hold tasks, reads their trace, and collects their results."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.sent: list[str] = []
        self._path = path
        self._client = Client(url, CLIENT_SECONDS)
        self._client.declare_task_queue()
        self._answers = self._client.declare("answers")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def reconnect(self) -> None:
        """For when the old connection went with the node."""
        self._client.close()
        self._client = Client(self.url, CLIENT_SECONDS)

    def send(self, count: int, **headers: Any) -> list[str]:
        """Publish that many tasks; their ids."""
        ids = [f"held-{len(self.sent) + number}" for number in range(count)]
        for one in ids:
            self._client.send_task("fault.hold", (str(self._path), one), QUEUE, task_id=one,
                                   reply_to=self._answers, **headers)
        self.sent += ids
        return ids

    def send_and_wait(self, count: int, **headers: Any) -> list[str]:
        """Publish that many tasks and wait until each has started."""
        ids = self.send(count, **headers)
        self.wait_started(len(self.sent))
        return ids

    def let_go(self) -> None:
        """All tasks that run, or will run, end at once."""
        Path(f"{self._path}.go").touch()

    def trace(self, what: str) -> Counter[str]:
        """How often each task has written "start" or "end"."""
        lines = (line.split(" ", 1) for line in read_lines(self._path))
        return Counter(words[1] for words in lines if words[0] == what)

    def starts(self) -> int:
        """All starts so far."""
        return sum(self.trace("start").values())

    def ends(self) -> int:
        """All ends so far."""
        return sum(self.trace("end").values())

    def wait_started(self, count: int, seconds: float = 15.0) -> None:
        """Wait for that many starts in all."""
        wait_until(lambda: self.starts() >= count, seconds, f"{count} starts")

    def wait_ended(self, count: int, seconds: float = 15.0) -> None:
        """Wait for that many ends in all."""
        wait_until(lambda: self.ends() >= count, seconds, f"{count} ends")

    def wait_results(self, count: int, seconds: float = 15.0) -> dict[str, Any]:
        """Take that many result documents from the queue, by task id."""
        found = {}
        for _ in range(count):
            document = json.loads(self._client.wait_message(self._answers, seconds).body)
            found[document["task_id"]] = document
        return found

    def more_results(self) -> int:
        """Result documents that nobody has taken."""
        return self._client.counts(self._answers)[0]

    def ready(self) -> int:
        """Tasks that are ready in the queue."""
        return self._client.counts(QUEUE)[0]

    def wait_ready(self, count: int, seconds: float = 10.0) -> None:
        """Wait until exactly that many tasks are ready in the queue."""
        self._client.wait_ready(QUEUE, count, seconds)

    def delete_queue(self) -> None:
        """Delete the task queue under the worker's consumer."""
        self._client.channel.queue_delete(QUEUE)
