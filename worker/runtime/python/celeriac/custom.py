# SPDX-License-Identifier: BSD-3-Clause
"""An app's own class of requests (Task.Request). Celery keeps requests in its main process; here
the child that runs the task has one, and tells it what Celery would."""

import os

from celery.exceptions import Terminated
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger
from celery.worker.request import Request

from celeriac import outcome
from celeriac.record import settled

logger = get_logger("celery.worker.celeriac")

# What becomes of them has been seen to; Request would see to it again.
_SETTLED = (Terminated, MemoryError)


class CustomRequests:
    """Makes them for the tasks that have such a class."""

    def __init__(self, app, make):
        self._app = app
        self._make = make  # as Records.make_request
        self._are_custom = {}  # by the task's name

    def accept(self, request, triple, started):
        """A job is about to run: its request, if it is one of the app's own."""
        name = request["task"]
        custom = self._are_custom.get(name)
        if custom is None:
            custom = self._are_custom[name] = self._is_custom(name)
        if not custom:
            return None
        args, kwargs, embed = triple
        subject = self._make(request, (args, kwargs, embed or {}))
        if type(subject).on_accepted is not Request.on_accepted:
            _tell(subject, subject.on_accepted, os.getpid(), started)
        return subject

    def _is_custom(self, name):
        task = self._app.tasks.get(name)
        return task is not None and symbol_by_name(task.Request) is not Request


def finish(subject, traced, soft):
    """The job has ended so; `soft` is the limit that it was told of, if it was."""
    failed, value, _ = traced
    if failed:  # as it is when it has gone through Celery's pipe
        value.exception = outcome.raised(value)
    if soft is not None and type(subject).on_timeout is not Request.on_timeout:
        _tell(subject, subject.on_timeout, True, soft)
    if not failed or not isinstance(value.exception, _SETTLED):
        _tell(subject, subject.on_success, traced)


def _tell(subject, method, *arguments):
    try:
        with settled(subject.task):
            method(*arguments)
    except Exception:
        logger.exception("The request class of task %s[%s] has failed", subject.name, subject.id)
