# SPDX-License-Identifier: BSD-3-Clause
"""Records (PROTOCOL.md): what happened to a task without its own doing. Celery's Request, which in
Celery lives in the main process, does here what it does there, but for acknowledging."""

import contextlib

from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import InvalidTaskError, NotRegistered
from celery.utils.imports import symbol_by_name
from celery.utils.objects import Bunch
from celery.worker.request import Request
from kombu.message import Message

from celeriac.body import Invalid, Undecodable, open_body

_FAILURES = {kind.__name__: kind for kind in (TimeLimitExceeded, WorkerLostError)}
_NO_BODY = ((), {}, {})
_TIMES = ("eta", "expires")


class Records:
    """Writes them down through the task's own backend."""

    def __init__(self, app, hostname, accept):
        self._app = app
        self._hostname = hostname
        self._accept = accept
        self._events = {"failure": self._failure, "revoked": self._revoked,
                        "unknown": self._unknown}

    def write(self, request, body):
        """What `record` of a JOB's request says. Raises what the backend raises."""
        record = request["record"]
        self._events[record["event"]](request, body, record)

    def fail(self, request, triple, einfo):
        """The task has failed with an exception, and nobody has stored that yet."""
        if request["task"] not in self._app.tasks:
            self._unknown(request)
            return
        subject = self.make_request(request, triple)
        with settled(subject.task):
            subject.on_failure(einfo)

    def fail_without_memory(self, request, triple, error):
        """As fail(), but Request.on_failure would have the whole worker end."""
        subject = self.make_request(request, triple)
        subject.task.backend.mark_as_failure(subject.id, error, request=subject._context,
                                             store_result=subject.store_errors)

    def terminate(self, request, triple, signum):
        """The task has raised Terminated, which Celery takes for a revocation."""
        self.make_request(request, triple)._announce_revoked("terminated", True, signum, False)

    def _failure(self, request, body, record):
        kind, argument = _FAILURES[record["exception"]], record["argument"]
        if kind is TimeLimitExceeded:
            argument = as_written(argument, request, self._app.tasks[request["task"]].time_limit, 0)
        triple = self._open(request, body)
        self.fail(request, triple, _einfo(kind(argument)))
        if kind is TimeLimitExceeded:
            self._tell_of_timeout(self.make_request(request, triple), argument)

    def _tell_of_timeout(self, subject, seconds):
        """An app's own Request may handle on_timeout; Celery's own stores the failure once more,
        and must not."""
        if type(subject).on_timeout is Request.on_timeout:
            return
        task = subject.task
        with _replaced(task, "_backend", _NoBackend()), settled(task):
            subject.on_timeout(False, seconds)

    def _revoked(self, request, body, record):
        subject = self.make_request(request, self._open(request, body))
        subject._announce_revoked(record["reason"], record["terminated"], record.get("signum"),
                                  record["expired"])

    def _unknown(self, request, _body=None, _record=None):
        """What Consumer.on_unknown_task stores. Its signal is the forkserver's."""
        headers, properties = request["headers"], request["properties"]
        subject = Bunch(
            name=request["task"], chord=None, root_id=headers.get("root_id"), errbacks=None,
            correlation_id=properties.get("correlation_id"), reply_to=properties.get("reply_to"))
        self._app.backend.mark_as_failure(request["id"], NotRegistered(request["task"]),
                                          request=subject)

    def _open(self, request, body):
        try:
            args, kwargs, embed = open_body(request["headers"], request["properties"], body,
                                            self._accept)
        except (Invalid, Undecodable):
            return _NO_BODY
        return args, kwargs, embed or {}

    def make_request(self, request, triple):
        """Celery's Request, or the task's own class of it."""
        try:
            return self._make_request(request, triple, request["headers"])
        except InvalidTaskError:  # a time that this Celery does not understand
            headers = {name: value for name, value in request["headers"].items()
                       if name not in _TIMES}
            return self._make_request(request, triple, headers)

    def _make_request(self, request, triple, headers):
        properties = request["properties"]
        task = self._app.tasks[request["task"]]
        message = Message(
            content_type=properties.get("content_type"), headers=request["headers"],
            content_encoding=properties.get("content_encoding"), properties=properties,
            delivery_info=request["delivery_info"])
        return symbol_by_name(task.Request)(
            message, app=self._app, hostname=self._hostname, task=task, headers=headers,
            body=triple, decoded=True)


class _NoBackend:
    """Has stored it already."""

    def mark_as_failure(self, *_args, **_kwargs):
        """Nothing."""


def as_written(seconds, request, of_task, index):
    """The main process knows a limit as a float, but Celery shows it as somebody wrote it: in the
    header (hard at index 0, soft at 1) or in the task."""
    limits = (request["headers"].get("timelimit") or (None, None))[index], of_task
    return next((limit for limit in limits if limit == seconds), seconds)


def _einfo(error):
    """As Celery's pool makes it."""
    try:
        raise error
    except type(error):
        return ExceptionInfo()


def settled(task):
    """While it lasts, Request takes the message for acknowledged: whether it goes back to its queue
    has been decided, and that it has failed too."""
    return _replaced(task, "acks_late", False)


@contextlib.contextmanager
def _replaced(thing, name, value):
    had, old = name in vars(thing), vars(thing).get(name)
    setattr(thing, name, value)
    try:
        yield
    finally:
        if had:
            setattr(thing, name, old)
        else:
            delattr(thing, name)
