# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that tell how they were called: queue, priority, time, headers."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from celery import Task

from interop.parity.app.celery import app
from interop.parity.app.journal import note


@app.task(bind=True)
def delivery(self: Task, *args: Any) -> Any:
    """How the message came."""
    info = self.request.delivery_info
    return [info["exchange"], info["routing_key"], info["priority"], info["redelivered"]]


@app.task(bind=True)
def order(self: Task, event: str) -> Any:
    """Routed by a router; both topic queues may get a copy."""
    note("order", key=self.request.delivery_info["routing_key"], what=event)
    return event


@app.task(bind=True)
def routed_by_name(self: Task) -> Any:
    """Routed by its name."""
    return self.request.delivery_info["routing_key"]


@app.task(bind=True)
def routed_by_pattern(self: Task) -> Any:
    """Routed by a pattern, with a priority."""
    info = self.request.delivery_info
    return [info["routing_key"], info["priority"]]


@app.task(bind=True, queue="odd", priority=4)
def routed_by_option(self: Task) -> Any:
    """Routed by options of the task."""
    info = self.request.delivery_info
    return [info["routing_key"], info["priority"]]


@app.task(bind=True, serializer="yaml", compression="bzip2")
def encoded_by_option(self: Task, value: Any) -> Any:
    """Encoded by options of the task."""
    return value


@app.task(bind=True)
def annotated(self: Task) -> Any:
    """Options that the settings change."""
    return [self.rate_limit, self.max_retries, self.time_limit]


@app.task(bind=True)
def waited(self: Task) -> Any:
    """Whether it ran at its time, and not before."""
    late = (datetime.now(timezone.utc) - datetime.fromisoformat(self.request.eta)).total_seconds()
    return [late >= 0, late < 5, self.request.eta[-6:]]


@app.task(bind=True)
def headers_of(self: Task) -> Any:
    """The custom headers of its message."""
    return [self.request.headers, getattr(self.request, "custom", "absent")]


@app.task(bind=True)
def shadowed(self: Task) -> Any:
    """The name in the log may be another."""
    return [self.name, self.request.shadow, self.request.task]


def _shadow(task: Task, args: Any, kwargs: Any, options: Any) -> str:
    return f"shadow of {args[0]}"


@app.task(bind=True, shadow_name=_shadow)
def shadowed_by_function(self: Task, value: Any) -> Any:
    """The name in the log depends on the arguments."""
    return [value, self.request.shadow]


@app.task
def slow(seconds: float) -> float:
    """Wait."""
    time.sleep(seconds)
    return seconds


@app.task(bind=True, resultrepr_maxsize=20)
def short_repr(self: Task, size: int) -> str:
    """A long result whose text in the log is cut."""
    return "x" * size
