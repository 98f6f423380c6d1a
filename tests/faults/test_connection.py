# SPDX-License-Identifier: BSD-3-Clause
"""A lost connection ends no task and starts none twice."""

from __future__ import annotations

from typing import Callable

import pytest

from faults.held import Held
from faults.proxy import Proxy
from faults.runtimes import both_runtimes
from faults.witness import Witness
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import Worker

Start = Callable[..., Worker]


def wait_redeliveries(witness: Witness, count: int, seconds: float = 15.0) -> None:
    """Wait until the witness has seen that many redeliveries."""
    wait_until(lambda: sum(one.redelivered for one in witness.deliveries) >= count, seconds,
               f"{count} redeliveries")


def check_one_run_each(held: Held, worker: Worker, witness: Witness, count: int) -> None:
    """One start, one end, one result, one ack a task, and an empty queue after the stop."""
    results = held.wait_results(count)
    assert {one["status"] for one in results.values()} == {"SUCCESS"}
    assert sorted(results) == sorted(held.sent)
    wait_until(lambda: witness.verbs().count("ack") == count, 10, "acks")
    assert worker.stop() == 0
    assert held.ready() == 0
    assert held.trace("start") == dict.fromkeys(held.sent, 1)
    assert held.trace("end") == dict.fromkeys(held.sent, 1)
    assert held.more_results() == 0
    assert not witness.violations


@pytest.mark.parametrize("how", ["closed", "reset", "closed by the broker"])
def test_running_tasks_outlive_a_cut_and_are_acked_once(
        how: str, fault_worker: Start, held: Held, proxy: Proxy, witness: Witness,
        rabbitmq: RabbitMQ, vhost: str) -> None:
    worker = fault_worker(concurrency=4)
    held.send_and_wait(4)
    if how == "closed by the broker":
        rabbitmq.ctl("close_all_connections", "--vhost", vhost, "closed by a test")
        held.reconnect()
    else:
        assert proxy.cut(reset=how == "reset") >= 1
    wait_redeliveries(witness, 4)
    held.let_go()
    check_one_run_each(held, worker, witness, 4)


@both_runtimes
def test_running_tasks_outlive_three_cuts(fault_worker: Start, held: Held, proxy: Proxy,
                                          witness: Witness) -> None:
    worker = fault_worker(concurrency=4)
    held.send_and_wait(4)
    for number in range(1, 4):
        proxy.cut()
        wait_redeliveries(witness, 4 * number, 20)
    held.let_go()
    check_one_run_each(held, worker, witness, 4)


@both_runtimes
def test_tasks_that_end_offline_are_settled_by_their_redelivery(
        fault_worker: Start, held: Held, proxy: Proxy, witness: Witness) -> None:
    worker = fault_worker(concurrency=4)
    held.send_and_wait(4)
    proxy.shut()
    proxy.cut()
    held.let_go()
    held.wait_ended(4)
    proxy.open()
    wait_redeliveries(witness, 4, 20)
    check_one_run_each(held, worker, witness, 4)


@pytest.mark.parametrize("number", [0, 1])
def test_results_arrive_although_one_connection_was_cut_before_them(
        number: int, fault_worker: Start, held: Held, proxy: Proxy, witness: Witness) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    proxy.shut()
    assert proxy.cut_one(number)
    held.let_go()
    held.wait_ended(2)
    proxy.open()
    check_one_run_each(held, worker, witness, 2)


def test_worker_moves_on_to_the_next_url(fault_worker: Start, held: Held, proxy: Proxy,
                                         rabbitmq: RabbitMQ, broker_url: str) -> None:
    with Proxy(rabbitmq.port) as other:
        both = f"{proxy.url(broker_url)};{other.url(broker_url)}"
        worker = fault_worker(concurrency=2, url=both)
        held.send_and_wait(2)
        assert (proxy.accepted, other.accepted) == (2, 0)
        proxy.shut()
        proxy.cut()
        wait_until(lambda: other.links() == 2, 10, "connections by the second URL")
        held.let_go()
        assert len(held.wait_results(2)) == 2
        assert worker.stop() == 0
        assert held.trace("start") == dict.fromkeys(held.sent, 1)
        assert held.ready() == 0


def test_prefetched_tasks_run_once_after_a_cut(fault_worker: Start, held: Held, proxy: Proxy,
                                               witness: Witness) -> None:
    worker = fault_worker(concurrency=2)
    held.send(2)
    held.wait_started(2)
    held.send(6)
    wait_until(lambda: len(witness.deliveries) == 8, 10, "8 deliveries")
    proxy.cut()
    wait_redeliveries(witness, 8)
    held.let_go()
    check_one_run_each(held, worker, witness, 8)


def test_another_worker_takes_what_the_broker_redelivers_and_nothing_is_lost(
        fault_worker: Start, held: Held, proxy: Proxy, broker_url: str) -> None:
    first = fault_worker("-n", "first@h", concurrency=2)
    held.send_and_wait(2)
    second = fault_worker("-n", "second@h", concurrency=2, url=broker_url)
    proxy.shut()
    proxy.cut()
    held.wait_started(4)  # at least once: the other worker cannot know of the runs here
    proxy.open()
    held.let_go()
    held.wait_ended(4)
    # Both runs have an outcome; the one whose delivery went with the connection may tell it too.
    assert set(held.wait_results(2)) == set(held.sent)
    assert second.stop() == 0
    assert first.stop() == 0
    assert held.ready() == 0
    assert held.trace("start") == dict.fromkeys(held.sent, 2)
