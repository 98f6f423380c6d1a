# SPDX-License-Identifier: BSD-3-Clause
"""A retried task ends in the state of its last run: the run before it, which is still storing RETRY
when the next message is here already, does not have the last word."""

from __future__ import annotations

import os
from typing import Callable

from celery import Celery

from interop.test_python_cli import ENV
from support.process import wait_until
from support.redis import Redis
from support.worker import BaseWorker, TESTS

TASKS = 5


def test_the_last_run_has_the_last_word(worker: Callable[..., BaseWorker], redis: Redis,
                                        broker_url: str) -> None:
    one = worker(app="interop.retry_app", concurrency=4, backend=redis.url,
                 env={**ENV, "RETRY_RESULTS": redis.url, "PYTHONPATH": os.fspath(TESTS)})
    with Celery("client", broker=broker_url, backend=redis.url) as client:
        for number in range(1, TASKS + 1):
            result = client.send_task("interop.retry_app.again", (2,))
            wait_until(lambda: _runs(one) == (number, 2 * number), 30, "the end of all runs")
            assert (result.state, str(result.result)) == ("FAILURE", "run 2")
            result.forget()
            del result  # it would look for its Redis when that is gone


def _runs(worker: BaseWorker) -> tuple[int, int]:
    log = worker.read_log()
    return log.count("raised unexpected"), log.count("retry: Retry in")
