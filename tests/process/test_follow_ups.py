# SPDX-License-Identifier: BSD-3-Clause
"""What the main process does with what tasks send: messages, states, chords, in their order."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from faults.proxy import Proxy
from interop.broker import GRAVEYARD
from process.test_records import Site, graveyard, replies, site
from support.amqp import Client
from support.rabbitmq import RabbitMQ
from support.redis import Redis

__all__ = ["graveyard", "replies", "site"]
NO_NEW_QUEUES = ("--set", "task_create_missing_queues=false", "-Q", "celery")
OUT = "out"


def publish(data: str = "%d", count: int = 1, **message: Any) -> list[Any]:
    """PUBLISH so many times; `%d` in the body counts."""
    return [count, ["publish", {"headers": {"task": "other"}, **message}, data]]


def store(task_id: str, state: str, document: str) -> list[Any]:
    """STORE."""
    return [1, ["store", task_id, state, document]]


def begin(group: str, size: int) -> list[Any]:
    """CHORD."""
    return [1, ["chord", group, size, ""]]


def ends(state: str, *frames: list[Any], **more: Any) -> dict[str, Any]:
    """A fate."""
    return {"state": state, "send": list(frames), **more}


def bodies(client: Client, queue: str, count: int) -> list[str]:
    """The next messages of a queue."""
    found = [client.wait_message(queue).body for _ in range(count)]
    return [body.decode() if isinstance(body, bytes) else body for body in found]


def numbers(count: int) -> list[str]:
    """The bodies that `%d` makes."""
    return [str(number) for number in range(count)]


# ---- messages ----


def test_messages_leave_in_their_order(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    site.send("plain", ends("SUCCESS", publish(count=500, queue=OUT)))
    assert bodies(amqp, OUT, 500) == numbers(500)
    site.wait_settled(running)


def test_message_is_sent_as_the_task_says(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    site.send("plain", ends("SUCCESS", publish(
        "äö", queue=OUT, content_type="text/plain", content_encoding="utf-8",
        correlation_id="c", reply_to="r", expiration="60000", priority=3, delivery_mode=1,
        headers={"task": "other", "eta": None, "retries": 2})))
    message = amqp.wait_message(OUT)
    assert message.body in ("äö", "äö".encode())
    headers = message.properties.pop("application_headers")
    assert headers == {"task": "other", "eta": None, "retries": 2}
    assert message.properties.pop("message_id")
    assert message.properties == {
        "content_type": "text/plain", "content_encoding": "utf-8", "correlation_id": "c",
        "reply_to": "r", "expiration": "60000", "priority": 3, "delivery_mode": 1}
    site.wait_settled(running)


@pytest.mark.parametrize("message, queue", [
    ({"headers": {"task": "feed.news"}}, "feeds"),
    ({"headers": {"task": "image"}}, "images"),
    ({"headers": {"task": "celery.map"}, "route": "feed.news"}, "feeds"),
    ({"headers": {"task": "another"}}, "rest"),
    ({"headers": {"task": "feed.news"}, "exchange": "", "routing_key": OUT}, OUT),
    ({"headers": {"task": "feed.news"}, "queue": OUT}, OUT),
])
def test_messages_are_routed(message: dict[str, Any], queue: str, site: Site,
                             amqp: Client) -> None:
    running = site.worker("-Q", "celery", "--set", "task_routes=feed.*=feeds, image=images",
                          "--set", "task_default_queue=rest", concurrency=1)
    for name in ("feeds", "images", "rest", OUT):
        amqp.declare(name)
    site.send("plain", ends("SUCCESS", publish("body", **message)))
    assert bodies(amqp, queue, 1) == ["body"]
    site.wait_settled(running)


def test_message_that_nobody_gets_is_told(site: Site, amqp: Client) -> None:
    running = site.worker(*NO_NEW_QUEUES, concurrency=1)
    amqp.declare(OUT)
    amqp.channel.queue_bind(OUT, "amq.direct", OUT)
    one = site.send("plain", ends("SUCCESS", publish(queue="nowhere"),
                                  publish(exchange="amq.direct", routing_key=OUT)))
    running.wait_log(rf"ERROR/MainProcess\] Task plain\[{one}\]: a message that it sent was not "
                     "taken by the broker")
    assert bodies(amqp, OUT, 1) == ["0"]
    site.wait_settled(running)


@pytest.mark.parametrize("queue, dead", [(OUT, 0), ("nowhere", 1)])
def test_retry_that_cannot_be_sent_is_rejected(queue: str, dead: int, graveyard: None, site: Site,
                                               amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    amqp.channel.queue_bind(OUT, "amq.direct", OUT)
    one = site.send("plain", ends("RETRY", publish(exchange="amq.direct", routing_key=queue)))
    site.wait_runs(one)
    site.wait_settled(running)
    assert amqp.counts(GRAVEYARD)[0] == dead
    assert amqp.counts(OUT)[0] == 1 - dead


def test_task_that_sends_a_lot_is_held_up_and_loses_nothing(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    padding = "x" * 100_000
    site.send("plain", ends("SUCCESS", publish("%d;" + padding, count=200, queue=OUT)))
    found = [body.partition(";")[0] for body in bodies(amqp, OUT, 200)]
    assert found == numbers(200)
    site.wait_settled(running)


def test_what_a_lost_process_has_sent_is_sent(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    one = site.send("plain", ends("SUCCESS", publish(queue=OUT), die=True, first=True))
    site.wait_runs(one, 2)
    site.wait_settled(running)
    assert amqp.counts(OUT)[0] == 1
    assert "lost its process (loss 1 of 3)" in running.read_log()


def test_messages_outlive_the_connection(rabbitmq: RabbitMQ, site: Site, amqp: Client,
                                         broker_url: str) -> None:
    with Proxy(rabbitmq.port) as proxy:
        running = site.worker(concurrency=1, url=proxy.url(broker_url))
        amqp.declare(OUT)
        one = site.send("plain", ends("SUCCESS", publish(count=100, queue=OUT), wait=True))
        site.wait_runs(one)
        proxy.shut()
        proxy.cut()
        running.wait_log("Connection to broker lost")
        assert amqp.counts(OUT)[0] == 0
        site.let_go()
        proxy.open()
        assert bodies(amqp, OUT, 100) == numbers(100)
        running.wait_log(rf"\[{one}\] was redelivered: attached to its run")
        site.wait_settled(running)
    assert site.runs(one) == 1


def test_warm_stop_sends_everything(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    site.wait_runs(site.send("plain", ends("SUCCESS", publish(count=300, queue=OUT), wait=True)))
    running.signal(signal.SIGTERM)
    running.wait_log("Warm shutdown")
    site.let_go()
    assert running.wait(20) == 0
    assert bodies(amqp, OUT, 300) == numbers(300)
    assert amqp.counts("celery")[0] == 0


def test_cold_stop_sends_what_has_come(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    amqp.declare(OUT)
    one = site.send("plain", ends("SUCCESS", publish(count=10, queue=OUT), hang=True))
    site.wait_runs(one)
    assert bodies(amqp, OUT, 10) == numbers(10)
    running.signal(signal.SIGQUIT)
    assert running.wait(20) == 0
    amqp.wait_ready("celery", 1)


# ---- states ----


def document(state: str, result: Any = None) -> str:
    """A result document."""
    return json.dumps({"status": state, "result": result})


def test_states_are_stored_in_their_order(site: Site, amqp: Client, redis: Redis) -> None:
    running = site.worker(concurrency=1, leaves="", backend=redis.url)
    amqp.declare(OUT)
    with redis.client() as look, look.pubsub() as heard:
        heard.psubscribe("celery-task-meta-state-*")
        heard.get_message(timeout=5)
        frames = [store("state-a", "PROGRESS", document("PROGRESS", number)) for number in range(50)]
        site.send("plain", ends("SUCCESS", *frames, publish(queue=OUT),
                                store("state-b", "FAILURE", document("FAILURE"))))
        told: list[Any] = []
        while len(told) < 51:
            message = heard.get_message(timeout=10)
            assert message is not None
            told.append(json.loads(message["data"]))
    assert [one["result"] for one in told[:50]] == list(range(50))
    assert told[50]["status"] == "FAILURE"
    assert bodies(amqp, OUT, 1) == ["0"]
    site.wait_settled(running)


def test_retry_that_cannot_be_sent_is_not_stored(graveyard: None, site: Site, amqp: Client,
                                                 redis: Redis) -> None:
    running = site.worker(*NO_NEW_QUEUES, concurrency=1, leaves="", backend=redis.url)
    site.send("plain", ends("RETRY", publish(queue="nowhere"),
                            store("never", "RETRY", document("RETRY"))))
    amqp.wait_message(GRAVEYARD)
    with redis.client() as look:
        assert not look.exists("celery-task-meta-never")
    site.wait_settled(running)


# ---- chords ----


def part(group: str, index: int, member: str, *frames: list[Any]) -> dict[str, Any]:
    """The fate of a part of a chord."""
    return ends("SUCCESS", *frames, chord={"group": group, "index": index, "member": member})


@pytest.mark.parametrize("ending, kept", [
    ([publish("the body", queue=OUT)], 0),
    ([store("body", "FAILURE", document("FAILURE"))], 2),
], ids=["body is sent", "body is failed"])
def test_last_part_ends_the_chord(ending: list[Any], kept: int, site: Site, amqp: Client,
                                  redis: Redis) -> None:
    running = site.worker(concurrency=1, leaves="", backend=redis.url)
    amqp.declare(OUT)
    with redis.client() as look:
        look.flushall()
        first = site.send("plain", part("g", 1, "one", begin("g", 2)), ending=ending)
        last = site.send("plain", part("g", 0, "zero"), ending=ending)
        record = site.wait_record(last)
        assert record == {"event": "chord", "members": ["zero", "one"]}
        site.wait_settled(running)
        assert not site.records(first)
        assert len(look.keys("celery-taskset-meta-g.*")) == kept
    assert amqp.counts(OUT)[0] == (0 if kept else 1)


def test_body_that_cannot_be_sent_is_failed(site: Site, redis: Redis) -> None:
    running = site.worker(*NO_NEW_QUEUES, concurrency=1, leaves="", backend=redis.url)
    ending = [publish("the body", queue="nowhere")]
    with redis.client() as look:
        look.flushall()
        one = site.send("plain", part("g", 0, "zero", begin("g", 1)), ending=ending)
        site.wait_record(one, 2)
        site.wait_settled(running)
        told = [request["record"] for request in site.records(one)]
        assert told[0]["members"] == ["zero"]
        assert told[1]["error"].startswith("Callback error")
        assert len(told) == 2
        assert len(look.keys("celery-taskset-meta-g.*")) == 2


def test_chord_is_ended_during_a_warm_stop(site: Site, amqp: Client, redis: Redis) -> None:
    running = site.worker(concurrency=1, leaves="", backend=redis.url)
    amqp.declare(OUT)
    one = site.send("plain", {**part("stop", 0, "zero", begin("stop", 1)), "wait": True},
                    ending=[publish("the body", queue=OUT)])
    site.wait_runs(one)
    running.signal(signal.SIGTERM)
    running.wait_log("Warm shutdown")
    site.let_go()
    assert running.wait(20) == 0
    assert bodies(amqp, OUT, 1) == ["the body"]
    assert amqp.counts("celery")[0] == 0


def test_record_of_a_chord_is_tried_again(site: Site, amqp: Client, redis: Redis) -> None:
    running = site.worker(concurrency=1, leaves="", backend=redis.url)
    amqp.declare(OUT)
    one = site.send("plain", part("again", 0, "zero", begin("again", 1)),
                    ending=[publish("the body", queue=OUT)], records=["die", "fail"])
    site.wait_record(one, 3)
    site.wait_settled(running)
    assert running.read_log().count("the end of its chord could not be recorded and is tried") == 2
    assert amqp.counts(OUT)[0] >= 1


def test_part_without_chords_in_the_backend_is_no_trouble(site: Site) -> None:
    running = site.worker(concurrency=1, leaves="")
    one = site.send("plain", part("g", 0, "zero"))
    site.wait_runs(one)
    site.wait_settled(running)
    assert not site.records(one)
    assert "ERROR" not in running.read_log()
