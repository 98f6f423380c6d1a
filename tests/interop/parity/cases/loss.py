# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that end their process, and a worker that is killed."""

from __future__ import annotations

from typing import Any

from celery import chord

from interop.parity.app import calling, outcomes, tasks
from interop.parity.run import Run

WAYS = ("kill", "segv", "_exit", "exit", "exit 0", "exit text")
LONG = 120


def _killed(run: Run) -> Any:
    """Tasks that run when the worker is killed; what is left in the queues is seen later."""
    for task in (outcomes.waits_early, outcomes.waits_late):
        run.noted("waits", task.apply_async((LONG,)).id)
    return None


CASES = {
    **{f"early: {how}": (lambda run, how=how: outcomes.leave.delay(how)) for how in WAYS},
    **{f"late: {how}": (lambda run, how=how: outcomes.leave_late.delay(how))
       for how in ("kill", "exit")},
    **{f"rejected: {how}": (lambda run, how=how: outcomes.leave_rejected.delay(how))
       for how in ("kill", "_exit")},
    "errback": lambda run: run.failed_over(
        outcomes.leave.apply_async(("kill",), link_error=tasks.old_errback.s())),
    "lost in a chord": lambda run: chord(
        [tasks.add.si(1, 1), outcomes.leave.si("kill")])(tasks.total.s()),
    "afterwards": lambda run: tasks.add.delay(1, 1),
}

LATE = {
    "lost and run again": lambda run: outcomes.leave.delay("kill"),
    "task that is acknowledged early": lambda run: outcomes.leave_early.delay("kill"),
    "task that is acknowledged late": lambda run: outcomes.leave_late.delay("_exit"),
    "failure": lambda run: outcomes.fail_acked.delay(),
    "failure that is rejected": lambda run: outcomes.fail_late.delay(),
    "success": lambda run: tasks.add.delay(1, 1),
    "slow": lambda run: calling.slow.delay(0.2),
}

KILLED = {"killed worker": _killed}
