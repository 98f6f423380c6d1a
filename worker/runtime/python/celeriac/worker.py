# SPDX-License-Identifier: BSD-3-Clause
"""Celery's worker object, which does all that it does before it would make its pool, and no more:
signals, log set-up, the choice of queues, the import of modules."""

from celery import bootsteps
from celery.worker.consumer import Consumer


class _NoSteps(bootsteps.Blueprint):
    """A blueprint that builds nothing, whatever steps the app adds."""

    def __init__(self, steps=None, **options):
        super().__init__(**options)

    def shutdown(self, parent):
        """Of a consumer."""


class _PoollessWorker:
    """In front of Celery's Worker: what belongs to the main process is left to it."""

    class Blueprint(_NoSteps):
        """Of a worker."""

        name = "Worker"

    def setup_instance(self, **options):
        """Note what Celery would choose if nobody does."""
        chosen = self.concurrency
        super().setup_instance(**options)
        self.default_concurrency = None if chosen else self.concurrency

    def purge_messages(self):
        """The main process does it."""

    def emit_banner(self):
        """The main process does it."""

    def install_platform_tweaks(self, worker):
        """Signals are the main process's."""

    def on_stopped(self):
        """There is neither timer nor consumer to stop."""


class _StandInConsumer(Consumer):
    """What Celery would send as the sender of its consumer's signals. It consumes nothing."""

    class Blueprint(_NoSteps):
        """Of a consumer."""

        name = "Consumer"


def create(app, arguments):
    """The worker, as `celery worker` has it when its pool would start."""
    kind = type("Worker", (_PoollessWorker, app.Worker), {"__module__": __name__})
    worker = kind(
        hostname=arguments.hostname, pool_cls="prefork", loglevel=arguments.loglevel,
        logfile=arguments.logfile, pidfile=None, statedb=None, no_color=arguments.no_color,
        quiet=arguments.quiet, concurrency=arguments.concurrency, queues=arguments.queues,
        exclude_queues=arguments.exclude_queues, include=arguments.include,
        task_events=arguments.task_events or None, purge=arguments.purge,
        time_limit=arguments.time_limit, soft_time_limit=arguments.soft_time_limit,
        max_tasks_per_child=arguments.max_tasks_per_child,
        max_memory_per_child=arguments.max_memory_per_child,
        prefetch_multiplier=arguments.prefetch_multiplier, optimization="fair")
    worker.blueprint.start(worker)
    return worker


def create_consumer(worker):
    """A sender for signals."""
    consumer = _StandInConsumer(
        lambda request: None, hostname=worker.hostname, app=worker.app, controller=worker,
        disable_rate_limits=worker.disable_rate_limits,
        initial_prefetch_count=worker.concurrency * worker.prefetch_multiplier,
        prefetch_multiplier=worker.prefetch_multiplier)
    consumer.connection = consumer.conninfo  # connects when a handler uses it
    return consumer
