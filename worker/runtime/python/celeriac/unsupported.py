# SPDX-License-Identifier: BSD-3-Clause
"""Saying what of the app's settings celeriac does not do: a warning each, never silence."""

import logging

from celery.app.defaults import NAMESPACES, flatten
from celery.utils.imports import qualname

from celeriac import system

logger = logging.getLogger("celeriac")

# Values that ask for nothing that celeriac lacks.
_FINE = {
    "worker_consumer": ("celery.worker.consumer:Consumer",),
    "worker_autoscaler": ("celery.worker.autoscale:Autoscaler",),
    "worker_timer": (),
    "worker_agent": (),
    "worker_pool_restarts": (),
    "worker_cancel_long_running_tasks_on_connection_loss": (),
    "worker_deduplicate_successful_tasks": (),
    "worker_soft_shutdown_timeout": (),
}
_TRANSPORT_OPTIONS = ("confirm_publish",)
_STRATEGIES = ("round-robin", "shuffle")
_OURS = {"worker_lost_max_deliveries"}


def warn(worker, given):
    """Log a warning for each thing that the app wants and does not get, or that is `given` as
    NAME=VALUE and means nothing."""
    app = worker.app
    _warn_of_names(given)
    if app.conf.worker_send_task_events:
        logger.warning("celeriac sends no events yet: worker_send_task_events has no effect")
    for name, fine in _FINE.items():
        value = app.conf.get(name)
        if value and value not in fine:
            logger.warning("celeriac does not support the setting %s: it has no effect", name)
    _warn_of_transport(app.conf)
    for kind, what in (("worker", "the worker"), ("consumer", "the worker's consumer")):
        for step in sorted(map(_name, app.steps[kind])):
            logger.warning("celeriac does not run bootsteps: %s, added to %s, has no effect", step,
                           what)
    if any(app.user_options[kind] for kind in ("worker", "preload")):
        logger.warning("celeriac does not take the options that the app adds to the command line "
                       "(user_options)")


def warn_of_threads():
    """A fork copies the thread that forks, and the locks of all others as they are. Threads that
    Python does not know are those of libraries such as BLAS, which expect forks."""
    count, names = system.other_threads()
    if names:
        logger.warning(
            "the app has started threads while it was imported (%s): no child will have them, and "
            "what a thread holds at a fork stays locked in the child. With --no-preload every "
            "child imports the app itself", ", ".join(names))
    elif count:
        logger.debug("libraries of the app have started %d threads: no child will have them", count)


def _warn_of_names(given):
    known = set(dict(flatten(NAMESPACES))) | _OURS
    for name in sorted({setting.partition("=")[0] for setting in given} - known):
        from difflib import get_close_matches  # seldom needed, and every child would have it
        close = get_close_matches(name, known, 1)
        logger.warning("%s is not a setting of Celery and has no effect%s", name,
                       f": do you mean {close[0]}?" if close else "")


def _warn_of_transport(conf):
    options = sorted(set(conf.broker_transport_options or ()) - set(_TRANSPORT_OPTIONS))
    if options:
        logger.warning("celeriac does not support the broker_transport_options %s: they have no "
                       "effect", ", ".join(options))
    strategy = conf.broker_failover_strategy
    if strategy and strategy not in _STRATEGIES:
        logger.warning("celeriac does not support the broker_failover_strategy of the app: the "
                       "URLs are tried in turn")


def _name(step):
    return step if isinstance(step, str) else qualname(step)
