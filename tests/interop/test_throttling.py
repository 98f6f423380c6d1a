# SPDX-License-Identifier: BSD-3-Clause
"""Rate limits that tasks set themselves, and revokes and limits across lost connections."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from faults.proxy import Proxy
from interop.broker import Replies
from interop.settings import REFERENCE
from process.native_driver import compile_library
from support.amqp import Client
from support.worker import BaseWorker

pytestmark = pytest.mark.skipif(REFERENCE, reason="tests/interop/test_control.py compares")

LIBRARY = """
#include <celeriac/task.h>
static int run(struct celeriac_task *task) { return celeriac_return_bool(task, 1); }
CELERIAC_TASKS({.name = "limited", .run = run, .rate_limit = "120/m"},
               {.name = "free", .run = run, .rate_limit = "0"})
"""
APP = """
from celery import Celery
app = Celery("limits", backend="rpc://")
@app.task(name="limited", rate_limit="120/m")
def limited(): return True
@app.task(name="free", rate_limit=0)
def free(): return True
"""


@pytest.fixture(params=["native", "python"])
def limited_worker(request: pytest.FixtureRequest, worker: Callable[..., BaseWorker],
                   tmp_path: Path) -> Callable[..., BaseWorker]:
    """A worker with the tasks limited (2/s) and free."""
    def start(*args: str, **options: Any) -> BaseWorker:
        if request.param == "native":
            return worker(*args, app=compile_library(LIBRARY, tmp_path), **options)
        (tmp_path / "limits.py").write_text(APP)
        return worker("--python", "/usr/bin/python3", *args, app="limits", backend="",
                      env={"PYTHONPATH": str(tmp_path)}, **options)
    return start


def times_of(replies: Replies, tasks: list[str]) -> list[float]:
    """When the results came, in seconds from the first."""
    replies.wait(*tasks)
    return sorted(replies.times[task] - replies.times[tasks[0]] for task in tasks)


def test_tasks_have_limits_of_their_own(limited_worker: Callable[..., BaseWorker], amqp: Client,
                                        replies: Replies) -> None:
    limited_worker("task_default_rate_limit=1/s")
    time.sleep(1)
    limited = [amqp.send_task("limited", reply_to=replies.queue) for _ in range(6)]
    free = [amqp.send_task("free", reply_to=replies.queue) for _ in range(6)]
    assert times_of(replies, free)[5] < 0.4
    times = times_of(replies, limited)
    assert times[1] < 0.3 and 1.7 < times[5] < 2.6, times


def test_limits_can_be_off(limited_worker: Callable[..., BaseWorker], amqp: Client,
                           replies: Replies) -> None:
    limited_worker("worker_disable_rate_limits=1")
    tasks = [amqp.send_task("limited", reply_to=replies.queue) for _ in range(6)]
    assert times_of(replies, tasks)[5] < 0.4


def test_an_eta_comes_before_the_rate(limited_worker: Callable[..., BaseWorker], client: Celery,
                                      amqp: Client) -> None:
    running = limited_worker()
    tasks = [client.send_task("limited", countdown=1) for _ in range(4)]
    for task in tasks:
        assert task.get(timeout=10) is True
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_lost_connections_double_nothing(limited_worker: Callable[..., BaseWorker], amqp: Client,
                                         broker_url: str, replies: Replies) -> None:
    """What waits for its rate is the broker's again; what was revoked stays so."""
    port = urlsplit(broker_url).port
    assert port
    with Proxy(port) as proxy:
        running = limited_worker("--prefetch-multiplier", "16", url=proxy.url(broker_url))
        tasks = [amqp.send_task("limited", reply_to=replies.queue) for _ in range(8)]
        running.wait_log(rf"{tasks[7]}\] received")
        for _ in range(2):
            time.sleep(0.7)
            proxy.cut()
        replies.wait(*tasks, seconds=30)
        assert not replies.repeated
        assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_what_was_acknowledged_early_is_terminated_too(worker: Callable[..., BaseWorker],
                                                       client: Celery, amqp: Client) -> None:
    running = worker("--celery-acks", concurrency=1)
    task = client.send_task("example.sleep", (20,))
    running.wait_log(rf"{task.id}\] received")
    time.sleep(0.3)
    assert amqp.counts("celery") == (0, 1)
    client.control.terminate(task.id)
    with pytest.raises(TaskRevokedError, match="terminated"):
        task.get(timeout=10)
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert "WorkerLostError" not in running.read_log()


def test_terminated_at_a_cold_stop_is_not_run_again(worker: Callable[..., BaseWorker],
                                                    client: Celery, amqp: Client,
                                                    tmp_path: Path) -> None:
    """Whatever comes first: the message is gone, or it comes back to a worker that knows."""
    state = str(tmp_path / "state")
    running = worker("--statedb", state, concurrency=1)
    task = client.send_task("example.sleep", (20,))
    running.wait_log(rf"{task.id}\] received")
    time.sleep(0.3)
    client.control.terminate(task.id, signal="ABRT")
    running.wait_log("Terminating")
    running.signal(3)
    assert running.wait() == 0
    worker("--statedb", state, concurrency=1)
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5
    with pytest.raises(TaskRevokedError):
        task.get(timeout=10)
    assert amqp.counts("celery")[0] == 0
