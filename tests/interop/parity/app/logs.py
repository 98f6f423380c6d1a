# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that talk."""

from __future__ import annotations

import logging
import sys
import warnings

from celery import Task
from celery.utils.log import get_task_logger

from interop.parity.app.celery import app

logger = get_task_logger(__name__)
plain_logger = logging.getLogger("parity.plain")


@app.task(bind=True)
def task_logger(self: Task) -> None:
    """Celery's logger of tasks, at all levels."""
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "level %s of %s", logging.getLevelName(level), self.request.id)


@app.task(bind=True)
def other_logger(self: Task) -> None:
    """Any other logger."""
    plain_logger.info("plain info of %s", self.request.id)
    plain_logger.debug("plain debug of %s", self.request.id)
    logging.warning("root warning of %s", self.request.id)


@app.task(bind=True)
def prints(self: Task) -> None:
    """Standard output and error."""
    print(f"printed by {self.request.id}")
    print(f"two lines by {self.request.id}\nsecond of {self.request.id}")
    print(f"error by {self.request.id}", file=sys.stderr)
    sys.stdout.write(f"written by {self.request.id}\n")
    sys.stdout.flush()
    print(f"real output of {self.request.id}", file=sys.__stdout__, flush=True)


@app.task(bind=True)
def logs_exception(self: Task) -> None:
    """An exception that is logged and handled."""
    try:
        {}["missing"]
    except KeyError:
        logger.exception("handled in %s", self.request.id)


@app.task(bind=True)
def warns(self: Task) -> None:
    """A Python warning."""
    warnings.warn(f"warning of {self.request.id}", UserWarning)


@app.task(bind=True)
def task_names(self: Task) -> None:
    """What a format can say about the task: set on the record by Celery's formatter."""
    logging.getLogger("celery.task.sub").error("from a logger below, in %s", self.request.id)
