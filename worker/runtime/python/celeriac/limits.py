# SPDX-License-Identifier: BSD-3-Clause
"""The soft time limit: SIGUSR1 from the main process becomes SoftTimeLimitExceeded in the task.

Python does not show a handler the number that came with the signal. So a signal for a job that has
ended is told from ours by the time: a job is never told before it has run for as long as its limit.
"""

import signal
from time import monotonic

from billiard.exceptions import SoftTimeLimitExceeded
from celery.app.trace import build_tracer

# The main process counts in milliseconds, and from a moment that may lie before our own.
_EARLY = 0.02

_PARTS = {code.co_name: code for code in build_tracer.__code__.co_consts
          if hasattr(code, "co_name")}
_TRACER, _ON_ERROR = _PARTS.get("trace_task"), _PARTS.get("on_error")


class SoftLimit:
    """Whether and when the task that runs may be told."""

    def __init__(self):
        self._due = self._seconds = None
        self.told = None  # the limit of the last task with one, if it was told of it
        self.install()

    def install(self):
        """Handle SIGUSR1; again before each job that counts on it, since tasks may have handled it
        otherwise."""
        signal.signal(signal.SIGUSR1, self._on_signal)

    def begin(self, seconds, started):
        """A task with this limit is about to run; its time began at `started`, by monotonic()."""
        self.install()
        self._seconds, self.told = seconds, None
        self._due = started + seconds - min(_EARLY, seconds / 2)

    def end(self):
        """No task runs any more."""
        self._due = None

    def _on_signal(self, _number, frame):
        if self._due is None or monotonic() < self._due or not _interrupts_task(frame):
            return
        self._due, self.told = None, self._seconds
        raise SoftTimeLimitExceeded()


def _interrupts_task(frame):
    """True while Celery's tracer has not seen the end of the task's function: what raises later
    would spoil a result that is there already."""
    while frame is not None and frame.f_code is not _ON_ERROR:
        if frame.f_code is _TRACER:
            return frame.f_locals.get("state") is None
        frame = frame.f_back
    return _TRACER is None
