# SPDX-License-Identifier: BSD-3-Clause
"""Results that go to rpc://: the last one of a run is not published here but kept as a document for
RESULT, so that the main process publishes it, with a confirm, before it acknowledges the task.

What is published before it (STARTED, a task's own states) takes Celery's way, and then the last one
does too: two connections would not keep their order.
"""

from celery.backends.rpc import RPCBackend
from celery.states import READY_STATES
from kombu.serialization import dumps

_DOCUMENT_MAX = 128 * 1024 * 1024  # a frame is longer than it, and must not be too long


class Documents:
    """In front of a backend's store_result."""

    def __init__(self, backend):
        self._backend = backend
        self._publish = backend.store_result
        self._task_id = None
        self._reply_to = None
        self._kept = None  # the arguments of the call that is put off
        self._document = b""
        self._keeps_order = True
        backend.store_result = self._store_result

    def begin(self, task_id, reply_to):
        """A run begins, whose result is to go there."""
        self._task_id = task_id
        self._reply_to = reply_to
        self._keeps_order = True

    def take(self):
        """The run has ended: the document of its result, b"" if there is none left to publish."""
        document, self._document = self._document, b""
        self._kept = self._task_id = None
        return document

    def _store_result(self, task_id, result, state, traceback=None, request=None, **options):
        call = (task_id, result, state, traceback, request)
        if task_id != self._task_id:
            return self._publish(*call, **options)
        if self._keeps_order and self._kept is None and state in READY_STATES:
            document = self._write(*call)
            if document is not None:
                self._kept, self._document = call, document
                return result
        self._flush()
        self._keeps_order = False
        return self._publish(*call, **options)

    def _write(self, task_id, result, state, traceback, request):
        """The document, as Celery would publish it; None if it would go elsewhere or nowhere."""
        backend = self._backend
        reply_to, _ = backend.destination_for(task_id, request)
        if not reply_to or reply_to != self._reply_to:
            return None
        meta = backend._to_result(task_id, state, result, traceback, request)
        _, _, document = dumps(meta, serializer=backend.serializer)
        document = document.encode() if isinstance(document, str) else document
        return document if len(document) <= _DOCUMENT_MAX else None

    def _flush(self):
        """Publish what was put off."""
        call, self._kept, self._document = self._kept, None, b""
        if call is not None:
            self._publish(*call)


class NoDocuments:
    """Of a backend that stores for itself."""

    def begin(self, task_id, reply_to):
        """Nothing to do."""

    def take(self):
        """No document."""
        return b""


def documents_of(backend):
    """Documents if the backend is one whose results the main process can publish."""
    return Documents(backend) if type(backend) is RPCBackend else NoDocuments()
