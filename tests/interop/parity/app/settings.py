# SPDX-License-Identifier: BSD-3-Clause
"""The app's settings, one class a configuration."""

from __future__ import annotations

from kombu import Exchange, Queue

BASE = "interop.parity.app"
GRAVEYARD = "graveyard"
EVENTS = Exchange("events", "topic")
BURY = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": GRAVEYARD}


class Plain:
    """What all have in common: the modules with tasks, and short waits."""

    imports = tuple(f"{BASE}.{name}" for name in (
        "tasks", "calling", "retries", "outcomes", "canvas", "limits", "processes", "logs"))
    accept_content = ["json", "msgpack", "pickle", "yaml"]
    result_accept_content = ["json", "msgpack", "pickle", "yaml"]
    broker_connection_timeout = 5
    broker_connection_retry_on_startup = True
    result_expires = 300
    worker_prefetch_multiplier = 4
    worker_send_task_events = False


class Main(Plain):
    """Redis results; queues of many kinds, routes of all kinds, annotations."""

    task_queues = (
        Queue("celery", Exchange("celery"), routing_key="celery"),
        Queue("orders", EVENTS, routing_key="order.#"),
        Queue("audit", EVENTS, routing_key="*.paid"),
        Queue("odd", Exchange("odd"), routing_key="odd", queue_arguments=BURY),
        Queue("ranked", Exchange("ranked"), routing_key="ranked", max_priority=5),
    )
    task_default_queue = "celery"
    task_routes = (
        f"{BASE}.routes.route",
        {f"{BASE}.calling.routed_by_name": {"queue": "odd"},
         f"{BASE}.calling.routed_by_*": {"queue": "ranked", "priority": 3}},
    )
    task_annotations = {
        f"{BASE}.calling.annotated": {"rate_limit": "100/s", "max_retries": 7,
                                      "time_limit": 50},
    }


class Rpc(Plain):
    """Results as messages."""


class Extended(Plain):
    """Everything that adds to a result document, msgpack, compression, a time zone, own log."""

    result_extended = True
    task_track_started = True
    task_store_errors_even_if_ignored = True
    task_serializer = "msgpack"
    result_serializer = "msgpack"
    task_compression = "gzip"
    result_compression = "zlib"
    timezone = "Asia/Kolkata"
    enable_utc = False
    task_remote_tracebacks = False
    task_inherit_parent_priority = True
    task_default_priority = 2
    task_ignore_result = False
    task_acks_late = True
    worker_redirect_stdouts_level = "ERROR"
    worker_log_format = "main|%(levelname)s|%(processName)s|%(message)s"
    worker_task_log_format = \
        "task|%(levelname)s|%(task_name)s|%(task_id)s|%(name)s|%(message)s"


class Pickle(Plain):
    """Pickled tasks and results: exceptions come back as themselves."""

    task_serializer = "pickle"
    result_serializer = "pickle"
    task_publish_retry = False


class Custom(Plain):
    """An own result backend and an own class of all tasks; nothing stored unless asked for."""

    result_backend = f"{BASE}.backend:FolderBackend"
    task_ignore_result = True
    worker_redirect_stdouts = False
    worker_hijack_root_logger = False


class Late(Plain):
    """The acks that celeriac has by default, and limits by settings."""

    task_acks_late = True
    task_reject_on_worker_lost = True
    task_queues = (Queue("celery", Exchange("celery"), routing_key="celery",
                         queue_arguments=BURY),)
    task_time_limit = 20
    task_soft_time_limit = 2
