# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that try again."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.exceptions import MaxRetriesExceededError

from interop.parity.app.celery import app
from interop.parity.app.journal import note

# A retry that another process has ended before this one has stored RETRY stays in that state.
DELAY = 1.0


class Flaky(Exception):
    """Worth another try."""


class Stubborn(Flaky):
    """Not worth one."""


@app.task(bind=True, default_retry_delay=DELAY)
def until(self: Task, count: int) -> int:
    """Succeeds at the given retry."""
    if self.request.retries < count:
        raise self.retry()
    return self.request.retries


@app.task(bind=True, default_retry_delay=DELAY)
def with_exception(self: Task, count: int) -> int:
    """Says why it tries again, and fails with that in the end."""
    try:
        raise Flaky(f"attempt {self.request.retries}")
    except Flaky as error:
        raise self.retry(exc=error, max_retries=count)


@app.task(bind=True, default_retry_delay=DELAY, max_retries=1)
def without_exception(self: Task) -> int:
    """Fails with MaxRetriesExceededError in the end."""
    raise self.retry()


@app.task(bind=True, max_retries=None, default_retry_delay=DELAY)
def endless(self: Task) -> int:
    """Has no maximum."""
    if self.request.retries < 4:
        raise self.retry()
    return self.request.retries


@app.task(bind=True)
def with_other_arguments(self: Task, value: int, step: int = 1) -> Any:
    """Goes on with arguments of its own."""
    if value < 3:
        raise self.retry(args=(value + step,), kwargs={"step": step + 1}, countdown=DELAY)
    return [value, step, self.request.retries]


@app.task(bind=True)
def with_options(self: Task) -> Any:
    """Goes on with another priority, headers, limits and queue."""
    if not self.request.retries:
        raise self.retry(countdown=DELAY, priority=1, headers={"custom": "yes"}, time_limit=40,
                         soft_time_limit=30, queue="odd", shadow="again")
    info = self.request.delivery_info
    return [info["routing_key"], info["priority"], self.request.timelimit, self.request.headers]


@app.task(bind=True)
def without_throw(self: Task) -> str:
    """Asks for a retry, and goes on all the same."""
    if not self.request.retries:
        again = self.retry(countdown=DELAY, throw=False)
        note("retry returned", text=str(again), is_eager=again.is_eager)
    return f"run {self.request.retries}"


@app.task(bind=True)
def after_countdown(self: Task) -> Any:
    """Comes back after a while, with an eta."""
    if not self.request.retries:
        raise self.retry(countdown=DELAY)
    return [self.request.retries, self.request.eta is not None]


@app.task(bind=True, max_retries=1, default_retry_delay=DELAY)
def gives_up(self: Task) -> str:
    """Handles the end of the retries itself."""
    try:
        raise self.retry()
    except MaxRetriesExceededError as error:
        return str(error).split("[")[0]


@app.task(autoretry_for=(Flaky,), dont_autoretry_for=(Stubborn,), default_retry_delay=DELAY,
          max_retries=2)
def automatic(kind: str) -> str:
    """Retried for one kind of exception, and not for a special case of it."""
    raise {"flaky": Flaky, "stubborn": Stubborn, "other": ValueError}[kind](kind)


@app.task(bind=True, autoretry_for=(Flaky,), retry_backoff=1, retry_backoff_max=1,
          retry_jitter=False, max_retries=2)
def backing_off(self: Task) -> int:
    """Retried after longer and longer waits."""
    note("attempt", eta=self.request.eta is not None)
    if self.request.retries < 2:
        raise Flaky("back off")
    return self.request.retries


@app.task(autoretry_for=(Flaky,), retry_kwargs={"max_retries": 1, "countdown": DELAY})
def with_retry_kwargs() -> None:
    """Retried as retry_kwargs say."""
    raise Flaky("limited")


@app.task(bind=True, throws=(Flaky,), default_retry_delay=DELAY)
def expected_failure(self: Task) -> None:
    """Fails in a way that is expected, hence no traceback in the log."""
    raise Flaky("expected")


@app.task(bind=True, ignore_result=True, default_retry_delay=DELAY)
def ignored_retry(self: Task) -> None:
    """Retries and stores nothing."""
    if not self.request.retries:
        raise self.retry()
