# SPDX-License-Identifier: BSD-3-Clause
"""The app of the client and of Python workers: each task twice, as one.* and as two.*.

canvas_tasks.c has the same tasks. What is named two.* goes to a queue of that name, everything
else to the queue one, so that two workers can share a canvas.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore

app = Celery("canvas")
app.conf.update(
    task_default_queue="one",
    task_routes={"two.*": {"queue": "two"}},
    accept_content=["json", "msgpack"],
    result_expires=600,
    result_extended=True,
    task_inherit_parent_priority=True,
    worker_enable_remote_control=False,
)


def add(x: Any, y: Any) -> Any:
    """The sum of two numbers."""
    return x + y


def total(numbers: Any) -> Any:
    """The sum of a list."""
    return sum(numbers)


def echo(*args: Any, **kwargs: Any) -> Any:
    """What it was called with."""
    return [list(args), kwargs]


def quiet(*args: Any) -> Any:
    """Its result is not stored."""
    return list(args)


def slow(seconds: float, value: Any) -> Any:
    """The value, later."""
    time.sleep(seconds)
    return value


def fail(*args: Any) -> None:
    """Raise a ValueError, whatever it is called with."""
    raise ValueError("bad thing")


def late(seconds: float) -> None:
    """Raise one later."""
    time.sleep(seconds)
    raise ValueError("late thing")


def ignore(*args: Any) -> None:
    """End without a result."""
    raise Ignore()


def retry(self: Task, value: int, times: int) -> int:
    """Run so many times more, then return the value plus that."""
    if self.request.retries < times:
        raise self.retry(exc=KeyError("again"), countdown=0.05, max_retries=times)
    return value + self.request.retries


def exhaust(self: Task, *args: Any) -> None:
    """Fail once more than it may."""
    raise self.retry(exc=KeyError("out"), countdown=0.05, max_retries=1)


def replace(self: Task, *args: Any) -> Any:
    """Be replaced by the signature that is the last argument."""
    return self.replace(self.app.signature(args[-1]))


def apply(self: Task, *args: Any) -> str:
    """Send the signature that is the last argument."""
    self.app.signature(args[-1]).apply_async()
    return "applied"


def seen(self: Task, *args: Any) -> Any:
    """Its own place, as its request tells it."""
    request = self.request
    stamps = request.get("stamps") or {}
    return [len(args), request.root_id == request.id, request.parent_id is None,
            request.group is None, request.delivery_info["priority"], request.retries,
            sorted(stamps)]


def errback(failed: str) -> list[str]:
    """An error callback that is a task of its own: it gets the id of what has failed."""
    return ["told of", failed]


def broken(failed: str) -> None:
    """One that fails itself."""
    raise ValueError("worse thing")


def handler(request: Any, exc: Any, traceback: Any) -> None:
    """An error callback that Celery calls in the process of the failed task."""
    app.backend.client.rpush("called", f"{request.id} {type(exc).__name__}")


FREE = (add, total, echo, slow, fail, late, ignore, errback, broken, handler)
BOUND = (retry, exhaust, replace, apply, seen)


def _define(prefix: str) -> SimpleNamespace:
    tasks = {function.__name__: app.task(function, name=f"{prefix}.{function.__name__}",
                                         bind=function in BOUND)
             for function in FREE + BOUND}
    tasks["quiet"] = app.task(quiet, name=f"{prefix}.quiet", ignore_result=True)
    return SimpleNamespace(**tasks)


one = _define("one")
two = _define("two")
