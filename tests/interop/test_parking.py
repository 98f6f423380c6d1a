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

def far(amqp: Client, seconds: float, **options: Any) -> str:
    """Send a task that is due in so many seconds."""
    return amqp.send_task("example.add", (2, 3), eta=iso(seconds), **options)


def test_far_task_is_parked_and_comes_back_in_time(worker: Callable[..., BaseWorker],
                                                   amqp: Client, replies: Replies) -> None:
    running = worker(*HOLD)
    sent = time.monotonic()
    task = far(amqp, 4.5, reply_to=replies.queue)
    running.wait_log(rf"Task example.add\[{task}\] is due in 4 seconds: parked at the broker for 4")
    wait_until(lambda: amqp.counts("celery") == (0, 1) and amqp.counts("celeriac.delay.4") == (1, 0),
               5, "parked message")
    assert replies.result(task) == 5
    assert 4.4 < replies.times[task] - sent < 6
    assert amqp.counts("celery")[0] == 0


def test_parked_task_is_what_its_sender_sent(worker: Callable[..., BaseWorker], amqp: Client,
                                             vhost: str, rabbitmq: RabbitMQ) -> None:
    running = worker(*HOLD)
    message = task_message("example.add", (2, 3), eta=iso(600), mine="yes")
    message.properties.update(priority=3, expiration="700000", message_id="m-1", reply_to="r")
    amqp.publish(message, "celery", exchange="celery")
    running.wait_log("parked at the broker for 256")
    wait_until(lambda: amqp.counts("celeriac.delay.256")[0] == 1, 5, "parked message")
    copy = amqp.wait_message("celeriac.delay.256")
    assert copy.delivery_info["routing_key"] == "celery"
    assert copy.body == message.body.decode()
    parked = copy.headers.pop("x-worker-origin")
    copy.headers.pop("x-delivery-count", None)  # of this look at it
    assert copy.headers == message.headers
    assert parked == {"parks": 1, "exchange": "celery", "routing_key": "celery",
                      "expiration": "700000", "message_id": "m-1", "redelivered": False}
    assert "expiration" not in copy.properties
    for name in ("priority", "message_id", "reply_to", "correlation_id", "content_type",
                 "content_encoding", "delivery_mode"):
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
        running.wait_log("parked at the broker for 2")
        assert info["exchange"] == "celery" and info["routing_key"] == "celery"
        assert info["redelivered"] is False
        assert not [name for name in headers if name.startswith("x-")]
        assert running.stop() == 0
        assert not running.sanitizer_report()


def test_task_is_parked_again_and_again(worker: Callable[..., BaseWorker], amqp: Client,
                                        replies: Replies) -> None:
    running = worker(*HOLD, "-l", "DEBUG")
    tasks = [far(amqp, 7.5, reply_to=replies.queue) for _ in range(50)]
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
    amqp.declare("celeriac.delay.2")  # with other arguments than ours
    running = worker(*HOLD)
    tasks = [far(amqp, 2.5, reply_to=replies.queue) for _ in range(20)]
    running.wait_log("Tasks that are due later than worker_eta_hold are held here")
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
    worker("--set", "worker_eta_task_limit=10", "--prefetch-multiplier", "2")
    for _ in range(30):
        far(amqp, 200)
    amqp.wait_ready("celery", 20)
    time.sleep(0.3)
    assert amqp.counts("celery")[0] == 20
