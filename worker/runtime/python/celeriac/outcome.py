# SPDX-License-Identifier: BSD-3-Clause
"""What has become of a job, in the words of PROTOCOL.md's report: judged as Celery's worker judges
what its pool tells it (Request.on_success, on_failure)."""

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.serialization import get_pickled_exception
from kombu.utils.encoding import safe_repr, safe_str

_RESULT_MAX = 1024
_EXCEPTION_MAX = 32 * 1024
_TRACEBACK_MAX = 128 * 1024


def success(text, runtime):
    """The task has returned; `text` is its result's, None where Celery makes none."""
    report = {"state": "SUCCESS"}
    if runtime is not None:
        report["runtime"] = runtime
    if text is not None:
        report["result"] = text if len(text) <= _RESULT_MAX and text.isascii() else cut(text)
    return report


def undecodable(reason):
    """The body cannot be decoded."""
    return {"state": "UNDECODABLE", "reason": cut(safe_str(reason))}


def invalid(reason):
    """The body may not be decoded, or is no task's."""
    return {"state": "INVALID", "reason": cut(safe_str(reason))}


def failure(exception, traceback=None):
    """The task has failed."""
    return _raised("FAILURE", exception, traceback)


def judge(einfo):
    """What the tracer made of an exception of the task."""
    exception = raised(einfo)
    if isinstance(exception, Reject):
        return {"state": "REJECTED", "requeue": bool(exception.requeue),
                "reason": cut(safe_str(exception.reason))}
    if isinstance(exception, Ignore):
        return {"state": "IGNORED"}
    if isinstance(exception, Retry):
        return _raised("RETRY", exception.exc, einfo.traceback)
    return failure(get_pickled_exception(exception), einfo.traceback)


def raised(einfo):
    """The exception itself. billiard wraps it, for it to be unwrapped when it is unpickled."""
    exception = einfo.exception
    if isinstance(exception, ExceptionWithTraceback):
        return exception.exc
    return exception


def cut(text, most=_RESULT_MAX):
    """The beginning of a text, at most so many bytes of UTF-8."""
    return text.encode("utf-8", "backslashreplace")[:most].decode("utf-8", "ignore")


def _cut_before(text, most):
    """The end of a text: the last line of a traceback says most."""
    return text.encode("utf-8", "backslashreplace")[-most:].decode("utf-8", "ignore")


def _raised(state, exception, traceback):
    traceback = None if traceback is None else _cut_before(safe_str(traceback), _TRACEBACK_MAX)
    return {"state": state, "exception": cut(safe_repr(exception), _EXCEPTION_MAX),
            "traceback": traceback}
