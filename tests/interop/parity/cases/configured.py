# SPDX-License-Identifier: BSD-3-Clause
"""Cases that are worth running under other backends, serializers and settings."""

from __future__ import annotations

from typing import Any, Callable

from celery import chain, chord, group

from interop.parity.app import calling, canvas, outcomes, retries, tasks
from interop.parity.cases import calling as calling_cases
from interop.parity.cases import outcomes as outcome_cases
from interop.parity.cases import processes as process_cases
from interop.parity.cases import tasks as task_cases
from interop.parity.run import Run

_BASIC: dict[str, Any] = {
    name: {**task_cases.CASES, **task_cases.RETRIES, **outcome_cases.CASES,
           **outcome_cases.RESULTS}[name]
    for name in (
        "add", "failure", "request attributes", "ignored by the task", "ignored by the call",
        "ignored failure", "ignored failure is stored", "track_started", "handlers: success",
        "handlers: failure", "handlers: retry", "retry with an exception", "autoretry",
        "exception: odd", "exception: unpicklable", "exception: unicode", "result: lock",
        "result: text", "result: none", "result: tuple", "result: moment", "result: bytes")}


def _on_the_wire(case: Callable[[Run], Any]) -> Callable[[Run], Any]:
    """The result messages are compared; newer clients of Celery lose some behind a RETRY."""
    return lambda run: run.ended(case(run))


RPC = {
    **{name: _on_the_wire(case) if "retry" in name else case for name, case in _BASIC.items()
       if not name.startswith(("ignored", "track", "result: bytes"))},
    **outcome_cases.RESULTS,
    "progress": lambda run: run.ran(tasks.progress_unseen.delay(2)),
    "chain": lambda run: chain(tasks.add.s(1, 1), tasks.add.s(2))(),
    "group": lambda run: group(tasks.add.s(1, 1), tasks.add.s(1, 1))(),
    "link": lambda run: tasks.add.apply_async((1, 1), link=tasks.add.s(5)),
    "replace": lambda run: canvas.replaced.delay("task") and run.noted_in_all("task_postrun", 2),
    "retry": _on_the_wire(lambda run: retries.until.delay(2)),
    "msgpack task": lambda run: tasks.echo.apply_async((1, "ä"), serializer="msgpack"),
    "expired": lambda run: run.logged(
        calling.slow.apply_async((0,), expires=1.5, countdown=2), "Discarding revoked"),
    "unknown task": lambda run: run.app.send_task("no.such.task", (1,)),
    "huge result": outcome_cases.CASES["huge result"],
}

EXTENDED = {
    **_BASIC,
    **process_cases.LOGS,
    "chain": lambda run: chain(tasks.add.s(1, 1), tasks.add.s(2))(),
    "chord": lambda run: run.ran_below(
        chord([tasks.add.s(2, 2), tasks.add.s(2, 2)])(tasks.total.s()), 3),
    "countdown": lambda run: tasks.add.apply_async((1, 2), countdown=0.5),
    "expired": lambda run: calling_cases.CASES["expired"](run),
    "inherited priority": lambda run: chain(
        calling.delivery.s().set(priority=5), calling.delivery.s())(),
    "kwargs": lambda run: tasks.echo.delay("ä", key=[1, 2]),
    "shadow": lambda run: calling.shadowed.apply_async(shadow="other.name"),
}

PICKLE = {
    **{name: case for name, case in _BASIC.items() if not name.startswith("ignored")},
    **outcome_cases.RESULTS,
    "exception object": lambda run: outcomes.blow.delay("reduced"),
    "argument object": lambda run: tasks.echo.delay({1, 2}, ("a", "b"), b"\xff"),
    "reject": lambda run: run.ran(outcomes.reject.delay(False)),
    "chord": lambda run: run.ran_below(
        chord([tasks.add.s(2, 2), tasks.add.s(2, 2)])(tasks.total.s()), 3),
}

CUSTOM = {
    **{name: _BASIC[name] for name in ("ignored by the task", "ignored by the call",
                                       "ignored failure is stored")},
    **{name: (lambda run, case=process_cases.LOGS[name]: run.ran(case(run)))
       for name in ("log: prints", "log: other logger", "log: task logger")},
    "ignored by the setting": lambda run: run.ran(tasks.add.delay(1, 2)),
    "kept by the task": lambda run: tasks.kept.delay(5),
    "chord": lambda run: run.ran_below(
        chord([tasks.kept.s(1), tasks.kept.s(2)])(tasks.kept.s()), 3),
}
