# SPDX-License-Identifier: BSD-3-Clause
"""Results in Redis, fetched by stock clients."""

from __future__ import annotations

import json
import signal
from typing import Any, Callable, Iterator

import pytest
from celery import Celery, group

from interop.conftest import ACCEPT_BOTH
from interop.settings import scaled
from support.amqp import Client
from support.client import celery_client
from support.process import wait_until
from support.redis import Redis
from support.worker import BaseWorker


@pytest.fixture(params=["json", "msgpack"])
def serializer(request: pytest.FixtureRequest) -> str:
    """Of results."""
    return str(request.param)


@pytest.fixture
def redis_client(broker_url: str, redis: Redis) -> Iterator[Celery]:
    """A Celery client that looks for results in Redis."""
    with celery_client(broker_url, redis.url) as app:
        yield app


def test_results_states_and_groups(worker: Callable[..., BaseWorker], broker_url: str,
                                   redis: Redis, serializer: str) -> None:
    worker("--set", f"result_serializer={serializer}", *ACCEPT_BOTH, backend=redis.url)
    with celery_client(broker_url, redis.url, serializer) as app:
        added = app.send_task("example.add", (2, 3))
        assert added.get(timeout=10) == 5
        assert added.state == "SUCCESS"
        failed = app.send_task("example.fail", ("bad thing",))
        with pytest.raises(ValueError, match="bad thing"):
            failed.get(timeout=10)
        assert failed.state == "FAILURE"
        many = group(app.signature("example.add", (i, i)) for i in range(50)).apply_async()
        assert many.get(timeout=10) == [2 * i for i in range(50)]


def test_keys_are_celerys(worker: Callable[..., BaseWorker], redis_client: Celery,
                          redis: Redis) -> None:
    running = worker("--set", "result_expires=100", backend=redis.url)
    result = redis_client.send_task("example.add", (2, 3))
    assert result.get(timeout=10) == 5
    with redis.client() as look:
        key = f"celery-task-meta-{result.id}"
        assert 90 < look.ttl(key) <= 100
        document = json.loads(look.get(key))
    assert document.pop("date_done")
    assert document == {"status": "SUCCESS", "result": 5, "traceback": None, "children": [],
                        "task_id": result.id}
    assert f".> results:     {redis.url}" in running.read_log()


def test_prefix_of_keys(worker: Callable[..., BaseWorker], broker_url: str, redis: Redis) -> None:
    options = {"global_keyprefix": "mine"}
    worker("--set", "result_backend_transport_options=" + json.dumps(options), "--set",
           "result_expires=None", backend=redis.url)
    with celery_client(broker_url, redis.url) as app:
        result = app.send_task("example.add", (2, 3))
        with redis.client() as look:
            key = f"mine_celery-task-meta-{result.id}"
            wait_until(lambda: look.get(key), 10, "the key with its prefix")
            assert look.ttl(key) == -1


def test_password_is_not_shown(worker: Callable[..., BaseWorker], own_redis: Redis,
                               broker_url: str) -> None:
    with own_redis.client() as look:
        look.config_set("requirepass", "hidden")
    url = own_redis.url.replace("redis://", "redis://:hidden@")
    running = worker(backend=url)
    with celery_client(broker_url, url) as app:
        assert app.send_task("example.add", (2, 3)).get(timeout=10) == 5
    assert ".> results:     redis://:**@127.0.0.1" in running.read_log()
    assert "hidden" not in running.read_log()


def test_refused_prefix_options_end_the_worker(worker: Callable[..., BaseWorker],
                                               redis: Redis) -> None:
    running = worker("--set", "result_backend_transport_options=x", backend=redis.url, ready=False)
    assert running.wait(10) == 2
    assert "global_keyprefix" in running.read_log()


@pytest.mark.timeout(300)
def test_results_survive_restarts_of_redis(worker: Callable[..., BaseWorker], amqp: Client,
                                           own_redis: Redis) -> None:
    running = worker(backend=own_redis.url)
    amqp.declare_task_queue()
    count = scaled(5000)
    ids = []
    for number in range(count):
        ids.append(amqp.send_task("example.add", (number, 1)))
        if number in (count // 3, 2 * count // 3):
            own_redis.restart()
    with own_redis.client() as look:
        wait_until(lambda: look.dbsize() == count, 120, "all results")
        found = look.mget([f"celery-task-meta-{one}" for one in ids])
    assert [json.loads(one)["result"] for one in found] == [i + 1 for i in range(count)]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_ack_waits_for_the_result(worker: Callable[..., BaseWorker], amqp: Client,
                                  own_redis: Redis) -> None:
    running = worker(backend=own_redis.url)
    amqp.declare_task_queue()
    own_redis.stop()
    one = amqp.send_task("example.add", (2, 3))
    running.wait_log("Redis")
    wait_until(lambda: amqp.counts("celery")[0] == 0, 10, "the task to be delivered")
    assert running.stop(30) == 0
    amqp.wait_ready("celery", 1)
    own_redis.start()
    worker(backend=own_redis.url)
    with own_redis.client() as look:
        wait_until(lambda: look.get(f"celery-task-meta-{one}"), 20, "the result")


def test_hanging_redis_is_given_up(worker: Callable[..., BaseWorker], own_redis: Redis,
                                   broker_url: str) -> None:

    running = worker("--set", "redis_socket_timeout=1", backend=own_redis.url)
    with celery_client(broker_url, own_redis.url) as app:
        assert app.send_task("example.add", (1, 1)).get(timeout=10) == 2
        own_redis.signal(signal.SIGSTOP)
        sent: list[Any] = [app.send_task("example.add", (i, i)) for i in range(10)]
        running.wait_log("Redis")
        own_redis.signal(signal.SIGCONT)
        assert [one.get(timeout=20) for one in sent] == [2 * i for i in range(10)]
