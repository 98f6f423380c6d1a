# SPDX-License-Identifier: BSD-3-Clause
"""Tasks and the time they may take."""

from __future__ import annotations

import time
from typing import Any

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from interop.parity.app.base import Remembering, Requested
from interop.parity.app.celery import app
from interop.parity.app.journal import note
from interop.parity.app.retries import DELAY


def _work(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


@app.task(base=Remembering)
def work(seconds: float) -> str:
    """Take time; whoever calls sets limits."""
    _work(seconds)
    return "done"


@app.task(base=Remembering, soft_time_limit=1)
def soft_limited(seconds: float) -> str:
    """A soft limit of the task."""
    _work(seconds)
    return "done"


@app.task(base=Remembering, time_limit=1.5)
def hard_limited(seconds: float) -> str:
    """A hard limit of the task."""
    _work(seconds)
    return "done"


@app.task(base=Remembering, soft_time_limit=1, time_limit=20)
def cleans_up(seconds: float) -> str:
    """Handles its soft limit."""
    try:
        _work(seconds)
    except SoftTimeLimitExceeded as error:
        return f"cleaned up after {error!r}"
    return "done"


@app.task(base=Remembering, soft_time_limit=1, time_limit=2.5)
def ignores_soft(seconds: float) -> str:
    """Handles its soft limit and goes on for too long."""
    try:
        _work(seconds)
    except SoftTimeLimitExceeded:
        note("soft limit")
        _work(seconds)
    return "done"


@app.task(bind=True, base=Remembering, soft_time_limit=1, default_retry_delay=DELAY, max_retries=1)
def retries_when_late(self: Task, seconds: float) -> Any:
    """Tries again after its soft limit."""
    try:
        _work(0 if self.request.retries else seconds)
    except SoftTimeLimitExceeded as error:
        raise self.retry(exc=error)
    return self.request.retries


@app.task(base=Remembering, time_limit=1.5, acks_late=True)
def hard_late(seconds: float) -> str:
    """A hard limit, acknowledged late."""
    _work(seconds)
    return "done"


@app.task(base=Remembering, time_limit=1.5, ignore_result=True)
def hard_ignored(seconds: float) -> str:
    """A hard limit whose failure is not stored."""
    _work(seconds)
    return "done"


@app.task(base=Requested, soft_time_limit=1, time_limit=2.5)
def requested_limits(seconds: float) -> str:
    """Its request is told of both limits."""
    try:
        _work(seconds)
    except SoftTimeLimitExceeded:
        _work(seconds)
    return "done"


@app.task(bind=True, soft_time_limit=30, time_limit=40)
def limits_seen(self: Task) -> Any:
    """The limits that the request and the task have."""
    return [self.request.timelimit, self.soft_time_limit, self.time_limit]
