# SPDX-License-Identifier: BSD-3-Clause
"""The app of run_python: both workers run it as it is; broker and results come from outside."""

from __future__ import annotations

from typing import Any

from celery import Celery

app = Celery("bench")


@app.task(name="example.noop", ignore_result=True)
def noop(*args: Any) -> None:
    """Nothing at all."""


@app.task(name="example.add")
def add(x: Any, y: Any) -> Any:
    """The sum of two numbers."""
    return x + y
