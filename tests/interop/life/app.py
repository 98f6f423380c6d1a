# SPDX-License-Identifier: BSD-3-Clause
"""The Celery app of the rows: life_tasks.c has the same tasks in C."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

app = Celery("life")
app.conf.update(json.loads(os.environ.get("LIFE_SETTINGS", "{}")))


@app.task(name="life.add")
def add(x: int, y: int) -> int:
    """The sum."""
    return x + y


@app.task(name="life.fail")
def fail(message: str) -> None:
    """A ValueError."""
    raise ValueError(message)


@app.task(name="life.throws", throws=(KeyError,))
def throws() -> None:
    """An exception that is expected."""
    raise KeyError("expected")


@app.task(name="life.retry", bind=True, max_retries=2)
def retry(self: Task, times: int, cause: bool, countdown: float) -> int:
    """Retry so many times, for a reason or for none."""
    if self.request.retries >= times:
        return self.request.retries
    if not cause:
        raise self.retry(countdown=countdown)
    try:
        raise ValueError("the cause")
    except ValueError as error:
        raise self.retry(exc=error, countdown=countdown)


@app.task(name="life.ignore")
def ignore() -> None:
    """Nothing is to be stored."""
    raise Ignore()


def is_first(path: str) -> bool:
    """True once for each path."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return True
    except FileExistsError:
        return False


@app.task(name="life.reject")
def reject(path: str, requeue: bool) -> str:
    """Refuse the message the first time."""
    if is_first(path):
        raise Reject("not now", requeue=requeue)
    return "second run"


@app.task(name="life.die")
def die(path: str, how: str) -> str:
    """End the process the first time."""
    if not is_first(path):
        return "second run"
    time.sleep(0.3)  # Celery's pool runs it twice if it has not read that it began
    ways: dict[str, Any] = {"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
                            "_exit": lambda: os._exit(3), "exit": lambda: sys.exit(4),
                            "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt())}
    ways[how]()
    return "survived"


@app.task(name="life.hold")
def hold(path: str) -> str:
    """Wait until somebody makes PATH.go."""
    Path(path).touch()
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{path}.go") and time.monotonic() < deadline:
        time.sleep(0.02)
    return "held"


@app.task(name="life.slow")
def slow(path: str) -> str:
    """Run for too long, the first time."""
    if not is_first(path):
        return "second run"
    time.sleep(30)
    return "slept"
