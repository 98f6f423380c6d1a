# SPDX-License-Identifier: BSD-3-Clause
"""Every way to end a worker: what runs completes or goes back, and nobody stays behind."""

from __future__ import annotations

import datetime
import os
import signal
import time
import uuid
from typing import Callable, Sequence

import pytest

from faults.held import Held
from faults.proxy import Proxy
from faults.runtimes import both_runtimes
from faults.site import MARK, children_of, forkserver_of, marked
from faults.witness import Witness
from support.process import wait_until
from support.worker import Worker

Start = Callable[..., Worker]
ECHO_SECONDS = 0.3  # the same signal within 0.2 s is taken for an echo of the first


def fill_window(held: Held, witness: Witness, running: int, prefetched: int) -> None:
    """Tasks that run, and tasks that wait behind them in the worker."""
    held.send_and_wait(running)
    held.send(prefetched)
    wait_until(lambda: len(witness.deliveries) == running + prefetched, 10, "full window")


def in_four_minutes() -> str:
    """An eta that the worker waits for; from worker_eta_hold (5 minutes) on it parks a message."""
    return (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(minutes=4)).isoformat()


@both_runtimes
def test_running_tasks_complete_when_the_group_gets_sigterm(fault_worker: Start,
                                                            held: Held) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    os.killpg(worker.pid, signal.SIGTERM)
    for pid in worker.tree():
        os.kill(pid, signal.SIGTERM)
    worker.wait_log("Warm shutdown")
    held.let_go()
    assert worker.wait(10) == 0
    assert {one["status"] for one in held.wait_results(2).values()} == {"SUCCESS"}
    assert (held.starts(), held.ends(), held.ready()) == (2, 2, 0)


@both_runtimes
@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 0), (signal.SIGINT, 1)],
                         ids=["SIGTERM", "SIGINT"])
def test_warm_shutdown_completes_what_runs_and_has_celerys_status(
        number: int, status: int, fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    worker.signal(number)
    worker.wait_log("Warm shutdown")
    held.let_go()
    assert worker.wait(10) == status
    assert held.wait_results(1)["held-0"]["status"] == "SUCCESS"
    assert held.ready() == 0


@both_runtimes
def test_warm_shutdown_returns_what_waits_while_tasks_still_run(
        fault_worker: Start, held: Held, witness: Witness) -> None:
    worker = fault_worker(concurrency=2)
    fill_window(held, witness, 2, 4)
    held.send(3, eta=in_four_minutes())
    wait_until(lambda: len(witness.deliveries) == 9, 10, "full window")
    worker.signal(signal.SIGTERM)
    held.wait_ready(7, 2)
    assert worker.running() and held.ends() == 0
    held.let_go()
    assert worker.wait(10) == 0
    assert (held.starts(), held.ends(), held.ready()) == (2, 2, 7)


@both_runtimes
@pytest.mark.parametrize("numbers", [
    (signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGQUIT), (signal.SIGQUIT,),
], ids=["TERM TERM", "TERM QUIT", "QUIT"])
def test_cold_shutdown_returns_everything_and_leaves_nobody(
        numbers: Sequence[int], fault_worker: Start, held: Held, witness: Witness) -> None:
    mark = uuid.uuid4().hex
    worker = fault_worker(concurrency=2, env={MARK: mark})
    fill_window(held, witness, 2, 6)
    worker.signal(numbers[0])
    if len(numbers) > 1:
        worker.wait_log("Warm shutdown")
        held.wait_ready(6, 5)
        time.sleep(ECHO_SECONDS)
        worker.signal(numbers[1])
    assert worker.wait(5) == 0
    held.wait_ready(8, 5)
    assert not marked(mark)
    assert held.ends() == 0 and held.more_results() == 0
    assert not witness.violations


def test_second_sigint_is_a_cold_shutdown(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    worker.signal(signal.SIGINT)
    worker.wait_log("Warm shutdown")
    time.sleep(ECHO_SECONDS)
    worker.signal(signal.SIGINT)
    worker.wait_log("Cold shutdown")
    worker.wait(5)
    held.wait_ready(1, 5)


def test_sigterm_is_cold_when_remapped(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=1, env={"REMAP_SIGTERM": "SIGQUIT"})
    held.send_and_wait(1)
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) == 0
    held.wait_ready(1, 5)


def test_returned_tasks_complete_in_the_next_worker(fault_worker: Start, held: Held,
                                                    witness: Witness) -> None:
    worker = fault_worker(concurrency=2)
    fill_window(held, witness, 2, 6)
    worker.signal(signal.SIGQUIT)
    worker.wait(5)
    held.let_go()
    fault_worker(concurrency=2)
    assert set(held.wait_results(8)) == set(held.sent)
    assert held.ends() == 8


@both_runtimes
@pytest.mark.parametrize("replaced", [False, True], ids=["", "after the forkserver's death"])
def test_nobody_outlives_a_killed_main_process(replaced: bool, fault_worker: Start, held: Held,
                                               witness: Witness) -> None:
    mark = uuid.uuid4().hex
    worker = fault_worker(concurrency=2, env={MARK: mark})
    fill_window(held, witness, 2, 6)
    if replaced:
        first = forkserver_of(worker)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: forkserver_of(worker) not in (0, first), 10, "new forkserver")
    assert len(children_of(worker)) == 2
    worker.signal(signal.SIGKILL)
    worker.wait(5)
    wait_until(lambda: not marked(mark), 2, "end of everybody")
    held.wait_ready(8, 5)
    assert held.ends() == 0


