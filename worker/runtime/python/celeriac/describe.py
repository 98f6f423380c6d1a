# SPDX-License-Identifier: BSD-3-Clause
"""HELLO's description."""

import platform

import celery
from celery import signals
from celery.loaders.app import AppLoader
from celery.utils.imports import qualname

from celeriac import backend, broker, queues, settings

_TASK_OPTIONS = (
    "acks_late", "reject_on_worker_lost", "acks_on_failure_or_timeout", "ignore_result",
    "send_events", "time_limit", "soft_time_limit", "rate_limit", "max_retries", "typing",
    "track_started", "store_errors_even_if_ignored",
)
DELIVERED = ("worker_ready", "worker_shutting_down", "task_received", "task_unknown",
             "task_rejected")


def describe(runtime):
    """What the main process must know of the app."""
    app = runtime.app
    values = settings.describe(runtime.worker)
    values.update(broker.describe(app))
    return {
        "runtime": "python",
        "tasks": {name: _options(task) for name, task in app.tasks.items()},
        "settings": values,
        "queues": queues.describe(app),
        "other_queues": queues.describe_others(app),
        "records": True,
        "backend": "rpc://" if runtime.records_rpc else "disabled://",
        "signals": [name for name in DELIVERED if has_receivers(name)],
        "app": _app_name(app),
        "version": f"Celery {celery.__version__}, Python {platform.python_version()}",
        "results": backend.describe(app),
        "ahead": runtime.ahead,
    }


def has_receivers(name):
    """True if the app has connected a handler, whatever sender it wants."""
    signal = getattr(signals, name)
    with signal.lock:
        signal._clear_dead_receivers()
        return bool(signal.receivers)


def _options(task):
    options = {}
    for name in _TASK_OPTIONS:
        value = getattr(task, name, None)
        if value is not None and not isinstance(value, (bool, int, float, str)):
            value = str(value)
        options[name] = value
    return options


def _app_name(app):
    name = f"{app.main or '__main__'}:{id(app):#x}"
    if isinstance(app.loader, AppLoader):
        return name
    loader = qualname(app.loader)
    prefix = "celery.loaders."
    return f"{name} ({loader[len(prefix):] if loader.startswith(prefix) else loader})"
