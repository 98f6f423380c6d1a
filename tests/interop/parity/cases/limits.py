# SPDX-License-Identifier: BSD-3-Clause
"""Time limits: of the task, of the call, of the settings and of the command line."""

from __future__ import annotations

from typing import Any

from celery import chain, chord
from celery.result import AsyncResult

from interop.parity.app import limits, tasks
from interop.parity.run import Run

LONG = 15.0


def _announced(run: Run, result: AsyncResult) -> Any:
    """A hard limit: the worker tells of the failure after it was stored."""
    found = run.tree(result)
    run.noted("task_failure", result.id)
    return found


def _chord(run: Run) -> Any:
    result = chord([tasks.add.si(1, 1), limits.hard_limited.si(LONG)])(tasks.total.s())
    return run.tree(result)


CASES = {
    "soft limit of the task": lambda run: limits.soft_limited.delay(LONG),
    "soft limit of the call": lambda run: limits.work.apply_async((LONG,), soft_time_limit=1),
    "soft limit of the call wins": lambda run: limits.soft_limited.apply_async(
        (2,), soft_time_limit=10),
    "soft limit is handled": lambda run: limits.cleans_up.delay(LONG),
    "soft limit leads to a retry": lambda run: limits.retries_when_late.delay(LONG),
    "soft limit is not reached": lambda run: limits.soft_limited.delay(0),
    "hard limit of the task": lambda run: _announced(run, limits.hard_limited.delay(LONG)),
    "hard limit of the call": lambda run: _announced(
        run, limits.work.apply_async((LONG,), time_limit=1.5)),
    "hard limit after the soft one": lambda run: _announced(
        run, limits.ignores_soft.delay(LONG)),
    "hard limit, acknowledged late": lambda run: _announced(run, limits.hard_late.delay(LONG)),
    "hard limit, result ignored": lambda run: run.noted(
        "task_failure", limits.hard_ignored.delay(LONG).id)["id"],
    "hard limit with link_error": lambda run: run.failed_over(
        limits.hard_limited.apply_async((LONG,), link_error=tasks.old_errback.s())),
    "hard limit in a chain": lambda run: run.tree(chain(
        limits.hard_limited.si(LONG), tasks.add.si(1, 1)).apply_async().parent),
    "hard limit in a chord": _chord,
    "request class is told": lambda run: _announced(run, limits.requested_limits.delay(LONG)),
    "limits in the request": lambda run: limits.limits_seen.apply_async(time_limit=35),
    "after all of them": lambda run: tasks.add.delay(1, 1),
}

DEFAULTS = {
    "soft limit by setting": lambda run: limits.work.delay(LONG),
    "limits of the settings": lambda run: limits.limits_seen.delay(),
    "within the limits": lambda run: limits.work.delay(0.1),
}
