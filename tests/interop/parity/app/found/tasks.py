# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that know no app, and are discovered by it."""

from __future__ import annotations

from celery import shared_task

from interop.parity.app.base import Remembering
from interop.parity.app.retries import DELAY


@shared_task
def discovered(value: int) -> int:
    """A task of whichever app discovers it."""
    return value * 2


@shared_task(bind=True, name="renamed.task", base=Remembering, autoretry_for=(OSError,),
             retry_backoff=False, default_retry_delay=DELAY, max_retries=1)
def configured(self: Remembering, fail: bool) -> str:
    """A shared task with a base class and options."""
    if fail:
        raise OSError("no such thing")
    return f"{self.name} {type(self).__mro__[1].__name__} {self.app.main}"
