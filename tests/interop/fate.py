# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of one odd message: acknowledged or rejected, what is answered and what is logged.

The worker has one child and a window of one message. So a task behind the odd message is answered
only when that message has been settled, and an unknown task behind both reaches the dead letters
after everything that was rejected before it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

import amqp

from interop.broker import Replies, buried, dead_letter
from support.amqp import Client, task_message
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import Worker

WINDOW_OF_ONE = ("--prefetch-multiplier", "1", "--set", "accept_content=json,msgpack")


@dataclass
class Fate:
    """What became of a message."""

    rejected: bool
    document: Any
    log: str


class Bench:
    """A virtual host with dead letters and a worker that takes one message at a time."""

    def __init__(self, rabbitmq: RabbitMQ) -> None:
        vhost = rabbitmq.new_vhost()
        self.url = rabbitmq.url_of(vhost)
        self.client = Client(self.url, 30)
        self.replies = Replies(self.url)
        dead_letter(rabbitmq, vhost, self.client)
        self.worker = Worker(self.url, *WINDOW_OF_ONE, concurrency=1).start()

    def close(self) -> None:
        """Stop the worker; the queue must be empty and the exit status 0."""
        try:
            assert self.worker.running(), self.worker.read_log()
            assert self.worker.stop() == 0, self.worker.read_log()
            assert self.client.counts("celery")[0] == 0
            assert not self.worker.sanitizer_report(), self.worker.sanitizer_report()
        finally:
            self.replies.close()
            self.client.close()
            self.worker.close()

    def revive(self) -> None:
        """A worker that the last message has ended must not fail the next test, too."""
        if not self.worker.running():
            self.worker.close()
            self.client.channel.queue_purge("celery")
            self.worker = Worker(self.url, *WINDOW_OF_ONE, concurrency=1).start()

    def send(self, message: amqp.Message, log: str = "", seconds: float = 20.0) -> Fate:
        """Publish a message, and return its fate once the worker has gone on to other tasks."""
        mark = len(self.worker.read_log())
        odd = message.properties.setdefault("correlation_id", str(uuid.uuid4()))
        message.properties["reply_to"] = self.replies.queue
        self.client.publish(message, "celery")
        probe = self.client.send_task("example.add", (2, 3), reply_to=self.replies.queue)
        assert self.replies.result(probe, seconds) == 5
        last = task_message("no.such.task")
        self.client.publish(last, "celery")
        dead = buried(self.client, last.properties["correlation_id"], seconds)
        assert [one.properties["correlation_id"] for one in dead] in ([], [odd])

        def read_log() -> str | None:
            text = self.worker.read_log()[mark:]
            return text if re.search(log, text, re.MULTILINE) else None

        text = wait_until(read_log, 2, f"log line like {log!r} in {self.worker.read_log()[mark:]}")
        document = self.replies.document(odd) if odd in self.replies.messages else None
        return Fate(bool(dead), document, text)
