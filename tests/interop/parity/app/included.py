# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that the app's include names."""

from __future__ import annotations

from interop.parity.app.celery import app


@app.task
def included(value: str) -> str:
    """A task with an automatic name."""
    return value.upper()


@app.task(lazy=False)
def eager_registered() -> str:
    """A task that is registered at once."""
    return str(eager_registered.name)
