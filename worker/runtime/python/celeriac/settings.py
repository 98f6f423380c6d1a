# SPDX-License-Identifier: BSD-3-Clause
"""Settings: celeriac's into the app, and the app's out to the main process."""

import json
import numbers
from datetime import timedelta

from celery.utils.imports import qualname

from celeriac.failure import LoadError

# What the main process acts on, or may.
_NAMES = (
    "accept_content", "enable_utc", "result_accept_content", "timezone",
    "broker_channel_error_retry", "broker_connection_max_retries", "broker_connection_retry",
    "broker_connection_retry_on_startup", "broker_connection_timeout", "broker_failover_strategy",
    "broker_heartbeat", "broker_heartbeat_checkrate", "broker_login_method",
    "broker_native_delayed_delivery_queue_type", "broker_pool_limit",
    "control_exchange", "control_queue_durable", "control_queue_exclusive",
    "control_queue_expires", "control_queue_ttl",
    "event_exchange", "event_queue_durable", "event_queue_exclusive", "event_queue_expires",
    "event_queue_prefix", "event_queue_ttl", "event_serializer",
    "result_compression", "result_exchange", "result_exchange_type", "result_expires",
    "result_extended", "result_persistent", "result_serializer",
    "task_acks_late", "task_acks_on_failure_or_timeout", "task_compression",
    "task_create_missing_queue_exchange_type", "task_create_missing_queue_type",
    "task_create_missing_queues", "task_default_delivery_mode", "task_default_exchange",
    "task_default_exchange_type", "task_default_priority", "task_default_queue",
    "task_default_queue_type", "task_default_rate_limit", "task_default_routing_key",
    "task_ignore_result", "task_inherit_parent_priority", "task_protocol",
    "task_queue_max_priority", "task_reject_on_worker_lost", "task_send_sent_event",
    "task_serializer", "task_soft_time_limit", "task_store_errors_even_if_ignored",
    "task_time_limit", "task_track_started",
    "worker_cancel_long_running_tasks_on_connection_loss", "worker_concurrency",
    "worker_deduplicate_successful_tasks", "worker_detect_quorum_queues", "worker_direct",
    "worker_disable_rate_limits", "worker_enable_prefetch_count_reduction",
    "worker_enable_remote_control", "worker_enable_soft_shutdown_on_idle", "worker_eta_task_limit",
    "worker_hijack_root_logger", "worker_log_color", "worker_log_format",
    "worker_lost_max_deliveries", "worker_lost_wait", "worker_max_memory_per_child",
    "worker_max_tasks_per_child", "worker_pool", "worker_prefetch_multiplier", "worker_proc_alive_timeout",
    "worker_redirect_stdouts", "worker_redirect_stdouts_level", "worker_send_task_events",
    "worker_soft_shutdown_timeout", "worker_state_db", "worker_task_log_format",
)
# The worker has them as its options and its signals' handlers have left them.
_OF_WORKER = {
    "task_soft_time_limit": "soft_time_limit",
    "task_time_limit": "time_limit",
    "worker_concurrency": "concurrency",
    "worker_disable_rate_limits": "disable_rate_limits",
    "worker_max_memory_per_child": "max_memory_per_child",
    "worker_max_tasks_per_child": "max_tasks_per_child",
    "worker_prefetch_multiplier": "prefetch_multiplier",
    "worker_send_task_events": "task_events",
}
_PREFORK = ("processes", "celery.concurrency.prefork.TaskPool")


def apply(app, settings):
    """Give the app settings, each as NAME=VALUE. Names that Celery does not know are skipped."""
    from celery.app.defaults import NAMESPACES, flatten
    options = dict(flatten(NAMESPACES))
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name in options:
            values[name] = _read(name, options[name], text)
    if values:
        app.conf.update(values)


def _read(name, option, text):
    if text in ("", "None"):
        return None
    try:
        if option.type in ("list", "tuple"):
            return json.loads(text) if text[0] in "[(" else _words(text)
        return json.loads(text) if option.type == "dict" else option.to_python(text)
    except (ValueError, TypeError, KeyError) as error:
        raise LoadError(f"the setting {name} cannot have this value: {error}") from None


def _words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def describe(worker):
    """The settings as HELLO has them, but for the broker's URLs."""
    values = {}
    for name in _NAMES:
        try:
            values[name] = _plain(_value(worker, name))
        except LookupError:
            pass  # this version of Celery does not have it, or its value means nothing to others
    return values


def _value(worker, name):
    if name == "worker_pool":
        return _pool(worker.app.conf.worker_pool)
    attribute = _OF_WORKER.get(name)
    if attribute is None:
        return _of_app(worker.app.conf, name)
    value = getattr(worker, attribute)
    if name == "worker_prefetch_multiplier" and not _is_chosen(worker.app.conf, name, value):
        raise LookupError(name)
    return None if value == _automatic(worker, name) else value


def _is_chosen(conf, name, value):
    """Whether somebody asked for the value: Celery's own default asks for nothing. The last of the
    configuration's maps has the defaults."""
    *maps, defaults = conf.maps
    spellings = [*conf._to_keys(name), *(spell(name) for spell in conf.__dict__["_keys"] or ())]
    return value != defaults.get(name) or any(key in one for one in maps for key in spellings)


def _of_app(conf, name):
    try:
        return getattr(conf, name)  # some are properties
    except AttributeError:
        raise LookupError(name) from None


def _pool(kind):
    """By name: an app may give the class."""
    kind = kind if isinstance(kind, str) or kind is None else qualname(kind)
    return "prefork" if kind is None or kind.replace(":", ".") in _PREFORK else kind


def _automatic(worker, name):
    """What stands for no choice: the main process knows better than Celery how many CPUs there
    are."""
    return worker.default_concurrency if name == "worker_concurrency" else None


def _plain(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, (list, tuple, set, frozenset)) \
            and all(isinstance(item, str) for item in value):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise LookupError(value)
