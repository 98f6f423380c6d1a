# SPDX-License-Identifier: BSD-3-Clause
"""A Celery app with the example tasks' names, for running Debian's Celery beside celeriac."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery

app = Celery("example", backend="rpc://")
app.conf.update(
    accept_content=["json", "msgpack"],
    result_serializer=os.environ.get("EXAMPLE_RESULT_SERIALIZER", "json"),
    worker_hijack_root_logger=True,
)


@app.task(name="example.add")
def add(x: Any, y: Any) -> Any:
    """The sum of two numbers."""
    return x + y


@app.task(name="example.noop", ignore_result=True)
def noop() -> None:
    """Nothing at all, for benchmarks."""


@app.task(name="example.sleep")
def sleep(seconds: float) -> float:
    """Wait, then give the seconds back."""
    time.sleep(seconds)
    return seconds


@app.task(name="example.fail")
def fail(message: str) -> None:
    """Raise a ValueError."""
    raise ValueError(message)
