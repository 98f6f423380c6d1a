#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records task messages that Celery sends, through a throwaway RabbitMQ, into messages/*.json.

Run with Debian's python3; what was recorded before is replaced. Each file holds one message as it came off the wire
(the body in hex) and what this script asked Celery to send, which is what a reader must find in it.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import amqp  # noqa: E402
import celery  # noqa: E402
from celery import Celery, chain, group  # noqa: E402

from support.amqp import Client  # noqa: E402
from support.client import celery_client  # noqa: E402
from support.rabbitmq import RabbitMQ  # noqa: E402

QUEUE = "vectors"
NAIVE = datetime(2030, 1, 1, 12)
AWARE = datetime(2030, 1, 1, 12, 0, 0, 500, timezone(timedelta(hours=2)))
NOON_USEC = 1893499200000000
COMPRESSIONS = {"zlib": "application/x-gzip", "bzip2": "application/x-bz2",
                "lzma": "application/x-lzma", "brotli": "application/x-brotli",
                "zstd": "application/zstd"}
# Python's own spelling of a body is part of what is recorded, so the numbers include all that JSON does not have.
NUMBERS = [0, -1, 5, 5.0, 1e300, 1e-7, 0.1, float("nan"), float("inf"), float("-inf"), 2 ** 63,
           2 ** 64 - 1, 2 ** 64, -(2 ** 63) - 1, 2 ** 70]
TEXTS = ["", "plain", "quote \" backslash \\ slash /", "\b\f\n\r\t\0\x1f\x7f", "é€😀", "\ud83d"]


class Recorder:
    """Sends with Celery, takes the message from the queue and writes it down."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._raw = Client(url)
        self._raw.declare(QUEUE)
        self.count = 0

    def app(self, serializer: str = "json", **settings: Any) -> Celery:
        """A client with these settings."""
        return celery_client(self._url, serializer=serializer, task_default_queue=QUEUE, **settings)

    def record(self, name: str, send: Callable[[], Any], **expected: Any) -> None:
        """Write down the first message that send() sends; expected is what is in it."""
        send()
        message = self._raw.wait_message(QUEUE)
        while self._raw.get(QUEUE):
            pass
        document = {"sender": f"celery {celery.__version__}", "properties": self._properties(message),
                    "headers": message.headers, "body": self._body(message).hex(),
                    "expected": expected}
        text = json.dumps(document, indent=1) + "\n"
        (HERE / "messages" / f"{name}.json").write_text(text, encoding="ascii")
        self.count += 1

    @staticmethod
    def _body(message: amqp.Message) -> bytes:
        body = message.body
        return body.encode() if isinstance(body, str) else bytes(body)

    @staticmethod
    def _properties(message: amqp.Message) -> dict[str, Any]:
        return {key: value for key, value in message.properties.items()
                if key != "application_headers"}


def record_calls(recorder: Recorder, protocol: int, serializer: str) -> None:
    """What each protocol and serializer must carry."""
    prefix = f"v{protocol}_{serializer}"
    app = recorder.app(serializer, task_protocol=protocol)
    common = {"protocol": protocol, "task": "tests.add", "id": "id-1"}

    def send(args: list[Any] | None = None, kwargs: dict[str, Any] | None = None,
             **options: Any) -> Callable[[], Any]:
        return lambda: app.send_task("tests.add", args, kwargs, task_id="id-1", **options)

    def record(name: str, options: dict[str, Any], args: list[Any] | None = None,
               kwargs: dict[str, Any] | None = None, **expected: Any) -> None:
        recorder.record(f"{prefix}_{name}", send(args, kwargs, **options), **common,
                        args_json=json.dumps(args or []), kwargs_json=json.dumps(kwargs or {}),
                        **expected)

    record("plain", {}, [2, 3])
    record("empty", {})
    record("kwargs", {}, [], {"x": [1, {"y": None}], "é": True})
    record("eta_naive", {"eta": NAIVE}, [1], eta=NOON_USEC)
    record("eta_aware", {"eta": AWARE}, [1], eta=NOON_USEC - 2 * 3600 * 10 ** 6 + 500)
    record("expires", {"expires": NAIVE}, [1], expires=NOON_USEC)
    record("limits", {"time_limit": 30, "soft_time_limit": 12.5}, [1], hard=30, soft=12.5)
    record("retries", {"retries": 2}, [1], retries=2)
    record("group", {"group_id": "group-1"}, [1], group="group-1")
    record("priority", {"priority": 7}, [1])
    record("links", {"link": app.signature("tests.callback", (1,)),
                     "link_error": app.signature("tests.errback")}, [1],
           callbacks=["tests.callback"], errbacks=["tests.errback"])
    record("chord", {"group_id": "group-1", "chord": app.signature("tests.body")}, [1],
           group="group-1", chord="tests.body")
    if serializer == "json":
        record("numbers", {}, NUMBERS)
        record("texts", {}, TEXTS)
    else:
        recorder.record(f"{prefix}_bytes", send([2, b"ab", b"\xff\xfe"]), **common,
                        args_json='[2, {"__type__": "bytes", "__value__": "ab"}, '
                                  '{"__type__": "base64", "__value__": "//4="}]',
                        kwargs_json="{}")
    if protocol == 2:
        record("names", {"shadow": "tests.shadow", "root_id": "root-1", "parent_id": "parent-1",
                         "headers": {"mine": [1, "two"]}}, [1],
               shadow="tests.shadow", root_id="root-1", parent_id="parent-1")
        record("ignored", {"ignore_result": True}, [1])
    for alias, header in COMPRESSIONS.items():
        expected = {"compression": header} if protocol == 2 else {}
        record(f"compressed_{alias}", {"compression": alias}, ["celery " * 100, 1], **expected)


def record_canvas(recorder: Recorder) -> None:
    """Workflows, whose shape only the first message shows."""
    app = recorder.app()
    add = app.signature("tests.add", (1, 2)).set(task_id="id-1")
    rest = [app.signature("tests.second"), app.signature("tests.third")]
    common = {"task": "tests.add", "id": "id-1", "args_json": "[1, 2]", "kwargs_json": "{}"}
    recorder.record("canvas_chain", lambda: chain(add, *rest, app=app).apply_async(), **common,
                    protocol=2, chain=["tests.third", "tests.second"])
    recorder.record("canvas_group", lambda: group(add, *rest, app=app).apply_async(task_id="group-1"),
                    **common, protocol=2, group="group-1")
    v1 = recorder.app(task_protocol=1)
    linked = v1.signature("tests.add", (1, 2)).set(task_id="id-1")
    linked.link(v1.signature("tests.second"))
    recorder.record("canvas_v1_linked", linked.apply_async, **common, protocol=1,
                    callbacks=["tests.second"])


def main() -> None:
    """Record everything anew."""
    for old in (HERE / "messages").glob("*.json"):
        old.unlink()
    with RabbitMQ() as node:
        recorder = Recorder(node.url)
        for protocol in (1, 2):
            for serializer in ("json", "msgpack"):
                record_calls(recorder, protocol, serializer)
        record_canvas(recorder)
    print(f"{recorder.count} messages recorded")


if __name__ == "__main__":
    main()
