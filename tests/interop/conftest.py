# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the interop tests: one worker for a whole file, reply queues, dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator

import pytest
from celery import Celery

from interop.broker import Replies, dead_letter
from interop.settings import REFERENCE
from support.amqp import Client
from support.client import celery_client
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker, CeleryWorker, Worker

ACCEPT_BOTH = ("--set", "accept_content=json,msgpack")


@dataclass
class Shared:
    """A virtual host with one worker that all tests of a file use."""

    url: str
    worker: BaseWorker

    def client(self, serializer: str = "json", **settings: Any) -> Celery:
        """A Celery client; its results are in the same serializer as its tasks or in JSON."""
        return celery_client(self.url, serializer=serializer, **settings)


@pytest.fixture(scope="module")
def shared(rabbitmq: RabbitMQ) -> Iterator[Shared]:
    """A worker for a file, with JSON and msgpack; what it prints at the end is checked too."""
    url = rabbitmq.url_of(rabbitmq.new_vhost())
    worker = CeleryWorker(url) if REFERENCE else Worker(url, *ACCEPT_BOTH)
    with worker:
        yield Shared(url, worker)
        assert worker.running(), worker.read_log()
        assert worker.stop() == 0, worker.read_log()
        assert not worker.sanitizer_report(), worker.read_log()


@pytest.fixture
def shared_amqp(shared: Shared) -> Iterator[Client]:
    """A raw AMQP client on the shared worker's virtual host."""
    with Client(shared.url) as client:
        yield client


@pytest.fixture
def shared_replies(shared: Shared) -> Iterator[Replies]:
    """A reply queue on the shared worker's virtual host."""
    replies = Replies(shared.url)
    yield replies
    replies.close()


@pytest.fixture
def replies(broker_url: str) -> Iterator[Replies]:
    """A reply queue on this test's virtual host."""
    queue = Replies(broker_url)
    yield queue
    queue.close()


@pytest.fixture
def graveyard(rabbitmq: RabbitMQ, vhost: str, amqp: Client) -> None:
    """What the queue celery of this test's virtual host drops, ends in the queue graveyard."""
    dead_letter(rabbitmq, vhost, amqp)


@pytest.fixture
def python_worker(celery_worker: Callable[..., BaseWorker],
                  worker: Callable[..., BaseWorker]) -> Callable[..., BaseWorker]:
    """celeriac, or in a reference run Debian's Celery, which accepts both serializers anyway."""
    def start(*args: str) -> BaseWorker:
        if not REFERENCE:
            return worker(*args)
        assert not args or args == ACCEPT_BOTH
        return celery_worker()
    return start
