# SPDX-License-Identifier: BSD-3-Clause
"""Results and exceptions that are hard to store, and ways out of a task."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Iterator
from uuid import UUID

from celery import Task, states
from celery.exceptions import Ignore, Reject

from interop.parity.app.base import Leaving, Remembering, Requested
from interop.parity.app.celery import app
from interop.parity.app.journal import folder, note

ACCEPT_SECONDS = 10.0


class Odd(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class Keyword(Exception):
    """Takes keywords only."""

    def __init__(self, *, code: int) -> None:
        self.code = code
        super().__init__()


class Unpicklable(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text, threading.Lock())


class Unprintable(Exception):
    """Has no text."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Reduced(Exception):
    """Knows how to be pickled."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)
        self.a, self.b = a, b

    def __reduce__(self) -> Any:
        return type(self), (self.a, self.b)


def _generator() -> Iterator[int]:
    yield 1


RESULTS: dict[str, Any] = {
    "none": None, "true": True, "float": 1.5, "big": 2 ** 70, "infinity": float("inf"),
    "text": "größer 🐇 \u2028 \x00", "empty": "", "list": [1, [2, {"three": None}]],
    "keys": {1: "a", None: "b", "c": 2}, "tuple": (1, 2), "set": {1}, "bytes": b"\xff\x00",
    "object": object, "lock": threading.Lock, "decimal": Decimal("1.50"),
    "moment": datetime(2024, 2, 29, 12, 30, 15, 123000, tzinfo=timezone.utc),
    "date": date(2024, 2, 29), "uuid": UUID(int=5), "span": timedelta(seconds=90),
    "generator": _generator,
}
EXCEPTIONS: dict[str, Any] = {
    "odd": lambda: Odd(7, "odd"), "keyword": lambda: Keyword(code=7),
    "unpicklable": lambda: Unpicklable("lock"), "unprintable": Unprintable,
    "reduced": lambda: Reduced(1, 2), "unicode": lambda: ValueError("größer 🐇"),
    "no arguments": ValueError, "many arguments": lambda: ValueError(1, "two", None, [4]),
    "object argument": lambda: ValueError(object), "os error": lambda: OSError(2, "gone", "file"),
    "unicode error": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "assertion": AssertionError, "stop": lambda: StopIteration(3),
    "long": lambda: ValueError("x" * 5000), "class in class": type("Nested", (KeyError,), {}),
    "group of causes": lambda: RuntimeError(ValueError(1)), "lines": lambda: ValueError("a\nb"),
    "percent": lambda: ValueError("100 %s %d %(x)s"),
}


@app.task
def give(what: str) -> Any:
    """Return something special."""
    value = RESULTS[what]
    return value() if callable(value) else value


@app.task
def blow(what: str) -> None:
    """Raise something special."""
    raise EXCEPTIONS[what]()


@app.task
def with_cause() -> None:
    """An exception that has a cause."""
    try:
        {}["key"]
    except KeyError as error:
        raise ValueError("from a key") from error


@app.task
def deep(levels: int) -> None:
    """A long traceback."""
    if not levels:
        raise ValueError("deep down")
    deep.run(levels - 1)


@app.task
def endless_recursion() -> None:
    """RecursionError."""
    endless_recursion.run()


@app.task
def huge(size: int) -> str:
    """A large result."""
    return "x" * size


@app.task
def measure(value: Any) -> int:
    """The size of a large argument."""
    return len(value)


@app.task(bind=True, base=Remembering)
def ignore(self: Task) -> None:
    """Nothing is stored but what it stores itself."""
    self.update_state(state=states.FAILURE, meta={"exc_type": "Own", "exc_message": "mine",
                                                  "exc_module": "builtins"})
    raise Ignore()


@app.task(bind=True, base=Remembering, acks_late=True)
def reject(self: Task, requeue: bool) -> str:
    """Refuse the message, at its first delivery."""
    if self.request.delivery_info["redelivered"]:
        return "came again"
    raise Reject("not for me", requeue=requeue)


@app.task(bind=True)
def reject_early(self: Task, requeue: bool) -> None:
    """Refuse a message that was acknowledged already."""
    raise Reject("too late", requeue=requeue)


@app.task(base=Remembering, acks_late=True, acks_on_failure_or_timeout=False)
def fail_late() -> None:
    """A failure whose message is rejected."""
    raise ValueError("dead letter")


@app.task(base=Remembering, acks_late=True)
def fail_acked() -> None:
    """A failure whose message is acknowledged, late."""
    raise ValueError("acknowledged")


@app.task(base=Requested)
def requested(fails: bool) -> str:
    """A task with its own request class."""
    if fails:
        raise ValueError("requested")
    return "fine"


@app.task(bind=True)
def forget_itself(self: Task) -> None:
    """Remove a stored state while running."""
    self.update_state(state="PROGRESS")
    self.AsyncResult(self.request.id).forget()


@app.task
def memory_error() -> None:
    """What Python says when there is no memory."""
    raise MemoryError("full")


def once(self: Task) -> bool:
    """True for the first run of this task id, in whichever process."""
    try:
        (folder() / f"once-{self.request.id}").touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def _leave(how: str) -> None:
    ways: dict[str, Any] = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "_exit": lambda: os._exit(3),
        "exit": lambda: sys.exit(4),
        "exit 0": sys.exit,
        "exit text": lambda: sys.exit("leaving"),
        "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    }
    ways[how]()


def _wait_until_accepted(task_id: str) -> None:
    """Celery's pool runs a task twice if its process ends before the pool has read that it began.
    """
    end = time.monotonic() + ACCEPT_SECONDS
    while (os.environ["PARITY_WORKER"] == "celery" and time.monotonic() < end
           and not (folder() / f"accepted-{task_id}").exists()):
        time.sleep(0.02)


def _leave_once(self: Task, how: str) -> str:
    if not once(self):
        return f"second run, redelivered {self.request.delivery_info['redelivered']}"
    note("leaves", how=how)
    _wait_until_accepted(self.request.id)
    _leave(how)
    return "survived"


@app.task(bind=True, base=Leaving)
def leave(self: Task, how: str) -> str:
    """End the process, at the first run."""
    return _leave_once(self, how)


@app.task(bind=True, base=Leaving, acks_late=True)
def leave_late(self: Task, how: str) -> str:
    """The same, acknowledged late."""
    return _leave_once(self, how)


@app.task(bind=True, base=Leaving, acks_late=True, reject_on_worker_lost=True)
def leave_rejected(self: Task, how: str) -> str:
    """The same, given back to the broker when the process is lost."""
    return _leave_once(self, how)


@app.task(bind=True, base=Leaving, acks_late=False, reject_on_worker_lost=False)
def leave_early(self: Task, how: str) -> str:
    """The opposite, whatever the settings say."""
    return _leave_once(self, how)


def _wait_for_the_end(seconds: float) -> None:
    note("waits")
    time.sleep(seconds)


@app.task(acks_late=False)
def waits_early(seconds: float) -> None:
    """Runs when the worker is killed, acknowledged already."""
    _wait_for_the_end(seconds)


@app.task(acks_late=True)
def waits_late(seconds: float) -> None:
    """Runs when the worker is killed, not acknowledged yet."""
    _wait_for_the_end(seconds)
