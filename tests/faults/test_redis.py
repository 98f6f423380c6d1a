# SPDX-License-Identifier: BSD-3-Clause
"""A Redis that holds the results and goes, comes late, hangs, is full or takes no more."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Callable

import pytest
import redis as redis_client

from faults.campaign import Campaign, Order
from faults.proxy import Proxy
from faults.site import PYTHON_APP, PYTHON_OPTION, python_env
from faults.witness import Witness
from support.amqp import Client
from support.process import Timeout, wait_until
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import BaseWorker

Start = Callable[..., BaseWorker]
KEY = "celery-task-meta-"


def document(store: redis_client.Redis, task_id: str, seconds: float = 20) -> Any:
    """A task's result document, waiting for it."""
    value = wait_until(lambda: store.get(KEY + task_id), seconds, "the result")
    return json.loads(value)


@pytest.mark.timeout(110)
@pytest.mark.parametrize("kind, tasks", [("celeriac", 2000), ("celeriac-python", 500)])
def test_restarts_in_the_middle_cost_no_result(kind: str, tasks: int, rabbitmq: RabbitMQ,
                                               vhost: str, own_redis: Redis) -> None:
    order = Order(kind, tasks, seed=7, seconds=100, outage=0.2, redis=own_redis,
                  harm=("redis", "child"))
    campaign = Campaign(rabbitmq, order, vhost)
    report = campaign.run()
    told = "\n".join(f"{name:40} {value}" for name, value in report.rows())
    assert report.good(), f"{told}\n{report.sanitizer}\n{campaign.log[-20000:]}"
    assert report.harm["redis"] > 0


@pytest.mark.parametrize("python", [False, True])
def test_down_at_the_start(worker: Start, amqp: Client, own_redis: Redis, python: bool) -> None:
    """The worker is ready and works; the result is there when Redis is."""
    own_redis.stop()
    more = {"app": PYTHON_APP, "env": python_env()} if python else {}
    running = worker(*(PYTHON_OPTION if python else ()), backend=own_redis.url, **more)
    task = amqp.send_task("example.add", (2, 3))
    wait_until(lambda: amqp.counts("celery")[0] == 0, 10, "delivery")
    own_redis.start()
    with own_redis.client() as store:
        assert document(store, task)["result"] == 5
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_full_queue_of_results_pauses_the_tasks(worker: Start, amqp: Client, own_redis: Redis,
                                                tmp_path: Path) -> None:
    """It takes 64 MiB, of results of 1 MiB; then no task is started until Redis goes on."""
    running = worker("--prefetch-multiplier", "64", backend=own_redis.url)
    first = amqp.send_task("example.add", (2, 3))
    with own_redis.client() as store:
        document(store, first)
    own_redis.signal(signal.SIGSTOP)
    try:
        large = [amqp.send_task("example.echo", ("x" * 1024 * 1024,)) for _ in range(90)]
        last = amqp.send_task("example.append", (str(tmp_path / "lines"), "line"))
        running.wait_log(r"Task example.append\[.*\] received", 30)
        with pytest.raises(Timeout):
            wait_until((tmp_path / "lines").exists, 2, "a task that must not run")
    finally:
        own_redis.signal(signal.SIGCONT)
    with own_redis.client() as store:
        for one in [*large, last]:
            assert document(store, one, 30)["status"] == "SUCCESS"
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_result_that_redis_never_takes_is_a_failure(worker: Start, amqp: Client,
                                                    own_redis: Redis) -> None:
    """Its limit is 512 MB unless it says otherwise."""
    running = worker(backend=own_redis.url)
    with own_redis.client() as store:
        store.config_set("proto-max-bulk-len", 1024 * 1024)
        tasks = [amqp.send_task("example.echo", ("x" * size,)) for size in (1, 2_000_000, 2)]
        found = [document(store, one) for one in tasks]
    assert [one["status"] for one in found] == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert found[1]["result"]["exc_type"] == "EncodeError"
    assert "invalid bulk length" in found[1]["result"]["exc_message"][0]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


class Killer:
    """Kills the worker when Redis has answered the first EXEC, before the worker hears of it."""

    def __init__(self) -> None:
        self.victim: BaseWorker | None = None
        self._stored = False

    def connection(self) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """What sees the bytes of both sides."""
        return self._see_client, self._see_server

    def _see_client(self, data: bytes) -> None:
        self._stored |= b"EXEC" in data

    def _see_server(self, _: bytes) -> None:
        if self._stored and self.victim:
            victim, self.victim = self.victim, None
            os.kill(victim.pid, signal.SIGKILL)


def test_kill_between_store_and_ack_repeats_the_task(worker: Start, amqp: Client, broker_url: str,
                                                     rabbitmq: RabbitMQ, own_redis: Redis,
                                                     tmp_path: Path) -> None:
    """The result stands, the message was not acknowledged: it runs again, marked as redelivered."""
    killer, witness, lines = Killer(), Witness(), tmp_path / "lines"
    with Proxy(own_redis.port, killer) as store, Proxy(rabbitmq.port, witness) as front:
        url, backend = front.url(broker_url), store.url(own_redis.url)
        killer.victim = worker(url=url, backend=backend)
        task = amqp.send_task("example.append", (str(lines), "line"))
        wait_until(lambda: killer.victim is None, 10, "kill")
        amqp.wait_ready("celery", 1)
        with own_redis.client() as look:
            assert document(look, task)["status"] == "SUCCESS"
        running = worker(url=url, backend=backend)
        wait_until(lambda: witness.of(task)[-1].verb == "ack", 10, "acknowledgement")
        assert [one.redelivered for one in witness.of(task)] == [False, True]
        assert lines.read_text() == "line\nline\n"
        assert running.stop() == 0


def test_socket_with_password_and_database(worker: Start, amqp: Client, own_redis: Redis) -> None:
    with own_redis.client() as store:
        store.config_set("requirepass", "p:w")
    running = worker(backend=f"socket://:p%3Aw@{own_redis.socket}?virtual_host=3")
    task = amqp.send_task("example.add", (2, 3))
    look = redis_client.Redis(port=own_redis.port, db=3, password="p:w")
    assert document(look, task)["result"] == 5
    assert "p:w" not in running.read_log() and "p%3Aw" not in running.read_log()


def test_tls_is_refused_in_words(worker: Start) -> None:
    running = worker(backend="rediss://127.0.0.1/0", ready=False)
    assert running.wait(10) == 2
    assert "TLS" in running.read_log()
