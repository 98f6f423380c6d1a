# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that are due later than worker_eta_hold wait in delay queues of the broker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest

from faults.proxy import Proxy
from interop.broker import Replies
from interop.settings import REFERENCE, scaled
from interop.test_schedule import iso
from support.amqp import Client, task_message
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker, Worker

pytestmark = pytest.mark.skipif(REFERENCE, reason="Celery holds them all")

HOLD = ("--set", "worker_eta_hold=1")


def place(seconds: int, priority: int = 0, queue: str = "celery") -> str:
    """The name of a delay queue."""
    return f"celeriac.delay.{seconds}p{priority}.{queue}"


def far(amqp: Client, seconds: float, **options: Any) -> str:
    """Send a task that is due in so many seconds."""
    return amqp.send_task("example.add", (2, 3), eta=iso(seconds), **options)


def test_far_task_is_parked_and_comes_back_in_time(worker: Callable[..., BaseWorker],
                                                   amqp: Client, replies: Replies) -> None:
    running = worker(*HOLD)
    sent = time.monotonic()
    task = far(amqp, 5.4, reply_to=replies.queue)
    running.wait_log(rf"Task example.add\[{task}\] is due in 5 seconds: parked at the broker for 4")
    wait_until(lambda: amqp.counts("celery") == (0, 1) and amqp.counts(place(4)) == (1, 0),
               5, "parked message")
    assert replies.result(task) == 5
    assert 5.3 < replies.times[task] - sent < 7
    assert amqp.counts("celery")[0] == 0


def test_parked_task_is_what_its_sender_sent(worker: Callable[..., BaseWorker], amqp: Client,
                                             vhost: str, rabbitmq: RabbitMQ) -> None:
    running = worker(*HOLD)
    message = task_message("example.add", (2, 3), eta=iso(600), mine="yes")
    message.properties.update(priority=3, expiration="700000", message_id="m-1", reply_to="r",
                              type="t", app_id="a", user_id="guest")
    amqp.publish(message, "celery", exchange="celery")
    running.wait_log("parked at the broker for 512")
    wait_until(lambda: amqp.counts(place(512, 3))[0] == 1, 5, "parked message")
    copy = amqp.wait_message(place(512, 3))
    assert copy.body == message.body.decode()
    parked = copy.headers.pop("x-worker-origin")
    copy.headers.pop("x-delivery-count", None)  # of this look at it
    assert copy.headers == message.headers
    assert parked == {"parks": 1, "exchange": "celery", "routing_key": "celery",
                      "expiration": "700000", "redelivered": False, "message_id": "m-1",
                      "user_id": "guest"}
    assert "expiration" not in copy.properties
    for name in ("priority", "message_id", "reply_to", "correlation_id", "content_type",
                 "content_encoding", "delivery_mode", "type", "app_id"):
        assert copy.properties[name] == message.properties[name], name


def test_task_does_not_see_that_it_was_parked(tmp_path: Path, vhost: str, broker_url: str,
                                              amqp: Client, replies: Replies) -> None:
    (tmp_path / "parked_app.py").write_text(
        "from celery import Celery\n"
        "app = Celery('parked_app')\n"
        "@app.task(bind=True)\n"
        "def look(self):\n"
        "    request = self.request\n"
        "    return [request.delivery_info, sorted(request.headers or ()), request.expires]\n")
    with Worker(broker_url, *HOLD, "--python", "/usr/bin/python3", app="parked_app",
                env={"PYTHONPATH": str(tmp_path)}) as running:
        message = task_message("parked_app.look", reply_to=replies.queue, eta=iso(2.5), mine=1)
        amqp.publish(message, "celery", exchange="celery")
        info, headers, _ = replies.result(message.properties["correlation_id"])
        running.wait_log("parked at the broker for 1")
        assert info["exchange"] == "celery" and info["routing_key"] == "celery"
        assert info["redelivered"] is False
        assert not [name for name in headers if name.startswith("x-")]
        assert running.stop() == 0
        assert not running.sanitizer_report()


def test_task_is_parked_again_and_again(worker: Callable[..., BaseWorker], amqp: Client,
                                        replies: Replies) -> None:
    running = worker(*HOLD, "-l", "DEBUG")
    tasks = [far(amqp, 8.6, reply_to=replies.queue) for _ in range(50)]
    replies.wait(*tasks)
    assert not replies.repeated
    for stay in (4, 2, 1):
        assert running.read_log().count(f"parked at the broker for {stay}\n") >= 50
    assert amqp.counts("celery")[0] == 0


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.3, 1.5])
def test_no_task_is_lost_with_a_connection(worker: Callable[..., BaseWorker], amqp: Client,
                                           broker_url: str, replies: Replies, moment: float
                                           ) -> None:
    with Proxy(urlsplit(broker_url).port) as proxy:
        running = worker(*HOLD, url=proxy.url(broker_url))
        tasks = [far(amqp, 4.2, reply_to=replies.queue) for _ in range(scaled(300))]
        for _ in range(2):
            time.sleep(moment)
            proxy.cut()
        replies.wait(*tasks, seconds=40)
        assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_far_tasks_stay_here_where_there_are_no_delay_queues(
        worker: Callable[..., BaseWorker], amqp: Client, replies: Replies) -> None:
    amqp.declare(place(1))  # with other arguments than ours
    running = worker(*HOLD)
    tasks = [far(amqp, 2.5, reply_to=replies.queue) for _ in range(20)]
    running.wait_log("Tasks that are due later than worker_eta_hold are held here")
    assert amqp.counts(place(1)) == (0, 0)
    replies.wait(*tasks)
    assert not replies.repeated
    assert amqp.counts("celery")[0] == 0


