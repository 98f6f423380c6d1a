# SPDX-License-Identifier: BSD-3-Clause
"""Results, exceptions, Ignore and Reject."""

from __future__ import annotations

from typing import Any, Callable

from interop.parity.app import outcomes
from interop.parity.run import Run


def _give(what: str) -> Callable[[Run], Any]:
    return lambda run: outcomes.give.delay(what)


def _blow(what: str) -> Callable[[Run], Any]:
    return lambda run: outcomes.blow.delay(what)


def _ignore(run: Run) -> Any:
    result = outcomes.ignore.delay()
    run.noted("task_postrun", result.id)
    return run.tree(result)


def _huge(run: Run) -> Any:
    result = outcomes.huge.delay(5_000_000)
    run.wait(result)
    return [result.state, len(result.result)]


def _huge_argument(run: Run) -> Any:
    result = outcomes.measure.apply_async(("x" * 3_000_000,), argsrepr="(big)")
    run.wait(result)
    return [result.state, result.result]


RESULTS = {
    **{f"result: {what}": _give(what) for what in outcomes.RESULTS},
    **{f"exception: {what}": _blow(what) for what in outcomes.EXCEPTIONS},
}

CASES = {
    "exception with a cause": lambda run: outcomes.with_cause.delay(),
    "deep traceback": lambda run: outcomes.deep.delay(30),
    "endless recursion": lambda run: outcomes.endless_recursion.delay(),
    "huge result": _huge,
    "huge argument": _huge_argument,
    "ignore": _ignore,
    "reject": lambda run: run.ran(outcomes.reject.apply_async((False,), queue="odd")),
    "reject and requeue": lambda run: outcomes.reject.apply_async((True,), queue="odd"),
    "reject too late": lambda run: run.ran(
        outcomes.reject_early.apply_async((False,), queue="odd")),
    "failure that is rejected": lambda run: outcomes.fail_late.apply_async(queue="odd"),
    "failure that is acknowledged": lambda run: outcomes.fail_acked.apply_async(queue="odd"),
    "request class": lambda run: outcomes.requested.delay(False),
    "request class of a failure": lambda run: outcomes.requested.delay(True),
    "forget while running": lambda run: outcomes.forget_itself.delay(),
}
