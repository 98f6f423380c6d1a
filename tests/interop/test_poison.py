# SPDX-License-Identifier: BSD-3-Clause
"""A task that kills its process, among many good ones (200; CELERIAC_INTEROP_SCALE=5: 1,000)."""

from __future__ import annotations

import os
import re
import signal
from typing import Callable

import billiard.exceptions
import pytest
from celery import Celery

from interop.broker import GRAVEYARD, Replies, dead_letter
from interop.settings import scaled
from support.amqp import Client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker

GOOD = scaled(200)


def billiard_error(name: str) -> type[Exception]:
    """The class that a client gets."""
    return getattr(billiard.exceptions, name)


def losses(log: str, task_id: str) -> list[int]:
    """The numbers of the losses that were logged for a task."""
    found = re.findall(rf"\[{task_id}\] lost its process \(loss (\d+) of \d+\)", log)
    return [int(number) for number in found]


def declare(amqp: Client, queue_type: str) -> None:
    """The queue as a client with that queue type declares it."""
    amqp.channel.exchange_declare("celery", "direct", durable=True, auto_delete=False)
    arguments = {"x-queue-type": "quorum"} if queue_type == "quorum" else {}
    amqp.declare("celery", arguments=arguments)
    amqp.channel.queue_bind("celery", "celery", "celery")


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
@pytest.mark.timeout(120)
def test_poison_task_costs_three_processes_and_no_result(
        graveyard: None, worker: Callable[..., BaseWorker], amqp: Client, replies: Replies,
        queue_type: str) -> None:
    declare(amqp, queue_type)
    running = worker("--set", f"task_default_queue_type={queue_type}")
    sent = []
    for number in range(GOOD):
        if number == GOOD // 4:
            poison = amqp.send_task("example.crash", reply_to=replies.queue, priority_note="kept")
        sent.append(amqp.send_task("example.add", (number, 1), reply_to=replies.queue))
    replies.wait(poison, *sent, seconds=60)
    assert [replies.result(one) for one in sent] == list(range(1, GOOD + 1))
    document = replies.document(poison)
    assert document["status"] == "FAILURE"
    assert document["traceback"] is None
    assert document["result"]["exc_type"] == "WorkerLostError"
    assert document["result"]["exc_module"] == "billiard.exceptions"
    assert re.fullmatch(r"Worker exited prematurely: signal 11 \(SIGSEGV\) Job: \d+\.",
                        document["result"]["exc_message"][0])
    assert not replies.repeated
    dead = amqp.wait_message(GRAVEYARD)
    headers = dead.properties["application_headers"]
    assert dead.properties["correlation_id"] == headers["id"] == poison
    assert dead.properties["reply_to"] == replies.queue
    assert dead.properties["content_type"] == "application/json"
    assert headers["priority_note"] == "kept"
    assert headers["x-death"][0]["reason"] == "rejected"
    assert headers["x-worker-lost-count"] == 2
    assert losses(running.read_log(), poison) == [1, 2, 3]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert amqp.counts(GRAVEYARD)[0] == 0


