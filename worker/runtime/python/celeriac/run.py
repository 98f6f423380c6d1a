# SPDX-License-Identifier: BSD-3-Clause
"""A child's jobs, one after the other: Celery's tracer between a JOB and its RESULT. All that is
here is done for each of them."""

import os
import resource
from time import monotonic

from billiard.einfo import ExceptionInfo
from billiard.pool import EX_RECYCLE
from celery.app.trace import fast_trace_task
from celery.exceptions import InvalidTaskError, Terminated
from celery.utils.log import get_logger
from kombu.serialization import prepare_accept_content

from celeriac import custom, outcome, wire
from celeriac.body import Invalid, Undecodable, complete, open_body
from celeriac.limits import SoftLimit
from celeriac.record import Records, as_written
from celeriac.results import documents_of

logger = get_logger("celery.worker.celeriac")

_PAGE_KIB = resource.getpagesize() // 1024


class Jobs:
    """Takes jobs from the stream and answers each. `claims` is None where the main process sends
    none ahead."""

    def __init__(self, runtime, stream, claims):
        self._app = app = runtime.app
        self._stream = stream
        self._claims = claims
        self._hostname = runtime.hostname
        self._accept = prepare_accept_content(app.conf.accept_content)
        self._documents = documents_of(app.backend if runtime.records_rpc else None)
        self._records = Records(app, runtime.hostname, self._accept)
        self._custom = custom.CustomRequests(app, self._records.make_request)
        self._soft_limit = SoftLimit()
        self._worker = runtime.worker
        self._count = 0
        self._pid = os.getpid()
        self._retiring = False

    def serve(self):
        """Until LEAVE or the end of the stream, or until this process is worn out."""
        receive = self._stream.receive
        while not self._retiring:
            frame = receive()
            if frame is None or frame[0] == wire.LEAVE:
                return
            if frame[0] != wire.JOB or len(frame) < 5:
                raise wire.ProtocolError(f"a frame of type {frame[0]} and {len(frame)} elements")
            if self._claims is None or self._claims.begin():
                self._answer(*frame[1:5])

    def is_here(self):
        """False in a process that a task has forked and that has come back from the task."""
        return os.getpid() == self._pid

    def recycled(self):
        """For handlers: the status of Celery's child when it has done its share, else 0."""
        tasks, kib = self._worker.max_tasks_per_child, self._worker.max_memory_per_child
        worn = (tasks and self._count >= tasks) or (kib and resident_kib() > kib)
        return EX_RECYCLE if worn else 0

    def _answer(self, number, flags, request, body):
        self._count += 1
        complete(request)
        if "record" in request:
            report = self._record(number, flags, request, body)
        else:
            report = self._run(number, flags, request, body)
        self._stream.send_result(
            number, wire.RESULT_RETIRING if self._retiring else 0,
            resident_kib() if flags & wire.JOB_WANT_RSS else 0, report, self._documents.take())

    def _run(self, number, flags, request, body):
        properties = request["properties"]
        try:
            triple = open_body(request["headers"], properties, body, self._accept)
        except Invalid as error:
            return outcome.invalid(error)
        except Undecodable as error:
            return outcome.undecodable(error)
        started = monotonic()
        if flags & wire.JOB_WANT_STARTED:
            self._stream.send(wire.STARTED, number)
        self._documents.begin(request["id"], properties.get("reply_to"))
        try:
            subject = self._custom.accept(request, triple, started)
            traced = self._trace(request, properties, triple, started)
        except Exception as error:
            return self._on_escaped(error, request, triple)
        if not self.is_here():
            raise SystemExit(0)
        failed, value, runtime = traced
        report = (self._on_failed(value, request, triple) if failed
                  else outcome.success(value, runtime))
        if subject is not None:
            custom.finish(subject, traced, self._told_limit(request))
        return report

    def _trace(self, request, properties, triple, started):
        """What Celery's pool would send to its main process."""
        fields = request["headers"].copy()
        fields["properties"] = properties
        fields["reply_to"] = properties.get("reply_to")
        fields["correlation_id"] = properties.get("correlation_id")
        fields["hostname"] = self._hostname
        fields["delivery_info"] = request["delivery_info"]
        if not isinstance(triple[1], dict):
            raise InvalidTaskError("Task keyword arguments must be a mapping")
        soft = request["timelimit"][1]
        if not soft:
            return fast_trace_task(request["task"], request["id"], fields, triple, None, None)
        self._soft_limit.begin(soft, started)
        try:
            return fast_trace_task(request["task"], request["id"], fields, triple, None, None)
        finally:
            self._soft_limit.end()

    def _told_limit(self, request):
        """The soft limit that the task was told of; None if it was not."""
        if not request["timelimit"][1] or self._soft_limit.told is None:
            return None
        task = self._app.tasks[request["task"]]
        return as_written(self._soft_limit.told, request, task.soft_time_limit, 1)

    def _on_failed(self, einfo, request, triple):
        """The tracer has done what there is to do about the exception."""
        error = outcome.raised(einfo)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        if isinstance(error, MemoryError):
            self._retiring = True
        elif isinstance(error, Terminated):
            self._records.terminate(request, _with_embed(triple), str(error))
            return {"state": "IGNORED"}
        return outcome.judge(einfo)

    def _on_escaped(self, error, request, triple):
        """The tracer itself has failed: in Celery the main process stores that."""
        if not self.is_here():
            raise SystemExit(1)
        einfo = ExceptionInfo()
        try:
            if isinstance(error, MemoryError):
                self._retiring = True
                self._records.fail_without_memory(request, _with_embed(triple), error)
            else:
                self._records.fail(request, _with_embed(triple), einfo)
        except Exception:
            logger.exception("The failure of task %s[%s] could not be stored", request["task"],
                             request["id"])
        return outcome.failure(error, einfo.traceback)

    def _record(self, number, flags, request, body):
        if flags & wire.JOB_WANT_STARTED:
            self._stream.send(wire.STARTED, number)
        self._documents.begin(request["id"], request["properties"].get("reply_to"))
        try:
            self._records.write(request, body)
        except Exception as error:
            logger.exception("What happened to task %s[%s] could not be stored", request["task"],
                             request["id"])
            return outcome.failure(error)
        return outcome.success(None, None)


def resident_kib():
    """Resident memory of this process."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE_KIB


def _with_embed(triple):
    """Celery's Request takes the third element for a mapping."""
    args, kwargs, embed = triple
    return args, kwargs, embed or {}
