# SPDX-License-Identifier: BSD-3-Clause
"""A Celery app whose tasks send themselves again at once."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery

app = Celery("retry_app", backend=os.environ["RETRY_RESULTS"])


class Slow(app.Task):  # type: ignore[misc,name-defined]
    """Takes its time between its next message and the storing of RETRY."""

    def retry(self, *args: Any, **kwargs: Any) -> Any:
        """As Celery's, which raises when the message is on its way."""
        try:
            return super().retry(*args, **kwargs)
        finally:
            time.sleep(0.05)


@app.task(bind=True, base=Slow, max_retries=3)
def again(self: Any, times: int) -> None:
    """Run as often as asked for, and fail: a SUCCESS would not be overwritten anyway."""
    if self.request.retries < times:
        raise self.retry(countdown=0)
    raise RuntimeError(f"run {self.request.retries}")
