# SPDX-License-Identifier: BSD-3-Clause
"""SIGNAL: what happened in the main process, told to the app's handlers as Celery tells it. Celery
logs what a handler raises and goes on; so do we with what it does not catch."""

import logging

from celery import signals
from celery.exceptions import InvalidTaskError
from celery.utils.imports import symbol_by_name
from celery.worker.strategy import hybrid_to_proto2, proto1_to_proto2
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.message import Message
from kombu.serialization import prepare_accept_content

from celeriac import worker as workers
from celeriac.body import complete

logger = logging.getLogger("celeriac")

# What Request raises of a message that is none, or of a body that is no triple.
_UNREADABLE = (ContentDisallowed, DecodeError, InvalidTaskError, TypeError, ValueError)


class Signals:
    """Delivers signals to the app in this process."""

    def __init__(self, worker):
        self._worker = worker
        self._consumer = None

    def deliver(self, name, arguments):
        """Send one of DELIVERED, with the arguments of a SIGNAL frame."""
        try:
            if self._consumer is None:
                self._consumer = workers.create_consumer(self._worker)
            _DELIVERIES[name](self, arguments)
        except (Exception, SystemExit):
            logger.exception("Signal %s cannot be delivered", name)

    def stop(self):
        """What Celery's worker does last: worker_shutdown."""
        try:
            self._worker.stop()
        except (Exception, SystemExit):
            logger.exception("The worker cannot be stopped")

    def close(self):
        """In a child, where nobody delivers any."""

    def _worker_ready(self, _arguments):
        signals.worker_ready.send(sender=self._consumer)

    def _worker_shutting_down(self, arguments):
        signals.worker_shutting_down.send(
            sender=self._worker.hostname, sig=arguments.get("sig"), how=arguments.get("how"),
            exitcode=arguments.get("exitcode"))

    def _task_received(self, arguments):
        try:
            request = self._request(arguments)
        except _UNREADABLE:
            return  # for Celery it has not been received; a child will say what is wrong
        signals.task_received.send(sender=self._consumer, request=request)

    def _task_unknown(self, arguments):
        request = arguments["request"]
        signals.task_unknown.send(
            sender=self._consumer, message=self._message(arguments),
            exc=KeyError(request["task"]), name=request["task"], id=request["id"])

    def _task_rejected(self, arguments):
        reason = arguments.get("reason")
        signals.task_rejected.send(
            sender=self._consumer, message=self._message(arguments),
            exc=InvalidTaskError(reason) if reason else None)

    def _request(self, arguments):
        """Celery's Request, as its strategy makes it."""
        app, message = self._worker.app, self._message(arguments)
        body, headers, decoded, utc = _open(app, message)
        task = app.tasks[headers["task"]]
        return symbol_by_name(task.Request)(
            message, app=app, hostname=self._worker.hostname, task=task, body=body,
            headers=headers, decoded=decoded, utc=utc)

    def _message(self, arguments):
        """The kombu message that would have come in; it is on no channel."""
        request = arguments["request"]
        complete(request)
        properties = request["properties"]
        return Message(
            body=arguments.get("body"), content_type=properties.get("content_type"),
            content_encoding=properties.get("content_encoding"), properties=properties,
            delivery_info=request.get("delivery_info"), headers=request.get("headers"),
            accept=prepare_accept_content(self._worker.app.conf.accept_content))


_DELIVERIES = {
    "worker_ready": Signals._worker_ready,
    "worker_shutting_down": Signals._worker_shutting_down,
    "task_received": Signals._task_received,
    "task_unknown": Signals._task_unknown,
    "task_rejected": Signals._task_rejected,
}


def _open(app, message):
    """Body, headers, whether the body is decoded, whether times are UTC: of all protocols."""
    if "task" not in message.headers:
        return proto1_to_proto2(message, message.decode())
    payload = message.payload
    if "args" in payload:
        return hybrid_to_proto2(message, payload)
    return message.body, message.headers, False, app.uses_utc_timezone()
