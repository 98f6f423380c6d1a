# SPDX-License-Identifier: BSD-3-Clause
"""The guide's page on tasks: names, requests, states, classes, retries."""

from __future__ import annotations

from typing import Any

from interop.parity.app import included, retries, tasks
from interop.parity.app.celery import app
from interop.parity.app.found import tasks as found
from interop.parity.run import Run


def _update_other(run: Run) -> Any:
    other = app.AsyncResult("handed-over-" + run.app.thread_oid)
    result = tasks.update_other.delay(run.claim(other.id))
    run.wait(result)
    return [other.state, other.result]


def _forget(run: Run) -> Any:
    result = tasks.add.delay(1, 1)
    run.wait(result)
    key = result.backend.get_key_for_task(result.id)
    before = result.backend.get(key) is not None
    result.forget()
    return [before, result.backend.get(key), app.AsyncResult(result.id).state]


def _same_instance(run: Run) -> Any:
    first = tasks.connected.delay()
    run.wait(first)
    return tasks.connected.delay()


CASES = {
    "add": lambda run: tasks.add.delay(2, 3),
    "failure": lambda run: tasks.fail.delay("größer"),
    "request attributes": lambda run: tasks.request.apply_async((1, "ä"), {"k": [None]}),
    "request as options": lambda run: tasks.execution_options.delay(),
    "bound task": lambda run: tasks.identity.delay(),
    "direct call inside": lambda run: tasks.call_directly.delay(),
    "eager call inside": lambda run: tasks.apply_eagerly.delay(),
    "included module": lambda run: included.included.delay("up"),
    "task that is not lazy": lambda run: included.eager_registered.delay(),
    "autodiscovered shared task": lambda run: found.discovered.delay(21),
    "shared task with options": lambda run: found.configured.delay(False),
    "shared task fails": lambda run: found.configured.delay(True),
    "class-based": lambda run: tasks.class_based.delay(5),
    "keyword-only argument": lambda run: tasks.defaults.delay(1, c=5),
    "wrong arguments": lambda run: tasks.untyped.apply_async((1, 2), {"c": 5}),
    "ignored by the task": lambda run: run.ran(tasks.ignored.delay()),
    "ignored by the call": lambda run: run.ran(
        tasks.add.apply_async((1, 2), ignore_result=True)),
    "kept by the call": lambda run: run.ran(tasks.ignored.apply_async(ignore_result=False)),
    "ignored failure": lambda run: run.ran(tasks.ignored_failure.delay()),
    "ignored failure is stored": lambda run: tasks.stored_failure.delay(),
    "track_started": lambda run: tasks.tracked.delay(),
    "progress": lambda run: tasks.progress.delay(3),
    "state of another task": _update_other,
    "handlers: success": lambda run: tasks.remembered.delay("success"),
    "handlers: failure": lambda run: tasks.remembered.delay("fail"),
    "handlers: retry": lambda run: tasks.remembered.delay("retry"),
    "overridden __call__": lambda run: tasks.wrapped.delay("value"),
    "instance lives on": _same_instance,
    "forget": _forget,
    "unicode arguments": lambda run: tasks.echo.delay("größer 🐇\u2028\x00", **{"schlüssel": "ß"}),
    "deep arguments": lambda run: tasks.echo.delay([[[[[[{"a": [{"b": None}]}]]]]]]),
    "big numbers": lambda run: tasks.echo.delay(2 ** 63, -2 ** 63, 2 ** 80, 1e308, 0.1),
}

RETRIES = {
    "retry": lambda run: retries.until.delay(2),
    "retry with an exception": lambda run: retries.with_exception.delay(2),
    "retries exhausted": lambda run: retries.without_exception.delay(),
    "retry without maximum": lambda run: retries.endless.delay(),
    "retry with other arguments": lambda run: retries.with_other_arguments.delay(1),
    "retry with other options": lambda run: retries.with_options.apply_async(
        headers={"custom": "no"}, priority=3),
    "retry without throw": lambda run: run.ran(retries.without_throw.delay(), 2),
    "retry after a countdown": lambda run: retries.after_countdown.delay(),
    "retry handled at its end": lambda run: retries.gives_up.delay(),
    "autoretry": lambda run: retries.automatic.delay("flaky"),
    "autoretry not for a subclass": lambda run: retries.automatic.delay("stubborn"),
    "autoretry not for others": lambda run: retries.automatic.delay("other"),
    "autoretry with backoff": lambda run: retries.backing_off.delay(),
    "autoretry with retry_kwargs": lambda run: retries.with_retry_kwargs.delay(),
    "expected exception": lambda run: retries.expected_failure.delay(),
    "retry of an ignored result": lambda run: run.ran(retries.ignored_retry.delay(), 2),
    "retry policy of the call": lambda run: retries.until.apply_async(
        (1,), retry=True, retry_policy={"max_retries": 1}),
}
