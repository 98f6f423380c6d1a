# SPDX-License-Identifier: BSD-3-Clause
"""Queues as an operator sets them up, and reply queues as a client sees them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import amqp
import msgpack

from support.amqp import Client
from support.process import wait_until
from support.rabbitmq import RabbitMQ

GRAVEYARD = "graveyard"


def dead_letter(rabbitmq: RabbitMQ, vhost: str, client: Client, **more: Any) -> None:
    """Give the queue celery a dead-letter queue (and more) by a policy.

    A policy leaves the arguments of the queue as Celery declares them.
    """
    client.declare(GRAVEYARD)
    definition = {"dead-letter-exchange": "", "dead-letter-routing-key": GRAVEYARD} | more
    rabbitmq.ctl("set_policy", "-p", vhost, "dead-letters", "^celery$", json.dumps(definition),
                 "--apply-to", "queues")


def read_document(message: amqp.Message) -> Any:
    """The result document of a reply, by its own content type."""
    if message.properties["content_type"] == "application/x-msgpack":
        return msgpack.unpackb(message.body, raw=False)
    assert message.properties["content_type"] == "application/json"
    return json.loads(message.body)


class Replies:
    """A reply queue on a connection of its own: each result document, and when it came."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)
        self.queue = self._client.declare(f"replies-{uuid.uuid4()}", durable=False)
        self.messages: dict[str, amqp.Message] = {}
        self.times: dict[str, float] = {}
        self.repeated: list[str] = []
        self._client.consume(self.queue, self._arrived)

    def _arrived(self, message: amqp.Message) -> None:
        task_id = message.properties["correlation_id"]
        if task_id in self.messages:
            self.repeated.append(task_id)
        self.messages[task_id] = message
        self.times[task_id] = time.monotonic()

    def drain(self, seconds: float) -> bool:
        """Take what comes next; False if nothing came in time."""
        return self._client.drain(seconds)

    def wait(self, *task_ids: str, seconds: float = 20.0) -> None:
        """Wait until all these have a result."""
        left = set(task_ids)

        def all_arrived() -> bool:
            left.difference_update(self.messages)
            return not left

        self._client.drain_until(all_arrived, seconds, f"result of {len(task_ids)} task(s)")

    def document(self, task_id: str, seconds: float = 20.0) -> Any:
        """The result document of a task, waiting for it."""
        self.wait(task_id, seconds=seconds)
        return read_document(self.messages[task_id])

    def result(self, task_id: str, seconds: float = 20.0) -> Any:
        """The value that a task returned."""
        document = self.document(task_id, seconds)
        assert document["status"] == "SUCCESS", document
        return document["result"]

    def close(self) -> None:
        """Close the connection and delete the queue with it."""
        self._client.channel.queue_delete(self.queue)
        self._client.close()


def buried(client: Client, last: str, seconds: float = 10.0) -> list[amqp.Message]:
    """What was dead-lettered before the message with the id `last`, which is waited for."""
    found: list[amqp.Message] = []

    def is_last() -> bool:
        message = client.get(GRAVEYARD)
        while message is not None:
            if message.properties.get("correlation_id") == last:
                return True
            found.append(message)
            message = client.get(GRAVEYARD)
        return False

    wait_until(is_last, seconds, f"dead letter {last}")
    return found
