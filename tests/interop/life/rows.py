# SPDX-License-Identifier: BSD-3-Clause
"""The rows of the reference's decision table: what is sent, and what is waited for.

Each is a generator that yields while it waits, so that all of a worker's run side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Iterator

from interop.life.one import One
from support.amqp import task_headers

Steps = Callable[[One], Iterator[None]]
BOTH = ("early", "late")
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@dataclass(frozen=True)
class Case:
    """A row, or one of several situations of a row; `modes`: with which settings (modes.py)."""

    row: str
    situation: str
    modes: tuple[str, ...]
    steps: Steps
    python_only: bool = False
    since: tuple[int, int] = (5, 2)  # Celery's version

    @property
    def name(self) -> str:
        """Unique, and fit for a header."""
        return f"{self.row}: {self.situation}"


def _task(name: str, *args: Any, state: str = "SUCCESS", deliveries: int = 1,
          **options: Any) -> Steps:
    def steps(one: One) -> Iterator[None]:
        one.send(name, *(one.path if arg is PATH else arg for arg in args), **options)
        yield from one.settled(deliveries)
        if state:
            yield from one.stored(state)

    return steps


def _raw(body: Any, drop: str = "", content_type: str = "application/json", state: str = "",
         **headers: Any) -> Steps:
    def steps(one: One) -> Iterator[None]:
        whole = task_headers("life.add", one.task_id) | headers
        one.publish(body, {key: value for key, value in whole.items() if key != drop},
                    content_type)
        yield from one.settled(1)
        if state:
            yield from one.stored(state)

    return steps


PATH = object()
GOOD = [[2, 3], {}, EMBED]
PAST = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()


def _eta(one: One) -> Iterator[None]:
    one.send("life.add", 2, 3, countdown=1.5)
    yield from one.delivered()
    one.look()
    yield from one.stored("SUCCESS")
    yield from one.settled(1)


def _held(one: One) -> Iterator[None]:
    one.send("life.hold", one.path)
    yield from one.exists(one.path)
    yield from one.stored("STARTED")
    if one.acks_early:
        yield from one.settled(1)
    one.look()
    one.release()
    yield from one.stored("SUCCESS")
    yield from one.settled(1)


def _linked(one: One) -> Iterator[None]:
    """A callback and a chain: the callback before the chain's next, both before the result."""
    app = one.app
    one.send("life.add", 2, 3, link=app.signature("life.add", (1,), queue="elsewhere"),
             chain=[dict(app.signature("life.add", (10,), queue="elsewhere"))])
    yield from one.stored("SUCCESS")
    yield from one.settled(1)


def _failing_link(one: One) -> Iterator[None]:
    one.send("life.fail", "bad", link_error=one.app.signature("other.report",
                                                              queue="elsewhere"))
    yield from one.stored("FAILURE")
    yield from one.settled(1)


def _full_retry(one: One) -> Iterator[None]:
    """Everything that a message may carry."""
    one.send("life.retry", 1, True, 0.5, priority=3, shadow="another name",
             soft_time_limit=50, time_limit=60,
             link=one.app.signature("life.add", (1,), queue="elsewhere"))
    yield from one.stored("SUCCESS")
    yield from one.settled(2)


def _hard(one: One) -> Iterator[None]:
    """Celery 5.2 does not run it again."""
    one.send("life.slow", one.path, time_limit=1)
    yield from one.stored("FAILURE")
    yield from one.settled_or_dead()
    if one.ends() == ["requeue"]:
        yield from one.settled(2)
        yield from one.stored("SUCCESS")


def _cold(one: One) -> Iterator[None]:
    one.send("life.hold", one.path)
    yield from one.exists(one.path)
    yield from one.stored("STARTED")
    if one.acks_early:
        yield from one.settled(1)
    one.look()
    one.quit()
    yield from one.ended()


def _fatal_raw(body: Any, drop: str = "") -> Steps:
    def steps(one: One) -> Iterator[None]:
        headers = task_headers("life.add", one.task_id)
        one.publish(body, {key: value for key, value in headers.items() if key != drop})
        yield from one.settled_or_dead()

    return steps


def _revoked(one: One) -> Iterator[None]:
    yield from one.revoke()
    one.send("life.add", 2, 3)
    yield from one.stored("REVOKED")
    yield from one.settled(1)


def _terminated(one: One) -> Iterator[None]:
    one.send("life.hold", one.path)
    yield from one.exists(one.path)
    yield from one.revoke(terminate=True, signal="SIGTERM")
    yield from one.stored("REVOKED")
    yield from one.settled(1)


def _terminated_in_reserve(one: One) -> Iterator[None]:
    blocker = one.another()
    blocker.send("life.hold", blocker.path)
    yield from blocker.exists(blocker.path)
    one.send("life.add", 2, 3)
    yield from one.delivered()
    yield from one.revoke(terminate=True, signal="SIGTERM")
    blocker.release()
    yield from one.stored("REVOKED")
    yield from one.settled(1)


