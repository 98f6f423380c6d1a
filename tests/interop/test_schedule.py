# SPDX-License-Identifier: BSD-3-Clause
"""eta, countdown and expires as clients set them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Callable
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from faults.proxy import Proxy
from interop.broker import GRAVEYARD, Replies
from interop.conftest import Shared
from interop.settings import REFERENCE, scaled
from support.amqp import Client
from support.worker import BaseWorker

celeriac_only = pytest.mark.skipif(REFERENCE, reason="needs celeriac's options")


def iso(seconds: float) -> str:
    """So many seconds from now, as clients write it."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


def test_expired_task_is_revoked_for_the_client(shared: Shared, shared_amqp: Client) -> None:
    with shared.client() as client:
        client.send_task("example.add", (2, 3)).get(timeout=10)  # so that the worker waits for more
        result = client.send_task("example.add", (2, 3), expires=-10)
        with pytest.raises(TaskRevokedError, match="expired"):
            result.get(timeout=10)
        assert result.state == "REVOKED"
    shared.worker.wait_log(rf"INFO/MainProcess\] Discarding revoked task: example.add\[{result.id}")
    assert shared_amqp.counts("celery")[0] == 0


@celeriac_only
def test_expired_task_is_acknowledged(graveyard: None, worker: Callable[..., BaseWorker],
                                      amqp: Client, replies: Replies) -> None:
    running = worker("--prefetch-multiplier", "1", concurrency=1)
    expired = amqp.send_task("example.crash", expires=iso(-0.001), reply_to=replies.queue)
    document = replies.document(expired)
    assert document["status"] == "REVOKED"
    assert document["result"] == {"exc_type": "TaskRevokedError", "exc_message": ["expired"],
                                  "exc_module": "celery.exceptions"}
    next_one = amqp.send_task("example.add", (2, 3), reply_to=replies.queue)
    assert replies.result(next_one) == 5
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert amqp.counts(GRAVEYARD)[0] == 0


@celeriac_only
def test_task_expires_behind_a_busy_child(worker: Callable[..., BaseWorker],
                                          client: Celery) -> None:
    # What waits at the broker is dropped by it when it expires, and nobody is told.
    worker("--prefetch-multiplier", "4", concurrency=1)
    busy = client.send_task("example.sleep", (1.2,))
    late = [client.send_task("example.add", (2, 3), expires=0.4) for _ in range(3)]
    patient = client.send_task("example.add", (2, 3), expires=60)
    assert busy.get(timeout=10) == 1.2
    for one in late:
        with pytest.raises(TaskRevokedError):
            one.get(timeout=10)
    assert patient.get(timeout=10) == 5


@pytest.mark.parametrize("when", ["2030-01-01T12:00:00", "2030-01-01T12:00:00.5+02:00",
                                  "2030-01-01T12:00:00Z"])
def test_expires_in_the_future_is_no_hindrance(shared_amqp: Client, shared_replies: Replies,
                                               when: str) -> None:
    task = shared_amqp.send_task("example.add", (2, 3), reply_to=shared_replies.queue, expires=when)
    assert shared_replies.result(task) == 5


@pytest.mark.parametrize("when", ["2020-01-01T12:00:00", "2020-01-01T12:00:00.000500+02:00",
                                  ""])
def test_eta_in_the_past_runs_at_once(shared_amqp: Client, shared_replies: Replies,
                                      when: str) -> None:
    if REFERENCE and not when:
        pytest.skip("ends a worker of Celery 5.2.6")
    task = shared_amqp.send_task("example.add", (2, 3), reply_to=shared_replies.queue, eta=when)
    assert shared_replies.result(task, 2) == 5


def test_countdown_holds_a_task_and_lets_others_pass(shared: Shared, shared_replies: Replies
                                                     ) -> None:
    with shared.client() as client:
        sent = time.monotonic()
        held = [client.send_task("example.add", (number, 0), countdown=1,
                                 reply_to=shared_replies.queue) for number in range(30)]
        ready = client.send_task("example.add", (2, 3), reply_to=shared_replies.queue)
    # 30 are more than the window of 8: those that wait must not stand in the others' way.
    shared_replies.wait(ready.id)
    assert shared_replies.times[ready.id] - sent < 0.9
    assert not any(one.id in shared_replies.messages for one in held)
    shared_replies.wait(*(one.id for one in held))
    for number, one in enumerate(held):
        assert 1.0 <= shared_replies.times[one.id] - sent < 2.0
        assert shared_replies.result(one.id) == number


@celeriac_only
def test_eta_order_is_kept(worker: Callable[..., BaseWorker], amqp: Client, replies: Replies
                           ) -> None:
    worker(concurrency=1)
    order = [0.9, 0.3, 0.6, 0.1]
    sent = {delay: amqp.send_task("example.add", (0, 0), reply_to=replies.queue, eta=iso(delay))
            for delay in order}
    replies.wait(*sent.values())
    assert list(replies.times) == [sent[delay] for delay in sorted(order)]


@celeriac_only
def test_task_that_expires_before_its_eta_is_revoked(worker: Callable[..., BaseWorker],
                                                     amqp: Client, replies: Replies) -> None:
    worker()
    task = amqp.send_task("example.add", (0, 0), reply_to=replies.queue, eta=iso(0.5),
                          expires=iso(0.2))
    assert replies.document(task)["status"] == "REVOKED"


@celeriac_only
def test_held_tasks_go_back_at_a_warm_stop(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    running = worker()
    count = scaled(2000)
    for _ in range(count):
        amqp.send_task("example.add", (0, 0), eta=iso(200))
    ready = amqp.declare(durable=False, exclusive=True)
    amqp.send_task("example.add", (0, 0), reply_to=ready)
    amqp.wait_message(ready)
    assert running.stop(5) == 0
    amqp.wait_ready("celery", count)


@celeriac_only
@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_thousands_are_held_across_a_cut(worker: Callable[..., BaseWorker], amqp: Client,
                                         broker_url: str, replies: Replies, queue_type: str
                                         ) -> None:
    with Proxy(urlsplit(broker_url).port) as proxy:
        running = worker("--set", f"task_default_queue_type={queue_type}",
                         url=proxy.url(broker_url))
        tasks = [amqp.send_task("example.add", (2, 3), reply_to=replies.queue, eta=iso(5))
                 for _ in range(scaled(1500))]
        ready = amqp.send_task("example.add", (2, 3), reply_to=replies.queue)
        replies.wait(ready)  # so all are held
        proxy.cut()
        replies.wait(*tasks, seconds=30)
        assert set(replies.repeated) <= {ready}  # its ack may have gone with the connection
        assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
