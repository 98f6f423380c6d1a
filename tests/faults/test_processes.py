# SPDX-License-Identifier: BSD-3-Clause
"""Children and forkservers that die or hang while tasks run."""

from __future__ import annotations

import os
import signal
from typing import Callable

from faults.held import Held
from faults.proxy import Proxy
from faults.runtimes import both_runtimes
from faults.site import children_of, forkserver_of
from faults.witness import Witness
from support.process import wait_until
from support.worker import Worker

Start = Callable[..., Worker]
HEARTBEAT = 2


def replace_forkserver(worker: Worker) -> None:
    """Kill the forkserver and wait for the next one."""
    old = wait_until(lambda: forkserver_of(worker), 10, "forkserver")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: forkserver_of(worker) not in (0, old), 15, "new forkserver")


@both_runtimes
def test_tasks_complete_when_the_forkserver_dies_and_new_children_come(
        fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    children = set(children_of(worker))
    replace_forkserver(worker)
    assert set(children_of(worker)) == children
    held.let_go()
    held.wait_ended(2)
    held.wait_results(2)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(children_of(worker)) - children) == 2, 10, "new children")
    held.send(4)
    assert len(held.wait_results(4)) == 4
    assert held.trace("start") == dict.fromkeys(held.sent, 1)


def test_forkserver_may_die_many_times(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    for _ in range(5):
        replace_forkserver(worker)
    held.let_go()
    assert len(held.wait_results(2)) == 2
    assert held.starts() == 2


@both_runtimes
def test_forkserver_killed_while_it_loads_is_replaced(fault_worker: Start, held: Held) -> None:
    worker = fault_worker(ready=False, concurrency=1)
    forkserver = wait_until(lambda: forkserver_of(worker), 5, "forkserver", pause=0.001)
    os.kill(forkserver, signal.SIGKILL)
    worker.wait_log(r" ready\.$")
    held.let_go()
    held.send(1)
    assert len(held.wait_results(1)) == 1


@both_runtimes
def test_task_of_a_killed_child_runs_again_with_a_loss_count(
        fault_worker: Start, held: Held, witness: Witness) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    os.kill(children_of(worker)[0], signal.SIGKILL)
    held.wait_started(2)
    held.let_go()
    assert held.wait_results(1)["held-0"]["status"] == "SUCCESS"
    assert [one.lost_count for one in witness.of("held-0")] == [0, 1]
    assert "loss 1 of 3" in worker.read_log()
    assert worker.stop() == 0
    assert held.ready() == 0


@both_runtimes
def test_task_of_a_child_that_is_killed_offline_runs_again(
        fault_worker: Start, held: Held, proxy: Proxy) -> None:
    worker = fault_worker(concurrency=1)
    held.send_and_wait(1)
    proxy.shut()
    proxy.cut()
    worker.wait_log("Connection to broker lost")
    os.kill(children_of(worker)[0], signal.SIGKILL)
    worker.wait_log("lost its process")
    proxy.open()
    held.wait_started(2, 20)
    held.let_go()
    assert held.wait_results(1)["held-0"]["status"] == "SUCCESS"
    assert worker.stop() == 0
    assert (held.starts(), held.ends(), held.ready()) == (2, 1, 0)


@both_runtimes
def test_hard_limit_ends_a_stopped_child_while_heartbeats_go_on(
        fault_worker: Start, held: Held, proxy: Proxy) -> None:
    worker = fault_worker(query=f"?heartbeat={HEARTBEAT}", concurrency=1)
    connections = proxy.accepted
    held.send_and_wait(1, timelimit=[3 * HEARTBEAT, None])
    os.kill(children_of(worker)[0], signal.SIGSTOP)
    result = held.wait_results(1)["held-0"]
    assert (result["status"], result["result"]["exc_type"]) == ("FAILURE", "TimeLimitExceeded")
    held.send_and_wait(1)
    held.let_go()
    assert held.wait_results(1)["held-1"]["status"] == "SUCCESS"
    assert proxy.accepted == connections
    assert worker.stop() == 0
    assert held.ready() == 0


def test_stopped_forkserver_does_not_hold_up_running_tasks(fault_worker: Start,
                                                           held: Held) -> None:
    worker = fault_worker(concurrency=2)
    held.send_and_wait(2)
    os.kill(forkserver_of(worker), signal.SIGSTOP)
    held.let_go()
    assert len(held.wait_results(2)) == 2
    held.send(4)
    assert len(held.wait_results(4)) == 4
    os.kill(forkserver_of(worker), signal.SIGCONT)


def test_warm_shutdown_ends_although_the_forkserver_hangs(fault_worker: Start,
                                                          held: Held) -> None:
    worker = fault_worker(concurrency=2)
    os.kill(forkserver_of(worker), signal.SIGSTOP)
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert held.ready() == 0