def test_no_delay_queue_is_declared_for_nothing(worker: Callable[..., BaseWorker], amqp: Client,
                                                replies: Replies, rabbitmq: RabbitMQ, vhost: str
                                                ) -> None:
    worker(*HOLD)
    replies.wait(far(amqp, 0.3, reply_to=replies.queue))
    assert not [name for name in rabbitmq.queues(vhost) if "delay" in name]


def test_expired_task_comes_back_revoked(worker: Callable[..., BaseWorker], amqp: Client,
                                         replies: Replies) -> None:
    worker(*HOLD)
    task = far(amqp, 2.5, reply_to=replies.queue, expires=iso(1.5))
    assert replies.document(task)["status"] == "REVOKED"


def test_eta_task_limit_bounds_the_window(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    worker("--set", "worker_eta_task_limit=10", "--set", "worker_eta_hold=0",
           "--prefetch-multiplier", "2")
    for _ in range(30):
        far(amqp, 200)
    amqp.wait_ready("celery", 20)
    time.sleep(0.3)
    assert amqp.counts("celery")[0] == 20


@pytest.mark.parametrize("multiplier", ["1", "4", "auto"])
def test_more_than_can_be_held_are_parked_too(worker: Callable[..., BaseWorker], amqp: Client,
                                              replies: Replies, multiplier: str) -> None:
    worker("--set", "worker_eta_task_limit=10", "--prefetch-multiplier", multiplier)
    sent = time.monotonic()
    tasks = [far(amqp, 7, reply_to=replies.queue) for _ in range(scaled(300))]
    ready = amqp.send_task("example.add", (1, 1), reply_to=replies.queue)
    assert replies.result(ready, 5) == 2  # all of them are in front of it
    amqp.wait_ready("celery", 0, 1)
    wait_until(lambda: amqp.counts(place(4))[0] == len(tasks) - 10, 5, "parked messages")
    replies.wait(*tasks, seconds=30)
    assert not replies.repeated
    assert all(6.9 < replies.times[task] - sent < 12 for task in tasks)


def test_workers_may_hold_for_different_times(worker: Callable[..., BaseWorker], amqp: Client,
                                              replies: Replies) -> None:
    worker("--set", "worker_eta_hold=1", "-n", "short@%h")
    worker("--set", "worker_eta_hold=4", "-n", "long@%h")
    sent = time.monotonic()
    tasks = [far(amqp, 6.5, reply_to=replies.queue) for _ in range(40)]
    replies.wait(*tasks)
    assert not replies.repeated
    assert all(6.4 < replies.times[task] - sent < 9 for task in tasks)


def test_what_waits_for_a_deleted_queue_waits_alone(worker: Callable[..., BaseWorker],
                                                    amqp: Client, replies: Replies) -> None:
    first = worker(*HOLD, "-Q", "gone,celery")
    for _ in range(100):
        far(amqp, 3.5, queue="gone")
    first.wait_log("parked at the broker for 2")
    wait_until(lambda: amqp.counts(place(2, queue="gone"))[0] == 100, 5, "parked messages")
    assert first.stop() == 0
    amqp.channel.queue_delete("gone")
    worker(*HOLD)
    tasks = [far(amqp, 3.5, reply_to=replies.queue) for _ in range(100)]
    replies.wait(*tasks, seconds=10)
    amqp.declare("gone")  # what waited for it is tried again every few minutes
    assert amqp.counts("gone")[0] < 100


def test_parked_tasks_survive_the_death_of_worker_and_broker(own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.start()
    with Client(own_rabbitmq.url) as amqp:
        amqp.declare_task_queue()
        results = amqp.declare("results")
        with Worker(own_rabbitmq.url, *HOLD) as first:
            tasks = {far(amqp, 14, reply_to=results) for _ in range(scaled(200))}
            first.wait_log("parked at the broker for 8")
            first.kill()  # in the middle of it
        with Worker(own_rabbitmq.url, *HOLD):
            wait_until(lambda: amqp.counts(place(8))[0] >= len(tasks), 10, "parked messages")
    own_rabbitmq.kill()
    own_rabbitmq.start()
    with Client(own_rabbitmq.url, 30) as amqp, Worker(own_rabbitmq.url, *HOLD) as last:
        found: set[str] = set()
        amqp.consume(results, lambda message: found.add(message.properties["correlation_id"]))
        amqp.drain_until(lambda: found == tasks, 30, "all results")
        assert last.stop() == 0


def test_a_stop_while_the_broker_takes_nothing_returns_what_was_on_its_way(
        own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.start()
    with Client(own_rabbitmq.url) as amqp:
        amqp.declare_task_queue()
        for _ in range(50):
            far(amqp, 600)
        own_rabbitmq.set_memory_alarm(True)
        with Worker(own_rabbitmq.url, *HOLD) as running:
            wait_until(lambda: amqp.counts("celery")[0] == 0, 10, "deliveries")
            assert running.stop(30) == 0
            assert not running.sanitizer_report()
        own_rabbitmq.set_memory_alarm(False)
        amqp.wait_ready("celery", 50)
