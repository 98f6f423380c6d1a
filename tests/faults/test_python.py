# SPDX-License-Identifier: BSD-3-Clause
"""Python tasks that kill their process, take too long, or use up their child."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Callable, Iterator

import pytest

from faults.ledger import read_lines
from faults.runtimes import python_runtime
from interop.broker import Replies
from support.amqp import Client
from support.process import alive, wait_until
from support.worker import Worker

Start = Callable[..., Worker]
pytestmark = python_runtime


@pytest.fixture
def replies(broker_url: str) -> Iterator[Replies]:
    """A reply queue on this test's virtual host."""
    with closing(Replies(broker_url)) as queue:
        yield queue


def losses(worker: Worker, task_id: str) -> list[int]:
    """The numbers of the losses that were logged for a task."""
    found = re.findall(rf"\[{task_id}\] lost its process \(loss (\d+) of \d+\)", worker.read_log())
    return [int(number) for number in found]


@pytest.mark.parametrize("name, args, how", [
    ("example.crash", (), r"signal 11 \(SIGSEGV\)"), ("example.exit", (7,), "exitcode 7"),
], ids=["crash", "exit"])
def test_poison_costs_three_processes_and_the_good_tasks_nothing(
        name: str, args: tuple[int, ...], how: str, fault_worker: Start, amqp: Client,
        replies: Replies) -> None:
    amqp.declare_task_queue()
    good = [amqp.send_task("example.add", (number, 1), reply_to=replies.queue)
            for number in range(50)]
    poison = amqp.send_task(name, args, reply_to=replies.queue)
    good += [amqp.send_task("example.add", (number, 1), reply_to=replies.queue)
             for number in range(50, 100)]
    worker = fault_worker(concurrency=2)
    replies.wait(poison, *good)
    assert [replies.result(one) for one in good] == list(range(1, 101))
    document = replies.document(poison)
    assert (document["status"], document["result"]["exc_type"]) == ("FAILURE", "WorkerLostError")
    assert re.search(how, document["result"]["exc_message"][0])
    assert losses(worker, poison) == [1, 2, 3]
    assert not replies.repeated
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_limits_end_a_task_and_are_told(fault_worker: Start, amqp: Client,
                                        replies: Replies) -> None:
    worker = fault_worker(concurrency=2)
    hard = amqp.send_task("example.sleep", (20,), reply_to=replies.queue, timelimit=[1, None])
    soft = amqp.send_task("example.sleep", (20,), reply_to=replies.queue, timelimit=[None, 1])
    deaf = amqp.send_task("example.ignore_usr1", (20,), reply_to=replies.queue,
                          timelimit=[2, 1])
    outcomes = {one: replies.document(one)["result"] for one in (hard, soft, deaf)}
    assert {one: value["exc_type"] for one, value in outcomes.items()} == {
        hard: "TimeLimitExceeded", soft: "SoftTimeLimitExceeded", deaf: "TimeLimitExceeded"}
    assert (outcomes[hard]["exc_message"], outcomes[deaf]["exc_message"]) == ([1], [2])
    add = amqp.send_task("example.add", (2, 3), reply_to=replies.queue)
    assert replies.result(add) == 5
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert not replies.repeated


def test_soft_limit_leaves_the_child_alive(fault_worker: Start, amqp: Client,
                                           replies: Replies) -> None:
    fault_worker(concurrency=1)
    pid = replies.result(amqp.send_task("example.pid", reply_to=replies.queue))
    soft = amqp.send_task("example.sleep", (20,), reply_to=replies.queue, timelimit=[None, 0.3])
    assert replies.document(soft)["status"] == "FAILURE"
    assert replies.result(amqp.send_task("example.pid", reply_to=replies.queue)) == pid


def test_children_are_replaced_after_so_many_tasks_and_none_is_lost(
        fault_worker: Start, amqp: Client, replies: Replies) -> None:
    amqp.declare_task_queue()
    tasks = [amqp.send_task("example.pid", reply_to=replies.queue) for _ in range(200)]
    worker = fault_worker("--max-tasks-per-child", "10", concurrency=2)
    replies.wait(*tasks)
    pids = [replies.result(one) for one in tasks]
    assert max(pids.count(one) for one in set(pids)) <= 10
    assert not replies.repeated
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert "lost its process" not in worker.read_log()


def test_what_a_killed_task_has_started_ends_too(fault_worker: Start, amqp: Client,
                                                 replies: Replies, tmp_path: Path) -> None:
    fault_worker(concurrency=1)
    file = tmp_path / "pids"
    task = amqp.send_task("fault.descendant", (str(file),), reply_to=replies.queue,
                          timelimit=[1, None])
    program = int(wait_until(lambda: read_lines(file), 10, "program")[0])
    assert alive(program)
    assert replies.document(task)["result"]["exc_type"] == "TimeLimitExceeded"
    wait_until(lambda: not alive(program), 5, "end of the program")
