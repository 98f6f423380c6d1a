# SPDX-License-Identifier: BSD-3-Clause
"""A broker that blocks publishers under its memory alarm, while tasks keep coming."""

from __future__ import annotations

import re
import threading
from typing import Callable

from interop.broker import Replies
from interop.settings import scaled
from support.amqp import Client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker

TASKS = scaled(1000)
HEARTBEAT = 1
# More than the two missed heartbeats after which either side gives a connection up.
ALARM_SECONDS = 4 * HEARTBEAT


def _flood(client: Client, queue: str, sent: list[str], first_half: threading.Event) -> None:
    for number in range(TASKS):
        sent.append(client.send_task("example.add", (number, 1), reply_to=queue))
        if number == TASKS // 2:
            first_half.set()


def _connections(rabbitmq: RabbitMQ) -> set[str]:
    lines = rabbitmq.ctl("list_connections", "--no-table-headers", "client_properties", "name")
    return {line.rsplit("\t", 1)[1] for line in lines.splitlines() if "celeriac" in line}


def test_flood_during_the_memory_alarm(own_rabbitmq: RabbitMQ,
                                       worker: Callable[..., BaseWorker]) -> None:
    running = worker("--set", f"broker_heartbeat={HEARTBEAT}", url=own_rabbitmq.url)
    replies = Replies(own_rabbitmq.url)
    sent: list[str] = []
    half_sent = threading.Event()
    with Client(own_rabbitmq.url, 40) as client:
        flood = threading.Thread(target=_flood, args=(client, replies.queue, sent, half_sent))
        before = _connections(own_rabbitmq)
        assert len(before) == 2
        flood.start()
        assert half_sent.wait(20)
        own_rabbitmq.set_memory_alarm(True)
        try:
            running.wait_log("resource alarm and blocks publishers")
            # The alarm lasts through several heartbeats; whoever is not alive then is cut off.
            deadline = threading.Event()
            deadline.wait(ALARM_SECONDS)
            assert running.running()
        finally:
            own_rabbitmq.set_memory_alarm(False)
        flood.join(30)
        assert not flood.is_alive()
        replies.wait(*sent, seconds=30)
        assert [replies.result(one) for one in sent] == list(range(1, TASKS + 1))
        assert not replies.repeated
        running.wait_log("resource alarm is over")
        assert _connections(own_rabbitmq) == before, "a connection was lost"
        assert not re.search("Connection to broker lost|Cannot connect", running.read_log())
        wait_until(lambda: client.counts("celery")[0] == 0, 5, "empty queue")
    replies.close()
    assert running.stop() == 0