def test_warm_shutdown_without_a_broker_ends_in_time(fault_worker: Start, held: Held,
                                                     proxy: Proxy) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    proxy.shut()
    proxy.cut()
    worker.wait_log("Connection to broker lost")
    worker.signal(signal.SIGTERM)
    held.let_go()
    assert worker.wait(20) == 0
    held.wait_ready(1, 5)  # its result could not be stored: it may run again


def test_idle_worker_without_a_broker_ends_at_once(fault_worker: Start, proxy: Proxy) -> None:
    worker = fault_worker(concurrency=1)
    proxy.shut()
    proxy.cut()
    worker.wait_log("Connection to broker lost")
    worker.signal(signal.SIGTERM)
    assert worker.wait(3) == 0


def test_worker_that_never_found_a_broker_ends_at_once(fault_worker: Start,
                                                       proxy: Proxy) -> None:
    proxy.shut()
    worker = fault_worker(ready=False, concurrency=1)
    worker.wait_log("Cannot connect to")
    worker.signal(signal.SIGTERM)
    assert worker.wait(3) == 0


@both_runtimes
def test_worker_ends_when_told_so_while_it_loads(fault_worker: Start) -> None:
    mark = uuid.uuid4().hex
    worker = fault_worker(ready=False, concurrency=1, env={MARK: mark})
    wait_until(lambda: forkserver_of(worker), 5, "forkserver", pause=0.001)
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) == 0
    assert not marked(mark)


def test_warm_shutdown_ends_in_good_order_when_the_connection_is_cut_meanwhile(
        fault_worker: Start, held: Held, proxy: Proxy) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    worker.signal(signal.SIGTERM)
    worker.wait_log("Warm shutdown")
    proxy.cut()
    wait_until(lambda: proxy.links() == 2, 10, "new connections")
    held.let_go()
    assert worker.wait(20) == 0
    assert len(held.wait_results(2)) == 2
    # It consumes no more, so it cannot take the redeliveries: another worker runs them again.
    assert (held.starts(), held.ends(), held.ready()) == (2, 2, 2)


def test_heartbeats_go_on_during_a_long_warm_shutdown(fault_worker: Start, held: Held,
                                                      proxy: Proxy) -> None:
    worker = fault_worker(query="?heartbeat=1", concurrency=1)
    held.send_and_wait(1)
    worker.signal(signal.SIGTERM)
    worker.wait_log("Warm shutdown")
    time.sleep(5)  # the broker gives up on a client that is silent for two or three heartbeats
    assert proxy.accepted == 2
    held.let_go()
    assert worker.wait(10) == 0
    assert held.ready() == 0


def test_warm_shutdown_ends_although_an_idle_child_hangs(fault_worker: Start) -> None:
    mark = uuid.uuid4().hex
    worker = fault_worker(concurrency=2, env={MARK: mark})
    child = wait_until(lambda: children_of(worker), 5, "children")[0]
    os.kill(child, signal.SIGSTOP)
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert not marked(mark)
