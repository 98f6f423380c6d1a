# SPDX-License-Identifier: BSD-3-Clause
"""What a case works with: waiting, and describing results as a client sees them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Callable

from celery import Celery
from celery.result import AsyncResult, EagerResult, GroupResult, ResultBase

from interop.parity.app import journal

CASE_SECONDS = 60.0
PAUSE = 0.03
# Fields of a result that only result_extended fills.
EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue")


class Tail:
    """The journal as it grows, for all cases of a client."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offset = 0
        self._records: list[dict[str, Any]] = []

    def records(self) -> list[dict[str, Any]]:
        """All records so far."""
        with self._lock:
            if self._path.exists():
                with open(self._path, "rb") as file:
                    file.seek(self._offset)
                    text = file.read()
                whole = text[:text.rfind(b"\n") + 1]
                self._offset += len(whole)
                self._records += [json.loads(line) for line in whole.splitlines()]
            return list(self._records)


class Run:
    """One case on its way."""

    def __init__(self, app: Celery, name: str, tail: Tail, rpc: bool) -> None:
        self.app = app
        self.name = name
        self.folder = journal.folder()
        self._tail = tail
        self._rpc = rpc
        self._deadline = time.monotonic() + CASE_SECONDS

    def until(self, check: Callable[[], Any], what: str) -> Any:
        """Wait until check returns something true, and return that."""
        while True:
            value = check()
            if value:
                return value
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"no {what}")
            time.sleep(PAUSE)

    def claim(self, task_id: str) -> str:
        """Say that a task which was not sent by Celery belongs to this case."""
        journal.note("claim", task_id, case=self.name)
        return task_id

    def noted(self, event: str, task_id: str, count: int = 1) -> Any:
        """Wait until the journal has an event of a task so many times; the last record."""
        def seen() -> Any:
            found = [one for one in self._tail.records()
                     if one["event"] == event and one["id"] == task_id]
            return len(found) >= count and found[-1]

        return self.until(seen, f"{event} of {task_id}")

    def noted_of(self, event: str, field: str, value: str) -> None:
        """Wait until the journal has an event with this value in a field."""
        self.until(lambda: any(record["event"] == event and record.get(field) == value
                               for record in self._tail.records()), f"{event} of {value}")

    def noted_in_all(self, event: str, count: int) -> None:
        """Wait until the journal has so many events of all tasks of this case."""
        def seen() -> int:
            records = self._tail.records()
            own = {one["id"] for one in records if one.get("case") == self.name}
            return sum(1 for one in records if one["event"] == event and one["role"] != "client"
                       and (one["id"] in own or one["root"] in own))

        self.until(lambda: seen() >= count, f"{count} {event}")

    def ran(self, result: AsyncResult, count: int = 1) -> Any:
        """Wait until the task has run, and say what is stored; for results that are not."""
        self.noted("task_postrun", result.id, count)
        return {"state": result.state, "result": journal.plain(result.result)}

    def ended(self, result: AsyncResult) -> None:
        """Wait until the task has run for the last time."""
        self.until(lambda: any(
            one["event"] == "task_postrun" and one["id"] == result.id
            and one["arguments"]["state"] in ("SUCCESS", "FAILURE")
            for one in self._tail.records()), f"end of {result.id}")

    def logged(self, result: AsyncResult, words: str) -> None:
        """Wait until the worker's log says something of a task."""
        log = self.folder / "worker.log"
        self.until(lambda: any(words in line and result.id in line
                               for line in log.read_text(errors="replace").splitlines()),
                   f"line with {words} and {result.id}")

    def ran_below(self, result: ResultBase, count: int) -> Any:
        """Wait for the result, and until so many tasks in all have run."""
        found = self.tree(result)
        self.noted_in_all("task_postrun", count)
        return found

    def failed_over(self, result: AsyncResult) -> Any:
        """Wait for a failure, and for its error callback (tasks.old_errback)."""
        found = self.tree(result)
        self.noted_of("old errback", "failed", result.id)
        self.noted_in_all("task_postrun", 1)
        return found

    def wait(self, result: ResultBase) -> None:
        """Wait for a result or a group of them."""
        if self._rpc and not isinstance(result, GroupResult):
            result.get(timeout=max(0.1, self._deadline - time.monotonic()), propagate=False)
        elif isinstance(result, GroupResult):
            for one in result.results:
                self.wait(one)
        elif not isinstance(result, EagerResult):
            self.until(result.ready, f"result of {result.id}, which is {result.state}")

    def tree(self, result: ResultBase) -> Any:
        """A result with its parents and children, each when it is ready."""
        self.wait(result)
        if result.id:
            self.claim(result.id)
        if isinstance(result, GroupResult):
            return {"group": [self.tree(one) for one in result.results],
                    "parent": self.tree(result.parent) if result.parent else None}
        if self._rpc:  # each result message can be read once
            return {"state": result.state, "result": journal.plain(result.result),
                    "traceback": result.traceback, "children": len(result.children or [])}
        found = {
            "id": result.id, "state": result.state, "result": journal.plain(result.result),
            "traceback": result.traceback,
            "children": [self.tree(child) for child in result.children or []],
            "parent": self.tree(result.parent) if result.parent else None,
        }
        return found | {name: journal.plain(value) for name in EXTENDED
                        if (value := getattr(result, name, None)) is not None}

    def observe(self, answer: Any) -> Any:
        """What a case returned, as JSON."""
        return self.tree(answer) if isinstance(answer, ResultBase) else journal.plain(answer)