def test_client_gets_worker_lost_error(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker("--set", "worker_lost_max_deliveries=1")
    result = client.send_task("example.crash")
    with pytest.raises(billiard_error("WorkerLostError"), match="signal 11"):
        result.get(timeout=10)
    result = client.send_task("example.exit", (3,))
    with pytest.raises(billiard_error("WorkerLostError"), match="exitcode 3"):
        result.get(timeout=10)
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5
    assert losses(running.read_log(), result.id) == [1]
    running.wait_log(r"ERROR/MainProcess\] Process 'ForkPoolWorker-\d+' pid:\d+ exited with "
                     r"'signal 11 \(SIGSEGV\)'")


def test_exit_status_0_is_a_loss_too(worker: Callable[..., BaseWorker], client: Celery) -> None:
    worker("--set", "worker_lost_max_deliveries=2")
    result = client.send_task("example.exit", (0,))
    with pytest.raises(billiard_error("WorkerLostError"), match="exitcode 0"):
        result.get(timeout=10)


def test_celerys_own_settings_lose_a_task_after_one_start(
        worker: Callable[..., BaseWorker], client: Celery, amqp: Client) -> None:
    running = worker("--set", "task_reject_on_worker_lost=false")
    result = client.send_task("example.crash")
    with pytest.raises(billiard_error("WorkerLostError")):
        result.get(timeout=10)
    assert losses(running.read_log(), result.id) == [1]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


@pytest.mark.timeout(120)
def test_many_poison_tasks_do_not_stop_the_good_ones(
        worker: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    running = worker(concurrency=2)
    poison, good = [], []
    for number in range(60):
        if number % 6 == 0:
            poison.append(amqp.send_task("example.exit", (number,), reply_to=replies.queue))
        good.append(amqp.send_task("example.add", (number, 1), reply_to=replies.queue))
    replies.wait(*poison, *good, seconds=60)
    assert [replies.result(one) for one in good] == list(range(1, 61))
    for one in poison:
        assert replies.document(one)["result"]["exc_type"] == "WorkerLostError"
        assert losses(running.read_log(), one) == [1, 2, 3]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_lost_task_that_recovers_is_run_again(worker: Callable[..., BaseWorker], amqp: Client,
                                              replies: Replies) -> None:
    """A child that is killed from outside: the message comes back and its task runs to the end."""
    running = worker(concurrency=1)
    pid = amqp.send_task("example.pid", reply_to=replies.queue)
    child = replies.result(pid)
    task = amqp.send_task("example.sleep", (0.5,), reply_to=replies.queue)
    running.wait_log(rf"Task example.sleep\[{task}\] received")
    wait_until(lambda: child in running.tree(), 5, "child")
    os.kill(child, signal.SIGKILL)
    assert replies.result(task) == 0.5
    assert losses(running.read_log(), task) in ([], [1])
    again = amqp.send_task("example.pid", reply_to=replies.queue)
    assert replies.result(again) != child


def assert_ends(running: BaseWorker, amqp: Client, replies: Replies, poison: str) -> None:
    """At most three starts, a failure for the client, a dead letter."""
    document = replies.document(poison, seconds=10)
    assert document["result"]["exc_type"] == "WorkerLostError"
    assert amqp.wait_message(GRAVEYARD).properties["correlation_id"] == poison
    assert len(losses(running.read_log(), poison)) <= 3


def test_poison_task_that_cannot_be_counted_ends(graveyard: None,
                                                 worker: Callable[..., BaseWorker], amqp: Client,
                                                 replies: Replies) -> None:
    """Its headers fill a frame: there is no room for a count."""
    running = worker(concurrency=1)
    poison = amqp.send_task("example.crash", reply_to=replies.queue, big="h" * 130_500)
    try:
        assert_ends(running, amqp, replies, poison)
    finally:
        running.kill()  # one that starts it for ever must not be asked to end it first


def test_poison_task_in_a_full_queue_ends(rabbitmq: RabbitMQ, vhost: str, amqp: Client,
                                          worker: Callable[..., BaseWorker], replies: Replies
                                          ) -> None:
    """The queue takes no copy while a message waits in it, and that one waits for the poison."""
    amqp.declare_task_queue()
    poison = amqp.send_task("example.crash", reply_to=replies.queue)
    good = amqp.send_task("example.add", (2, 3), reply_to=replies.queue)
    amqp.wait_ready("celery", 2)
    for length in (100, 1):  # at once it would drop what is too many, before it knows how
        dead_letter(rabbitmq, vhost, amqp, **{"max-length": length, "overflow": "reject-publish"})
    running = worker("--prefetch-multiplier", "1", concurrency=1)
    try:
        assert_ends(running, amqp, replies, poison)
        assert replies.result(good) == 5
    finally:
        running.kill()
