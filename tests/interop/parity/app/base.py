# SPDX-License-Identifier: BSD-3-Clause
"""Custom task classes, and the request class of one."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.worker.request import Request

from interop.parity.app.journal import folder, note


class Remembering(Task):
    """Notes every handler that Celery calls on a task."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Before the body."""
        note("before_start", task_id, args=args, kwargs=kwargs)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """After a result was stored."""
        note("on_success", task_id, retval=retval, args=args, kwargs=kwargs)

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any,
                   einfo: Any) -> None:
        """After a failure was stored."""
        note("on_failure", task_id, exc=exc, args=args, kwargs=kwargs, einfo=einfo)

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any,
                 einfo: Any) -> None:
        """After the task was sent again."""
        note("on_retry", task_id, exc=exc, args=args, kwargs=kwargs, einfo=einfo)

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any,
                     einfo: Any) -> None:
        """At the end."""
        note("after_return", task_id, status=status, retval=retval, args=args, kwargs=kwargs,
             einfo=einfo)


class Wrapped(Remembering):
    """Overrides the call itself."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Note the call, and pass it on."""
        note("__call__", args=args)
        return ["wrapped", super().__call__(*args, **kwargs)]


class Connected(Task):
    """One resource for all tasks of a process, made when it is first needed."""

    _connection: list[str] | None = None

    @property
    def connection(self) -> list[str]:
        """The resource."""
        if self._connection is None:
            self._connection = []
        return self._connection


class NotingRequest(Request):
    """Notes what the worker's main process tells a request."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """The task is over a limit."""
        super().on_timeout(soft, timeout)
        note("Request.on_timeout", self.id, self.root_id, soft=soft, timeout=timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True,
                   return_ok: bool = False) -> None:
        """The task has failed."""
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        note("Request.on_failure", self.id, self.root_id, error=exc_info.exception,
             return_ok=return_ok)


class Requested(Task):
    """A task with a request class of its own."""

    Request = NotingRequest


class AcceptedRequest(Request):
    """Tells when Celery's main process knows that the task has begun."""

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """A child has the task."""
        super().on_accepted(pid, time_accepted)
        (folder() / f"accepted-{self.id}").touch()


class Leaving(Remembering):
    """A task that may end its process."""

    Request = AcceptedRequest
    # Celery may need seconds to see that a process is gone.
    soft_time_limit = 60
