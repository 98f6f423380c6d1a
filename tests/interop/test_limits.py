# SPDX-License-Identifier: BSD-3-Clause
"""Time limits of messages and workers, and children that are replaced after tasks or for memory."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery import Celery

from interop.broker import GRAVEYARD, Replies
from interop.conftest import Shared
from interop.settings import REFERENCE, is_sanitized, scaled
from support.amqp import Client
from support.worker import BaseWorker

# A sanitizer's child is that large from the start.
GROWTH_MIB = 128 if is_sanitized() else 32
celeriac_only = pytest.mark.skipif(REFERENCE, reason="needs celeriac's options")


def test_limits_of_messages(shared: Shared) -> None:
    """All at once, as each takes its time."""
    with shared.client() as client:
        def send(task: str, **limits: float) -> Any:
            return client.send_task(task, (20,), **limits)

        hard = send("example.sleep", time_limit=1)
        soft = send("example.sleep", soft_time_limit=1)
        both = send("example.sleep", soft_time_limit=1, time_limit=5)
        deaf = send("example.ignore_usr1", soft_time_limit=1, time_limit=2)
        busy = send("example.burn", time_limit=1)
        with pytest.raises(TimeLimitExceeded) as caught:
            hard.get(timeout=20)
        assert caught.value.args == (1,)
        with pytest.raises(SoftTimeLimitExceeded) as soft_caught:
            soft.get(timeout=20)
        assert soft_caught.value.args == ()
        with pytest.raises(SoftTimeLimitExceeded):
            both.get(timeout=20)
        with pytest.raises(TimeLimitExceeded) as caught:
            deaf.get(timeout=20)
        assert caught.value.args == (2,)
        with pytest.raises(TimeLimitExceeded):
            busy.get(timeout=20)
        assert client.send_task("example.add", (2, 3)).get(timeout=20) == 5
    worker = shared.worker
    worker.wait_log(rf"ERROR/MainProcess\] Hard time limit \(1s\) exceeded for "
                    rf"example.sleep\[{hard.id}\]")
    worker.wait_log(rf"WARNING/MainProcess\] Soft time limit \(1s\) exceeded for "
                    rf"example.sleep\[{soft.id}\]")
    worker.wait_log(rf"Soft time limit \(1s\) exceeded for example.ignore_usr1\[{deaf.id}\]")


def test_task_that_keeps_its_limits_is_left_alone(shared: Shared) -> None:
    with shared.client() as client:
        calm = client.send_task("example.sleep", (0.1,), soft_time_limit=10, time_limit=20)
        again = client.send_task("example.sleep", (0.1,), soft_time_limit=10)
        calm.get(timeout=20)
        again.get(timeout=20)


@celeriac_only
def test_limits_of_the_worker(graveyard: None, worker: Callable[..., BaseWorker], client: Celery,
                              amqp: Client) -> None:
    running = worker("--time-limit", "1.5", "--soft-time-limit", "0.5", concurrency=4)
    soft = client.send_task("example.sleep", (20,))
    hard = client.send_task("example.ignore_usr1", (20,))
    own = client.send_task("example.sleep", (0.8,), soft_time_limit=10)
    with pytest.raises(SoftTimeLimitExceeded):
        soft.get(timeout=10)
    assert own.get(timeout=10) == 0.8
    with pytest.raises(TimeLimitExceeded) as caught:
        hard.get(timeout=10)
    assert caught.value.args == (1.5,)
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0, "each is acknowledged"
    assert amqp.counts(GRAVEYARD)[0] == 0, "and not dead-lettered"


@celeriac_only
def test_failure_and_timeout_are_returned_if_the_setting_says_so(
        graveyard: None, worker: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    """Rows R and e: a failed task is dead-lettered, one that was cut off runs again."""
    running = worker("--set", "task_acks_on_failure_or_timeout=false", concurrency=1)
    failed = amqp.send_task("example.fail", ("no",), reply_to=replies.queue)
    assert replies.document(failed)["status"] == "FAILURE"
    assert amqp.wait_message(GRAVEYARD).properties["correlation_id"] == failed
    slow = amqp.send_task("example.sleep", (20,), reply_to=replies.queue, timelimit=[0.3, None])
    assert replies.document(slow)["result"]["exc_type"] == "TimeLimitExceeded"
    running.wait_log(rf"(?s)(Hard time limit \(0.3s\) exceeded for example.sleep\[{slow}\].*){{2}}")
    amqp.channel.queue_purge("celery")


def _pauses(replies: Replies, children: int) -> list[float]:
    """The times over 50 ms, in ms, in which nothing was completed; prints the longest time."""
    times = sorted(replies.times.values())
    gaps = [(later - earlier) * 1e3 for earlier, later in zip(times, times[1:])]
    print(f"{len(times)} tasks, {children} children, longest time without a completed task "
          f"{max(gaps):.1f} ms")
    return [gap for gap in gaps if gap > 50]


def _pids(replies: Replies, tasks: list[str]) -> list[int]:
    return [replies.result(task) for task in tasks]


@celeriac_only
@pytest.mark.timeout(120)
def test_children_are_replaced_after_so_many_tasks(
        worker: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    amqp.declare_task_queue()
    count, per_child = scaled(600), 20
    tasks = [amqp.send_task("example.pid", reply_to=replies.queue) for _ in range(count)]
    running = worker("--max-tasks-per-child", str(per_child))
    replies.wait(*tasks, seconds=60)
    pids = _pids(replies, tasks)
    uses = [pids.count(pid) for pid in set(pids)]
    assert max(uses) <= per_child
    assert len(uses) >= count // per_child
    # Other load on the machine makes a pause now and then; replacing children makes none.
    assert len(_pauses(replies, len(uses))) <= len(uses) // 10
    assert not replies.repeated
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert "lost its process" not in running.read_log()


@celeriac_only
@pytest.mark.timeout(120)
def test_children_that_have_grown_are_replaced(
        worker: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    amqp.declare_task_queue()
    tasks, grown = [], []
    for number in range(scaled(300)):
        if number % 30 == 0:
            grown.append(amqp.send_task("example.alloc", (GROWTH_MIB,), reply_to=replies.queue))
        tasks.append(amqp.send_task("example.pid", reply_to=replies.queue))
    running = worker("--max-memory-per-child", str(GROWTH_MIB * 1024))
    replies.wait(*tasks, *grown, seconds=60)
    pids = _pids(replies, tasks)
    assert [replies.result(one) for one in grown] == [GROWTH_MIB] * len(grown)
    # Each growth costs its child at once; at the end two are left.
    assert len(grown) - 1 <= len(set(pids)) <= len(grown) + 2
    pauses = _pauses(replies, len(set(pids)))
    if not is_sanitized():  # whose tasks take that long to write to so much memory
        assert len(pauses) <= len(set(pids)) // 5
    assert not replies.repeated
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


@celeriac_only
def test_children_stay_without_a_limit(worker: Callable[..., BaseWorker], amqp: Client,
                                       replies: Replies) -> None:
    worker()
    tasks = [amqp.send_task("example.pid", reply_to=replies.queue) for _ in range(100)]
    replies.wait(*tasks)
    assert 1 <= len(set(_pids(replies, tasks))) <= 2
