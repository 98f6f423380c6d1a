# SPDX-License-Identifier: BSD-3-Clause
"""A retried task ends in the state of its last run: the run before it, which is still storing RETRY
when the next message is here already, does not have the last word."""

from __future__ import annotations

import os
from typing import Any, Callable

from celery import Celery

from interop.test_python_cli import ENV
from support.process import wait_until
from support.redis import Redis
from support.worker import BaseWorker, TESTS

TASKS = 20


def test_the_last_run_has_the_last_word(worker: Callable[..., BaseWorker], redis: Redis,
                                        broker_url: str) -> None:
    one = worker(app="interop.retry_app", concurrency=4, backend=redis.url,
                 env={**ENV, "RETRY_RESULTS": redis.url, "PYTHONPATH": os.fspath(TESTS)})
    with Celery("client", broker=broker_url, backend=redis.url) as client:
        results: list[Any] = [client.send_task("interop.retry_app.again", (2,))
                              for _ in range(TASKS)]
        wait_until(lambda: one.read_log().count("succeeded in") == TASKS, 30, "the last runs")
        assert [result.state for result in results] == ["SUCCESS"] * TASKS
        assert [result.get(timeout=5) for result in results] == [2] * TASKS
