# SPDX-License-Identifier: BSD-3-Clause
"""The fixtures of all pytest folders: servers, a fresh virtual host a test, workers, clients."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from celery import Celery

from support import worker as workers
from support.amqp import Client
from support.client import celery_client
from support.process import leave_on_signals
from support.rabbitmq import RabbitMQ
from support.redis import Redis

TEST_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Several runs may share the files of one."""
    parser.addoption("--shard", metavar="K/N", default="0/1",
                     help="only every N-th file, from the K-th on (from 0)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the files of this shard."""
    shard, shards = map(int, config.getoption("--shard").split("/"))
    files = {path: number for number, path in enumerate(dict.fromkeys(i.path for i in items))}
    items[:] = [item for item in items if files[item.path] % shards == shard]


def pytest_configure() -> None:
    """A test run that is told to end ends its servers too."""
    leave_on_signals()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A node shared by all tests; one that stops or fills it takes own_rabbitmq."""
    with RabbitMQ() as node:
        yield node


@pytest.fixture
def own_rabbitmq() -> Iterator[RabbitMQ]:
    """A node for one test, to kill, stop, fill and restart."""
    with RabbitMQ() as node:
        yield node


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis shared by all tests."""
    with Redis() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis for one test."""
    with Redis() as server:
        yield server


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> str:
    """A virtual host that no other test sees."""
    return rabbitmq.new_vhost()


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ, vhost: str) -> str:
    """The URL of this test's virtual host."""
    return rabbitmq.url_of(vhost)


@pytest.fixture
def amqp(broker_url: str) -> Iterator[Client]:
    """A raw AMQP client on this test's virtual host."""
    with Client(broker_url) as client:
        yield client


@pytest.fixture
def client(broker_url: str) -> Iterator[Celery]:
    """A Celery client with JSON and rpc results."""
    with celery_client(broker_url) as app:
        yield app


@pytest.fixture
def msgpack_client(broker_url: str) -> Iterator[Celery]:
    """A Celery client with msgpack and rpc results."""
    with celery_client(broker_url, serializer="msgpack") as app:
        yield app


def _end(started: list[workers.BaseWorker], failed: bool) -> None:
    """Stop the workers of a test; show their logs if it has failed."""
    try:
        for worker in started:
            if worker.running():
                worker.stop()
        for worker in started:
            if failed:
                print(f"--- log of {' '.join(worker.argv)}\n{worker.read_log()}")
            assert not worker.sanitizer_report(), worker.sanitizer_report()
    finally:
        for worker in started:
            worker.close()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Lets a fixture know at its end whether the test has failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[TEST_FAILED] = report.failed


@pytest.fixture
def worker(request: pytest.FixtureRequest,
           broker_url: str) -> Iterator[Callable[..., workers.Worker]]:
    """Start celeriac: worker("-l", "DEBUG", concurrency=1) gives one that is ready.

    url= names another broker; ready=False returns before it is ready. At the end each is
    stopped, and a sanitizer's report in its log fails the test.
    """
    started: list[workers.BaseWorker] = []

    def start(*args: str, url: str = "", ready: bool = True, **options: Any) -> workers.Worker:
        one = workers.Worker(url or broker_url, *args, **options)
        started.append(one)
        return one.start() if ready else one.launch()

    yield start
    _end(started, request.node.stash.get(TEST_FAILED, True))


@pytest.fixture
def celery_worker(request: pytest.FixtureRequest,
                  broker_url: str) -> Iterator[Callable[..., workers.CeleryWorker]]:
    """Start Debian's Celery with the same task names; the arguments are those of worker."""
    started: list[workers.BaseWorker] = []

    def start(*args: str, url: str = "", ready: bool = True,
              **options: Any) -> workers.CeleryWorker:
        one = workers.CeleryWorker(url or broker_url, *args, **options)
        started.append(one)
        return one.start() if ready else one.launch()

    yield start
    _end(started, request.node.stash.get(TEST_FAILED, True))
