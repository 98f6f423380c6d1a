# SPDX-License-Identifier: BSD-3-Clause
"""Raw AMQP for tests: what a Celery client never lets one send, and what it never shows."""

from __future__ import annotations

import json
import socket
import time
import uuid
from types import TracebackType
from typing import Any, Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

import amqp

from support.process import Timeout, wait_until


def task_headers(task: str, task_id: str, **changes: Any) -> dict[str, Any]:
    """The headers of a protocol 2 task message."""
    return {
        "lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None,
        "group": None, "shadow": None, "eta": None, "expires": None, "retries": 0,
        "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}",
        "origin": "tests@localhost", "ignore_result": False,
    } | changes


def task_message(task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
                 task_id: str | None = None, reply_to: str = "",
                 **headers: Any) -> amqp.Message:
    """A protocol 2 task message with a JSON body; more headers as keywords."""
    task_id = task_id or str(uuid.uuid4())
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    properties = {"reply_to": reply_to} if reply_to else {}
    return amqp.Message(
        json.dumps([list(args), dict(kwargs or {}), embed]), correlation_id=task_id,
        content_type="application/json", content_encoding="utf-8", delivery_mode=2, priority=0,
        application_headers=task_headers(task, task_id, **headers), **properties)


class Client:
    """One connection with one channel; every call has a deadline."""

    def __init__(self, url: str, seconds: float = 10.0) -> None:
        parts = urlsplit(url)
        self._connection = amqp.Connection(
            f"{parts.hostname}:{parts.port}", userid=parts.username, password=parts.password,
            virtual_host=unquote(parts.path[1:]) or "/", connect_timeout=seconds,
            read_timeout=seconds, write_timeout=seconds)
        self._connection.connect()
        self.channel = self._connection.channel()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a broken one is no error."""
        try:
            self._connection.close()
        except (OSError, amqp.exceptions.AMQPError):
            self._connection.collect()

    def declare(self, queue: str = "", durable: bool = True, exclusive: bool = False,
                arguments: Mapping[str, Any] | None = None) -> str:
        """Declare a queue that outlives us, and return its name (the broker's if empty)."""
        answer = self.channel.queue_declare(queue, durable=durable, exclusive=exclusive,
                                            auto_delete=False, arguments=dict(arguments or {}))
        return str(answer.queue)

    def declare_task_queue(self, queue: str = "celery") -> None:
        """Declare a queue with its exchange and binding, exactly as Celery does."""
        self.channel.exchange_declare(queue, "direct", durable=True, auto_delete=False)
        self.declare(queue)
        self.channel.queue_bind(queue, queue, queue)

    def publish(self, message: amqp.Message | str | bytes, queue: str, exchange: str = "") -> None:
        """Publish to a queue (through the default exchange) or to an exchange with a key.

        A text goes out as UTF-8 whatever content_encoding claims.
        """
        if not isinstance(message, amqp.Message):
            message = amqp.Message(message)
        if isinstance(message.body, str):
            message.body = message.body.encode()
        self.channel.basic_publish(message, exchange=exchange, routing_key=queue)

    def send_task(self, task: str, args: Sequence[Any] = (), queue: str = "celery",
                  **options: Any) -> str:
        """Publish a protocol 2 task (see task_message) and return its id."""
        message = task_message(task, args, **options)
        self.publish(message, queue)
        return str(message.properties["correlation_id"])

    def get(self, queue: str, no_ack: bool = True) -> amqp.Message | None:
        """The next message of a queue, or None at once."""
        return self.channel.basic_get(queue, no_ack=no_ack)

    def wait_message(self, queue: str, seconds: float = 10.0) -> amqp.Message:
        """The next message of a queue, waiting for it."""
        return wait_until(lambda: self.get(queue), seconds, f"message in {queue}")

    def counts(self, queue: str) -> tuple[int, int]:
        """A queue's (ready messages, consumers)."""
        answer = self.channel.queue_declare(queue, passive=True)
        return answer.message_count, answer.consumer_count

    def wait_ready(self, queue: str, count: int, seconds: float = 10.0) -> None:
        """Wait until exactly count messages are ready in the queue."""
        wait_until(lambda: self.counts(queue)[0] == count, seconds, f"{count} messages in {queue}")

    def consume(self, queue: str, callback: Callable[[amqp.Message], None]) -> str:
        """Call back for each message (without acks) during drain(); the consumer's tag."""
        return str(self.channel.basic_consume(queue, callback=callback, no_ack=True))

    def drain(self, seconds: float) -> bool:
        """Handle what arrives next; False if nothing arrived in time."""
        try:
            self._connection.drain_events(timeout=max(seconds, 0.0001))
            return True
        except socket.timeout:
            return False

    def drain_until(self, check: Callable[[], bool], seconds: float, what: str) -> None:
        """Handle what arrives until check says enough."""
        deadline = time.monotonic() + seconds
        while not check():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"no {what} within {seconds:g} s")
            self.drain(left)
