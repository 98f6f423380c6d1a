# SPDX-License-Identifier: BSD-3-Clause
"""A broker that takes the queue away, is not there, goes away, or hangs."""

from __future__ import annotations

import signal
from typing import Callable, Iterator

import pytest

from faults.held import QUEUE, Held, consumers
from faults.proxy import Proxy
from faults.witness import Witness
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import Worker

Start = Callable[..., Worker]
HEARTBEAT = 2


def wait_consumer(held: Held, seconds: float = 20.0) -> None:
    """Wait until the task queue exists and is consumed."""
    wait_until(lambda: consumers(held.url, QUEUE) > 0, seconds, "consumer", pause=0.1)


def test_consuming_resumes_after_the_queue_was_deleted(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=1)
    held.let_go()
    held.send(1)
    held.wait_results(1)
    for _ in range(2):
        held.delete_queue()
        wait_consumer(held)
        held.send(1)
        assert len(held.wait_results(1)) == 1
    assert worker.stop() == 0


def test_tasks_whose_queue_is_deleted_complete_once(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    held.delete_queue()
    wait_consumer(held)
    held.let_go()
    assert len(held.wait_results(2)) == 2
    held.send(1)
    assert len(held.wait_results(1)) == 1
    assert held.trace("start") == dict.fromkeys(held.sent, 1)
    assert worker.stop() == 0


def test_worker_waits_for_a_broker_that_comes_later(fault_worker: Start, held: Held,
                                                    proxy: Proxy) -> None:
    proxy.shut()
    worker = fault_worker(ready=False, concurrency=1)
    worker.wait_log("Cannot connect to amqp://guest:\\*\\*@")
    proxy.open()
    worker.wait_log(r" ready\.$", 20)
    held.let_go()
    held.send(1)
    assert len(held.wait_results(1)) == 1


def test_nothing_is_lost_or_repeated_when_the_node_restarts_under_load(
        fault_worker: Start, held: Held, rabbitmq: RabbitMQ, witness: Witness) -> None:
    worker = fault_worker(concurrency=4)
    held.send_and_wait(4)
    held.send(200)
    rabbitmq.stop()
    held.let_go()
    held.wait_ended(4)
    rabbitmq.start()
    held.reconnect()
    assert len(held.wait_results(204, 30)) == 204
    assert worker.stop() == 0
    assert held.ready() == 0
    assert held.trace("start") == dict.fromkeys(held.sent, 1)
    assert not witness.violations


def test_hanging_broker_is_noticed_by_its_heartbeat_and_nothing_runs_twice(
        fault_worker: Start, held: Held, rabbitmq: RabbitMQ) -> None:
    worker = fault_worker(query=f"?heartbeat={HEARTBEAT}", concurrency=2)
    held.send_and_wait(2)
    rabbitmq.signal(signal.SIGSTOP)
    try:
        worker.wait_log("consumer: Connection to broker lost", 6 * HEARTBEAT)
    finally:
        rabbitmq.signal(signal.SIGCONT)
    wait_until(lambda: worker.read_log().count(" ready.\n") == 2, 30, "second connection")
    held.reconnect()
    held.let_go()
    assert len(held.wait_results(2)) == 2
    assert worker.stop() == 0
    assert (held.starts(), held.ends(), held.ready()) == (2, 2, 0)


def test_paused_worker_attaches_its_tasks_when_it_wakes_up(fault_worker: Start,
                                                           held: Held) -> None:
    worker = fault_worker(query="?heartbeat=1", concurrency=2)
    held.send_and_wait(2)
    worker.signal(signal.SIGSTOP)
    held.wait_ready(2, 15)  # the broker has given up on it
    worker.signal(signal.SIGCONT)
    held.wait_ready(0, 15)
    held.let_go()
    assert len(held.wait_results(2)) == 2
    assert worker.stop() == 0
    assert (held.starts(), held.ends(), held.ready()) == (2, 2, 0)


@pytest.fixture
def impatient(rabbitmq: RabbitMQ) -> Iterator[None]:
    """A node that closes the channel of who keeps a delivery longer than a second."""
    rabbitmq.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1000), "
                         "application:set_env(rabbit, channel_tick_interval, 500).")
    yield
    rabbitmq.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1800000), "
                         "application:set_env(rabbit, channel_tick_interval, 60000).")


@pytest.mark.usefixtures("impatient")
def test_task_beyond_the_brokers_consumer_timeout_runs_once(
        fault_worker: Start, held: Held, witness: Witness) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    wait_until(lambda: len(witness.of("held-0")) >= 3, 20, "two redeliveries")
    held.let_go()
    assert held.wait_results(1)["held-0"]["status"] == "SUCCESS"
    assert worker.stop() == 0
    assert (held.starts(), held.ends(), held.ready()) == (1, 1, 0)
