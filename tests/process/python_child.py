# SPDX-License-Identifier: BSD-3-Clause
"""A child of the Python runtime with the app of python_child_app.py, as the main process has it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from native_driver import JOB, RESULT, Child, Result
from python_driver import Python
from support.process import wait_until
from test_native_ahead import STAGED, Page

SECONDS = 15.0
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class Kid(Child):
    """A child with a claim page; each job has an id of its own."""

    def __init__(self, runtime: Python, slot: int = 1, generation: int = 1) -> None:
        self.page: Any = Page()
        child = runtime.spawn(slot, generation, self.page.fd)
        super().__init__(child.sock, slot, child.pid)
        runtime.children[-1] = self
        self.frames = 0
        self.id = ""

    def send_job(self, task: str, *args: Any, **options: Any) -> int:
        """As Child does, with the task's name behind the module's."""
        self.id = options.pop("id", None) or str(uuid.uuid4())
        reply_to = options.pop("reply_to", None)
        properties = {"correlation_id": self.id, "reply_to": reply_to}
        properties.update(options.pop("properties", {}))
        name = task if "." in task else f"python_child_app.{task}"
        headers = {"task": name, "id": self.id, "root_id": self.id, "parent_id": None}
        headers.update(options.pop("headers", {}))
        options.setdefault("embed", EMBED)
        self.stage()
        return super().send_job(
            name, *args, id=self.id, headers=headers, properties=properties, ignore_result=None,
            result_serializer=None, accept=None, **options)

    def stage(self) -> None:
        """The next frame is a JOB."""
        self.page[self.frames] = STAGED
        self.frames += 1

    def send_raw(self, *elements: Any) -> None:
        """A JOB as it is."""
        self.stage()
        self.send(JOB, *elements)

    def record(self, task: str, *args: Any, event: str, **options: Any) -> Result:
        """Have something written down."""
        record = {"event": event}
        for key in ("exception", "argument", "reason", "terminated", "signum", "expired"):
            if key in options:
                record[key] = options.pop(key)
        return self.run(task, *args, record=record, **options)

    def any_result(self, seconds: float = SECONDS) -> tuple[Result, int]:
        """The next RESULT and its flags."""
        _, flags, rss, report, document = self.expect(RESULT, seconds)
        return Result(report, document, rss), flags

    def close(self) -> None:
        """Close everything."""
        super().close()
        if self.page is not None:
            self.page.close()
            self.page = None


class Runtime(Python):
    """A forkserver with that app, configured by keywords."""

    def __init__(self, folder: Path, *options: str, loglevel: str = "INFO",
                 environment: dict[str, str] | None = None, **conf: Any) -> None:
        self.notes_file = folder / "notes"
        self.results = folder / "results"
        self.results.mkdir()
        settings = {"broker_url": "amqp://nobody:none@127.0.0.1:1//",
                    "result_backend": f"file://{self.results}", **conf}
        super().__init__(
            "python_child_app", Path(__file__).parent, *options, loglevel=loglevel,
            environment={"CHILD_APP_CONF": json.dumps(settings),
                         "CHILD_APP_LOG": str(self.notes_file), "C_FORCE_ROOT": "1",
                         **(environment or {})})

    def kid(self, slot: int = 1) -> Kid:
        """A child that is ready."""
        return Kid(self, slot)

    def stored(self, task_id: str) -> dict[str, Any] | None:
        """The result in the file backend."""
        path = self.results / f"celery-task-meta-{task_id}"
        return dict(json.loads(path.read_text())) if path.exists() else None

    def notes(self) -> list[str]:
        """What the app has noted."""
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []

    def wait_note(self, line: str) -> None:
        """Wait until the app has noted this."""
        wait_until(lambda: line in self.notes(), SECONDS, f"note {line!r}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is not None:
            print("\n".join(self.notes()))
        super().__exit__(kind, error, trace)
