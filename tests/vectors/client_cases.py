# SPDX-License-Identifier: BSD-3-Clause
"""Calls that Celery's client and `celeriac call` can both make: by name, send_task's options and the command's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from support.amqp import Client
from support.process import wait_until
from support.wire import read_properties, remember_properties

TASK, ID, QUEUE, TOPIC = "tests.add", "id-1", "vectors", "vectors.topic"
AWARE = datetime(2030, 1, 1, 12, 0, 0, 500, timezone(timedelta(hours=2)))


@dataclass
class Case:
    """One call, spelled twice; `settings` are the sender's."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    args: list[Any] = field(default_factory=lambda: [2, 3])
    kwargs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    # argsrepr, which only logs show, is cut at another place, and is one line of printable text.
    other_argsrepr: bool = False

    def command(self) -> list[str]:
        """What stands behind `celeriac -b URL`."""
        all_settings = {"task_default_queue": QUEUE, **self.settings}
        settings = [word for item in all_settings.items() for word in ("--set", "=".join(item))]
        return ["call", TASK, "--task-id", ID, "--args", json.dumps(self.args), "--kwargs",
                json.dumps(self.kwargs), *settings, *self.argv]


def both(name: str, value: Any, case: str = "", **more: Any) -> Case:
    """An option that has the same name and value on both sides."""
    return Case(case or name, {name: value}, ("--" + name.replace("_", "-"), str(value)), **more)


TEXTS = ["", "quote \" backslash \\", "é€😀"]
NUMBERS = [0, -1, 5.0, 1e300, 1e-7, 0.1, 2 ** 31, -(2 ** 31) - 1, 2 ** 64, 2 ** 70, True, None]

CASES = [
    Case("plain"),
    Case("empty", args=[]),
    Case("texts", args=[TEXTS, *TEXTS], kwargs={"é": {"k": [1, {"y": None}]}}),
    Case("controls", args=["\b\f\n\r\t\x1f\x7f"], other_argsrepr=True),
    Case("numbers", args=NUMBERS),
    Case("long", args=["x" * 3000, list(range(500))], other_argsrepr=True),
    Case("default_queue", settings={"task_default_queue": "vectors.default"}),
    Case("priorities", {"priority": 7}, ("--priority", "7"),
         settings={"task_queue_max_priority": "9"}),
    both("queue", "vectors.other"),
    both("serializer", "msgpack", "msgpack", args=[2, {"é": [1.5, None, True, -1, 2 ** 40, "t"]}]),
    both("serializer", "msgpack", "msgpack_large", args=["x" * 40000],
         other_argsrepr=True),
    both("compression", "zlib", "zlib", args=["celery " * 100]),
    both("compression", "bzip2", "bzip2", args=["celery " * 100]),
    both("compression", "lzma", "lzma", args=["celery " * 100]),
    both("priority", 7),
    both("countdown", 10),
    both("expires", 60),
    Case("expires_at", {"expires": AWARE}, ("--expires", AWARE.isoformat())),
    Case("eta", {"eta": AWARE}, ("--eta", AWARE.isoformat())),
    both("time_limit", 30),
    both("soft_time_limit", 12.5),
    both("shadow", "tests.shadow"),
    Case("ignore_result", {"ignore_result": True}, ("--ignore-result",)),
    Case("headers", {"headers": {"mine": [1, "two", None, 2.5, {"x": False}], "far": 2 ** 40}},
         ("--headers", json.dumps({"mine": [1, "two", None, 2.5, {"x": False}], "far": 2 ** 40}))),
    Case("exchange", {"exchange": TOPIC, "routing_key": "a.b"},
         ("--exchange", TOPIC, "--routing-key", "a.b")),
    both("routing_key", "ignored.with.a.direct.exchange", "half_key"),
    both("exchange", "ignored.without.a.key", "half_exchange"),
    Case("topic", settings={"task_default_exchange": TOPIC, "task_default_exchange_type": "topic",
                            "task_default_routing_key": "k.default"}),
    Case("topic_key", {"routing_key": "k.other"}, ("--routing-key", "k.other"),
         settings={"task_default_exchange": TOPIC, "task_default_exchange_type": "topic"}),
]


def settings_of(case: Case) -> dict[str, Any]:
    """The same for Celery; the default queue is ours."""
    numbers = {name: int(value) if value.isdigit() else value
               for name, value in case.settings.items()}
    return {"task_default_queue": QUEUE, **numbers}


def prepare(client: Client) -> None:
    """What a sender finds: a topic exchange, with a queue behind it that gets everything."""
    remember_properties()
    client.channel.exchange_declare(TOPIC, "topic", durable=True, auto_delete=False)
    client.declare("everything")
    client.channel.queue_bind("everything", TOPIC, "#")


def receive(client: Client, case: Case) -> dict[str, Any]:
    """The message that was sent, wherever it went."""
    queue = (case.options.get("queue") or case.settings.get("task_default_queue") or QUEUE)
    message = wait_until(lambda: client.get(queue) or client.get("everything"), 10.0, "a message")
    body = message.body
    return {"exchange": message.delivery_info["exchange"],
            "routing_key": message.delivery_info["routing_key"],
            "properties": read_properties(message.wire),
            "body": (body.encode() if isinstance(body, str) else bytes(body)).hex()}
