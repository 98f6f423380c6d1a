# SPDX-License-Identifier: BSD-3-Clause
"""A broker that comes late, and one that blocks publishers while tasks keep coming."""

from __future__ import annotations

import re
import threading
import time
from typing import Callable, Iterator

import pytest

from interop.broker import Replies
from support.amqp import Client
from support.client import celery_client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker

# Few enough for the socket's buffers: py-amqp's TCP_USER_TIMEOUT of a second costs a client that
# is blocked with full buffers its connection, and what it has sent.
TASKS_DURING_ALARM = 100
TASKS_PER_SECOND = 300  # more than the worker gets done
MESSAGE_MAX = 1024 * 1024
HEARTBEAT = 1
# More than the two missed heartbeats after which either side gives a connection up.
ALARM_SECONDS = 4 * HEARTBEAT


def _seconds(number: int) -> float:
    """So long that a backlog builds up; all different."""
    return 0.01 + number * 1e-7


def _flood(client: Client, queue: str, sent: list[str], alarm: threading.Event) -> None:
    """Tasks at an even pace until the alarm is there, then a heap of them."""
    left = TASKS_DURING_ALARM
    while left > 0:
        sent.append(client.send_task("example.sleep", (_seconds(len(sent)),), reply_to=queue))
        if alarm.is_set():
            left -= 1
        else:
            alarm.wait(1 / TASKS_PER_SECOND)


def _connections(rabbitmq: RabbitMQ) -> set[str]:
    lines = rabbitmq.ctl("list_connections", "--no-table-headers", "client_properties", "name")
    return {line.rsplit("\t", 1)[1] for line in lines.splitlines() if "celeriac" in line}


@pytest.fixture(scope="module")
def late() -> Iterator[RabbitMQ]:
    """A node with a name and ports, which has not been started."""
    node = RabbitMQ(settings={"max_message_size": str(MESSAGE_MAX)})
    yield node
    node.close()


@pytest.fixture(scope="module")
def node(late: RabbitMQ) -> RabbitMQ:
    """The same, running; to be asked for after the test that starts a worker without it."""
    return late.start()


def test_broker_that_comes_late_is_found(late: RabbitMQ, worker: Callable[..., BaseWorker],
                                         request: pytest.FixtureRequest) -> None:
    running = worker(url=late.url, ready=False)
    running.wait_log(r"Trying again in 2\.00 seconds")
    request.getfixturevalue("node")
    running.wait_log(r"ready\.$", 40)
    with celery_client(late.url) as client:
        assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5


def test_flood_during_the_memory_alarm(node: RabbitMQ, worker: Callable[..., BaseWorker]) -> None:
    running = worker("--set", f"broker_heartbeat={HEARTBEAT}", url=node.url)
    replies = Replies(node.url)
    sent: list[str] = []
    with Client(node.url, 40) as client:
        before = _connections(node)
        assert len(before) == 2
        alarm = threading.Event()
        flood = threading.Thread(target=_flood, args=(client, replies.queue, sent, alarm))
        flood.start()
        node.set_memory_alarm(True)
        alarm.set()
        try:
            running.wait_log("resource alarm and blocks publishers")
            began = time.monotonic()
            while replies.drain(0.5):  # what was on its way when the alarm came
                pass
            answered = len(replies.messages)
            # The alarm lasts through several heartbeats; whoever is not alive then is cut off.
            replies.drain(max(0.0, began + ALARM_SECONDS - time.monotonic()))
            assert len(replies.messages) == answered
            assert running.running()
        finally:
            node.set_memory_alarm(False)
        flood.join(30)
        assert not flood.is_alive()
        replies.wait(*sent, seconds=30)
        assert [replies.result(one) for one in sent] == [_seconds(n) for n in range(len(sent))]
        print(f"{len(sent)} tasks, {answered} of them answered before the alarm")
        assert not replies.repeated
        running.wait_log("resource alarm is over")
        assert _connections(node) == before, "a connection was lost"
        assert not re.search("Connection to broker lost|Cannot connect", running.read_log())
        wait_until(lambda: client.counts("celery")[0] == 0, 5, "empty queue")
    replies.close()
    assert running.stop() == 0


def test_result_that_is_too_large_for_the_broker(node: RabbitMQ,
                                                 worker: Callable[..., BaseWorker]) -> None:
    """Six bytes of JSON for two of msgpack: refused with the channel, and not sent again."""
    running = worker("--set", "accept_content=msgpack", url=node.url)
    with celery_client(node.url, serializer="msgpack") as client, Client(node.url) as raw:
        client.send_task("example.echo", ("ü" * (MESSAGE_MAX * 2 // 5),))
        running.wait_log("larger than configured max size")
        for number in range(20):
            assert client.send_task("example.add", (number, 1)).get(timeout=10) == number + 1
        assert running.stop() == 0
        assert raw.counts("celery")[0] == 0
        assert len(re.findall("larger than configured", running.read_log())) <= 2