def _limited(one: One) -> Iterator[None]:
    """One or two pass; it is behind three."""
    yield from one.limit("life.add", "60/m")
    for _ in range(3):
        one.another().send("life.add", 2, 3)
    one.send("life.add", 2, 3)
    yield from one.delivered()
    one.look()
    yield from one.stored("SUCCESS")
    yield from one.settled(1)
    yield from one.limit("life.add", "0")


CASES = (
    Case("A", "no task header, broken body", ("odd",), _raw("{", drop="task")),
    Case("A", "no task header, refused content type", ("odd",),
         _raw("x", drop="task", content_type="application/x-python-serialize")),
    Case("B", "no task header, no task object", ("odd",), _raw({"x": 1}, drop="task")),
    Case("C", "cannot be decompressed", ("odd",), _raw(GOOD, compression="application/x-gzip")),
    Case("D", "unknown task", BOTH, _task("life.no_such", state="FAILURE")),
    Case("D", "unknown task, result ignored", BOTH,
         _task("life.no_such", state="FAILURE", ignore_result=True)),
    Case("E", "content type not accepted", BOTH,
         _raw("x", content_type="application/x-python-serialize")),
    Case("F", "body does not decode", BOTH, _raw("[[2, 3], {}")),
    Case("G", "bad eta", BOTH, _raw(GOOD, eta="tomorrow")),
    Case("G", "bad expires", BOTH, _raw(GOOD, expires="next week")),
    Case("H", "kwargs not an object", BOTH, _raw([[2, 3], [1], EMBED])),
    Case("I", "no id", ("fatal-id",), _fatal_raw(GOOD, drop="id")),
    Case("I", "body not a triple", ("fatal-body",), _fatal_raw({"x": 1})),
    Case("J", "expired", BOTH, _raw(GOOD, expires=PAST, state="REVOKED")),
    Case("K", "revoked before it comes", ("control",), _revoked),
    Case("L", "eta in the future", BOTH, _eta),
    Case("M", "rate limited", ("control",), _limited),
    Case("N", "while it runs", BOTH, _held),
    Case("O", "success", BOTH, _task("life.add", 2, 3)),
    Case("O", "success, result ignored", BOTH,
         _task("life.add", 2, 3, ignore_result=True, state="")),
    Case("O", "callback and chain", BOTH, _linked),
    Case("P, Q", "exception", BOTH, _task("life.fail", "bad", state="FAILURE")),
    Case("P, Q", "exception, errback", BOTH, _failing_link),
    Case("P, Q", "expected exception", BOTH, _task("life.throws", state="FAILURE"),
         python_only=True),
    Case("R", "exception, acks_on_failure false", ("strict",),
         _task("life.fail", "bad", state="FAILURE")),
    Case("S", "retry with a cause", BOTH, _task("life.retry", 1, True, 0, deliveries=2)),
    Case("S", "retry without one", BOTH, _task("life.retry", 1, False, 0, deliveries=2)),
    Case("S", "retry, all that a message has", BOTH, _full_retry),
    Case("S", "retry of a message that expires", BOTH,
         _task("life.retry", 1, True, 0, deliveries=2, expires=3600), since=(5, 3)),
    Case("T", "retries exhausted, with a cause", BOTH,
         _task("life.retry", 9, True, 0, deliveries=3, state="FAILURE")),
    Case("T", "retries exhausted, without one", BOTH,
         _task("life.retry", 9, False, 0, deliveries=3, state="FAILURE")),
    Case("U", "Ignore", BOTH, _task("life.ignore", state="")),
    Case("V, X", "Reject", BOTH, _task("life.reject", PATH, False, state="")),
    Case("W", "Reject, requeue", ("late",), _task("life.reject", PATH, True, deliveries=2)),
    Case("X", "Reject, requeue", ("early",), _task("life.reject", PATH, True, state="")),
    Case("Y, Z", "killed", BOTH, _task("life.die", PATH, "kill", state="FAILURE")),
    Case("Y, Z", "exit status 3", BOTH, _task("life.die", PATH, "_exit", state="FAILURE")),
    Case("a", "killed, goes back", ("lost",), _task("life.die", PATH, "kill", deliveries=2)),
    Case("b", "soft time limit", BOTH,
         _task("life.slow", PATH, state="FAILURE", soft_time_limit=1)),
    Case("c, d", "hard time limit", BOTH, _task("life.slow", PATH, state="FAILURE", time_limit=1)),
    Case("e", "hard limit, acks_on_failure false", ("strict",), _hard),
    Case("f", "terminated while it runs", ("control",), _terminated),
    Case("g", "terminated in reserve", ("control",), _terminated_in_reserve),
    Case("h", "cold shutdown, early", ("cold-early",), _cold),
    Case("i", "cold shutdown, late", ("cold-late",), _cold),
    Case("j", "SystemExit", BOTH, _task("life.die", PATH, "exit", state="FAILURE")),
    Case("j", "KeyboardInterrupt", BOTH, _task("life.die", PATH, "interrupt", state="FAILURE"),
         python_only=True),
)
