# SPDX-License-Identifier: BSD-3-Clause
"""Puts every signal that a worker may send into the journal, with sender and arguments."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable

from celery import signals
from celery.worker import WorkController

from interop.parity.app.journal import begin_run, note, plain

TASKS = ("before_task_publish", "after_task_publish", "task_prerun", "task_postrun", "task_success",
         "task_failure", "task_retry", "task_received", "task_revoked", "task_unknown",
         "task_rejected", "task_internal_error")
PROCESSES = ("import_modules", "celeryd_init", "celeryd_after_setup", "worker_init",
             "worker_process_init", "worker_process_shutdown", "worker_ready",
             "worker_shutting_down", "worker_shutdown", "worker_before_create_process")
# With a handler here, Celery leaves logging to the app: only a configuration that wants that.
LOGGING = ("after_setup_logger", "after_setup_task_logger")
WORKER = ("hostname", "concurrency", "loglevel", "logfile", "time_limit", "soft_time_limit",
          "max_tasks_per_child", "max_memory_per_child", "prefetch_multiplier", "task_events",
          "purge", "quiet", "redirect_stdouts", "redirect_stdouts_level")
OPTIONS = ("concurrency", "queues", "logfile", "purge", "task_events", "time_limit")
# Arguments that are objects of the process, told by their class.
BY_CLASS = ("conf", "logger", "instance", "declare", "retry_policy")


def _told(name: str, value: Any) -> Any:
    if isinstance(value, WorkController):
        return {one: plain(getattr(value, one, "missing")) for one in WORKER}
    if hasattr(value, "controller"):  # what Celery calls a consumer
        return {"consumer of": [value.hostname, value.app.main], "controller":
                _told("instance", value.controller)}
    if name == "options":
        return {one: plain(value.get(one)) for one in OPTIONS}
    if name == "pid":
        return value == os.getpid()
    return f"<{type(value).__name__}>" if name in BY_CLASS and value is not None else plain(value)


def _ids(sender: Any, arguments: dict[str, Any]) -> tuple[str | None, str | None]:
    """The ids of task and root, from whatever the signal has of them."""
    headers = arguments.get("headers") or {}
    request = arguments.get("request")
    task_id = (arguments.get("task_id") or arguments.get("id") or headers.get("id")
               or getattr(request, "id", None))
    return task_id, headers.get("root_id") or getattr(request, "root_id", None)


def _watcher(name: str) -> Callable[..., None]:
    def watch(sender: Any = None, signal: Any = None, **arguments: Any) -> None:
        if name == "task_prerun":
            begin_run()
        task_id, root_id = _ids(sender, arguments)
        note(name, task_id, root_id, sender=_told("sender", sender),
             arguments={key: _told(key, value) for key, value in sorted(arguments.items())})

    return watch


def _set_up_logging(**arguments: Any) -> None:
    note("setup_logging", arguments={name: plain(value) for name, value in arguments.items()})
    logging.basicConfig(level=logging.INFO,
                        format="own|%(levelname)s|%(processName)s|%(name)s|%(message)s")


def watch_all() -> None:
    """Connect the signals that PARITY_SIGNALS names: all, or only the two around a task.

    With `logging` the app sets up its own logging, too.
    """
    chosen = os.environ.get("PARITY_SIGNALS")
    names = ("task_prerun", "task_postrun") if chosen == "few" else TASKS + PROCESSES + LOGGING
    for name in names:
        if hasattr(signals, name):  # newer versions have more
            getattr(signals, name).connect(_watcher(name), weak=False)
    if chosen == "logging":
        signals.setup_logging.connect(_set_up_logging)
