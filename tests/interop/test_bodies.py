# SPDX-License-Identifier: BSD-3-Clause
"""Broken and hostile messages: the AMQP outcome, the result and the log line of celery-wire.md 3.2.

After each of them the same worker runs example.add: Bench.send sees to that.
"""

from __future__ import annotations

import bz2
import itertools
import json
import lzma
import os
import pickle
import zlib
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import amqp
import brotli
import msgpack
import pytest
import zstandard

from interop.broker import Replies
from interop.fate import Bench
from support.amqp import Client, task_headers
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker

ACK, REJECT = False, True
JSON = ("application/json", "utf-8")
MSGPACK = ("application/x-msgpack", "binary")
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
GOOD = json.dumps([[2, 3], {}, EMBED])
# Rows of the table: how bad lines begin, and which level and process they are from.
UNDECODABLE = r"CRITICAL/MainProcess\] Can't decode message body: "
BAD_SHAPE = r"ERROR/MainProcess\] Can't decode message body: "
INVALID = r"ERROR/MainProcess\] Received invalid task message: "
UNKNOWN = r"WARNING/MainProcess\] Received and deleted unknown message: "
REFUSED = r"ERROR/MainProcess\] Refusing to decode message: "
MIB = 1024 * 1024
ids = itertools.count()


@dataclass
class Row:
    """A message and what must become of it."""

    name: str
    outcome: bool
    log: str
    body: Any = GOOD
    content: tuple[str, str] = JSON
    headers: dict[str, Any] = field(default_factory=dict)  # changes; a value of ... removes
    bare: bool = False  # no task headers at all but these
    exception: tuple[str, str, list[Any] | None] | None = None  # module, type, arguments

    def message(self) -> amqp.Message:
        """The message, with an id of its own."""
        headers = {} if self.bare else task_headers("example.add", f"odd-{next(ids)}")
        headers |= self.headers
        headers = {key: value for key, value in headers.items() if value is not ...}
        content_type, content_encoding = self.content
        properties = {"content_type": content_type, "content_encoding": content_encoding}
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return amqp.Message(body, delivery_mode=2, application_headers=headers,
                            **{key: value for key, value in properties.items() if value})


def triple(args: Any = (2, 3), kwargs: Any = None, embed: Any = ...) -> str:
    """A JSON body with some parts as they should not be."""
    return json.dumps([args, {} if kwargs is None else kwargs, EMBED if embed is ... else embed])


def nested_map(depth: int) -> dict[str, Any]:
    """An AMQP table in a table in a table."""
    table: dict[str, Any] = {}
    for _ in range(depth):
        table = {"t": table}
    return table


BODIES = [
    Row("empty body", ACK, UNDECODABLE, ""),
    Row("body of one byte", ACK, UNDECODABLE, "["),
    Row("body of one byte that is JSON", REJECT, BAD_SHAPE, "1"),
    Row("empty msgpack body", ACK, UNDECODABLE, b"", MSGPACK),
    Row("body of one byte that is msgpack", REJECT, BAD_SHAPE, b"\x01", MSGPACK),
    Row("list of two", REJECT, BAD_SHAPE, "[[2, 3], {}]"),
    Row("list of four", REJECT, BAD_SHAPE, "[[2, 3], {}, {}, {}]"),
    Row("object instead of a list", REJECT, BAD_SHAPE, '{"args": [2, 3]}'),
    Row("null", REJECT, BAD_SHAPE, "null"),
    Row("string", REJECT, BAD_SHAPE, '"[[2, 3], {}, {}]"'),
    Row("args is an object", REJECT, BAD_SHAPE, triple(args={"x": 1})),
    Row("args is a string", REJECT, BAD_SHAPE, triple(args="23")),
    Row("args is null", REJECT, BAD_SHAPE, triple(args=None)),
    Row("embed is a list", REJECT, BAD_SHAPE, triple(embed=[])),
    Row("embed is a string", REJECT, BAD_SHAPE, triple(embed="x")),
    Row("kwargs is a list", ACK, r"InvalidTaskError", triple(kwargs=[]),
        exception=("celery.exceptions", "InvalidTaskError", None)),
    Row("kwargs is a string", ACK, r"InvalidTaskError", triple(kwargs="x"),
        exception=("celery.exceptions", "InvalidTaskError", None)),
    Row("invalid utf-8", ACK, UNDECODABLE, b'[["\xff\xfe", 3], {}, null]'),
    Row("overlong utf-8", ACK, UNDECODABLE, b'[["\xc0\xaf", 3], {}, null]'),
    Row("utf-16", ACK, UNDECODABLE, GOOD.encode("utf-16")),
    Row("trailing text", ACK, UNDECODABLE, GOOD + " x"),
    Row("truncated JSON", ACK, UNDECODABLE, GOOD[:-1]),
    Row("trailing comma", ACK, UNDECODABLE, "[[2, 3,], {}, null]"),
    Row("null byte in the text", ACK, UNDECODABLE, "[[2, 3], {}, \0null]"),
    Row("truncated msgpack", ACK, UNDECODABLE, msgpack.packb([[2, 3], {}, EMBED])[:-1], MSGPACK),
    Row("trailing msgpack", ACK, UNDECODABLE, msgpack.packb([[2, 3], {}, EMBED]) + b"\0", MSGPACK),
    Row("msgpack reserved byte", ACK, UNDECODABLE, b"\x93\x92\x02\xc1\x80\xc0", MSGPACK),
    Row("msgpack list of 4 G items", ACK, UNDECODABLE,
        b"\x93\xdd\xff\xff\xff\xff\x80\xc0", MSGPACK),
    Row("msgpack map of 4 G items", ACK, UNDECODABLE,
        b"\x93\x90\xdf\xff\xff\xff\xff\xc0", MSGPACK),
    Row("msgpack string of 4 GiB", ACK, UNDECODABLE, b"\x93\x91\xdb\xff\xff\xff\xff\x80", MSGPACK),
    Row("msgpack string that is no utf-8", ACK, UNDECODABLE,
        b"\x93\x92\xa2\xff\xfe\x03\x80\xc0", MSGPACK),
    Row("JSON said to be msgpack", REJECT, BAD_SHAPE + r"|" + UNDECODABLE, "7", MSGPACK),
    Row("msgpack said to be JSON", ACK, UNDECODABLE, msgpack.packb([[2, 3], {}, EMBED]), JSON),
    Row("JSON nested 100,000 deep", ACK, UNDECODABLE, "[" * 100_000 + "]" * 100_000),
    Row("JSON objects nested 100,000 deep", ACK, UNDECODABLE,
        "[[" + '{"a":' * 100_000 + "1" + "}" * 100_000 + "],{},null]"),
    Row("msgpack nested 100,000 deep", ACK, UNDECODABLE,
        b"\x93" + b"\x91" * 100_000 + b"\xc0\x80\xc0", MSGPACK),
    Row("encoding that is not utf-8", ACK, UNDECODABLE, GOOD, ("application/json", "utf-16")),
    Row("encoding that does not exist", ACK, UNDECODABLE, GOOD, ("application/json", "x-none")),
]

CONTENT_TYPES = [
    Row("pickle", REJECT, REFUSED, pickle.dumps([[2, 3], {}, EMBED]),
        ("application/x-python-serialize", "binary")),
    Row("yaml", REJECT, REFUSED, GOOD, ("application/x-yaml", "utf-8")),
    Row("unknown content type", REJECT, REFUSED, GOOD, ("application/x-unknown", "utf-8")),
    Row("content type in part", REJECT, REFUSED, GOOD, ("application/jso", "utf-8")),
    Row("no content type", REJECT, REFUSED, GOOD, ("", "")),
    Row("raw bytes", REJECT, REFUSED, GOOD, ("application/data", "binary")),
]

COMPRESSION = [
    Row("unknown compression", ACK, UNDECODABLE, headers={"compression": "application/x-none"}),
    Row("compression that is no text", REJECT, INVALID, headers={"compression": 7}),
] + [
    Row(f"broken {name}", ACK, UNDECODABLE, body, headers={"compression": kind})
    for name, kind, body in [
        ("zlib", "application/x-gzip", b"\x78\x9c not zlib"),
        ("zlib that is cut", "application/x-gzip", zlib.compress(GOOD.encode() * 50)[:-6]),
        ("zlib with a wrong sum", "application/x-gzip", zlib.compress(GOOD.encode())[:-1] + b"\0"),
        ("zlib with an empty body", "application/x-gzip", b""),
        ("bzip2", "application/x-bz2", b"BZh9 not bzip2"),
        ("bzip2 that is cut", "application/x-bz2", bz2.compress(GOOD.encode())[:-3]),
        ("lzma", "application/x-lzma", b"\xfd7zXZ\0 not xz"),
        ("lzma that is cut", "application/x-lzma", lzma.compress(GOOD.encode())[:-3]),
        ("brotli", "application/x-brotli", b"\xff\xff not brotli"),
        ("brotli that is cut", "application/x-brotli", brotli.compress(GOOD.encode())[:-2]),
        ("zstd", "application/zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff"),
        ("zstd that is cut", "application/zstd", zstandard.compress(GOOD.encode())[:-2]),
    ]
]

HEADERS = [
    Row("no id", REJECT, INVALID, headers={"id": ...}),
    Row("null id", REJECT, INVALID, headers={"id": None}),
    Row("empty id", REJECT, INVALID, headers={"id": ""}),
    Row("id is an int", REJECT, INVALID, headers={"id": 5}),
    Row("id is a list", REJECT, INVALID, headers={"id": ["a"]}),
    Row("task is an int", REJECT, INVALID, headers={"task": 5}),
    Row("empty task", REJECT, INVALID, headers={"task": ""}),
    Row("null task", REJECT, INVALID, headers={"task": None}),
    Row("eta is nonsense", REJECT, INVALID, headers={"eta": "tomorrow"}),
    Row("eta is a number", REJECT, INVALID, headers={"eta": 1763819000}),
    Row("eta with a 13th month", REJECT, INVALID, headers={"eta": "2026-13-01T00:00:00"}),
    Row("expires is nonsense", REJECT, INVALID, headers={"expires": "never"}),
    Row("expires is a list", REJECT, INVALID, headers={"expires": []}),
    Row("timelimit of strings", REJECT, INVALID, headers={"timelimit": ["1", "2"]}),
    Row("timelimit of one", REJECT, INVALID, headers={"timelimit": [1]}),
    Row("timelimit is a number", REJECT, INVALID, headers={"timelimit": 5}),
    Row("negative timelimit", REJECT, INVALID, headers={"timelimit": [-1, None]}),
    Row("negative retries", REJECT, INVALID, headers={"retries": -1}),
    Row("retries is a string", REJECT, INVALID, headers={"retries": "1"}),
    Row("ignore_result is a string", REJECT, INVALID, headers={"ignore_result": "yes"}),
    Row("group is a table", REJECT, INVALID, headers={"group": {"a": 1}}),
]

NOT_PROTOCOL_2 = [
    Row("no headers, empty body", ACK, UNDECODABLE, "", bare=True),
    Row("no headers, broken JSON", ACK, UNDECODABLE, "{", bare=True),
    Row("no headers, pickle", ACK, UNDECODABLE, pickle.dumps({"task": "example.add"}),
        ("application/x-python-serialize", "binary"), bare=True),
    Row("no headers, no content type", ACK, UNDECODABLE, "hello", ("", ""), bare=True),
    Row("no headers, a list", REJECT, UNKNOWN, GOOD, bare=True),
    Row("no headers, an object without task", REJECT, UNKNOWN, '{"id": "a"}', bare=True),
    Row("no headers, a number", REJECT, UNKNOWN, "1", bare=True),
    Row("other headers, an object without task", REJECT, UNKNOWN, "{}", headers={"x": 1},
        bare=True),
    Row("protocol 1 without id", REJECT, INVALID, '{"task": "example.add", "args": [2, 3]}',
        bare=True),
    Row("protocol 1 with args that are no list", REJECT, INVALID,
        '{"task": "example.add", "id": "a", "args": {"x": 2}}', bare=True),
    Row("protocol 1 with kwargs that are no object", REJECT, INVALID,
        '{"task": "example.add", "id": "a", "args": [2, 3], "kwargs": [1]}', bare=True),
    Row("protocol 1 with a bad eta", REJECT, INVALID,
        '{"task": "example.add", "id": "a", "args": [2, 3], "eta": "soon"}', bare=True),
    Row("protocol 1 with a broken compression", ACK, UNDECODABLE, b"no zlib", bare=True,
        headers={"compression": "application/x-gzip"}),
    Row("protocol 1 larger than 8 MiB", ACK, UNDECODABLE,
        '{"task": "example.add", "id": "a", "args": ["' + "x" * (9 * MIB) + '"]}', bare=True),
    Row("headers nested 100 deep", REJECT, UNKNOWN, headers={"deep": nested_map(100)}),
]

UNREGISTERED = [
    Row("unknown task", REJECT, r"ERROR/MainProcess\] Received unregistered task", GOOD,
        headers={"task": "no.such"}, exception=("celery.exceptions", "NotRegistered", ["no.such"])),
    Row("unknown task that ignores results", REJECT, "Received unregistered task", GOOD,
        headers={"task": "no.such", "ignore_result": True},
        exception=("celery.exceptions", "NotRegistered", ["no.such"])),
    Row("unknown task of protocol 1", REJECT, "Received unregistered task",
        '{"task": "no.such", "id": "a"}', bare=True,
        exception=("celery.exceptions", "NotRegistered", ["no.such"])),
    Row("unknown task with a body that is no task's", REJECT, "Received unregistered task", b"\xff",
        headers={"task": "no.such"}, exception=("celery.exceptions", "NotRegistered", ["no.such"])),
]

ROWS = BODIES + CONTENT_TYPES + COMPRESSION + HEADERS + NOT_PROTOCOL_2 + UNREGISTERED


@pytest.fixture(scope="module")
def bench_of_file(rabbitmq: RabbitMQ) -> Iterator[Bench]:
    """One worker for all messages."""
    bench = Bench(rabbitmq)
    yield bench
    bench.close()


@pytest.fixture
def amqp_client(broker_url: str) -> Iterator[Client]:
    """support's fixture by another name, as the module amqp is used here."""
    with Client(broker_url) as client:
        yield client


@pytest.fixture
def bench(bench_of_file: Bench) -> Bench:
    """The worker; a new one if the last message has ended it."""
    bench_of_file.revive()
    return bench_of_file


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_odd_message(bench: Bench, row: Row) -> None:
    fate = bench.send(row.message(), row.log)
    assert fate.rejected == row.outcome, fate.log
    if row.exception is None:
        assert fate.document is None
        return
    module, kind, arguments = row.exception
    assert fate.document["status"] == "FAILURE"
    assert fate.document["result"]["exc_module"] == module
    assert fate.document["result"]["exc_type"] == kind
    if arguments is not None:
        assert fate.document["result"]["exc_message"] == arguments
        assert fate.document["traceback"] is None


def _bombs() -> Iterator[Any]:
    header = {"zlib": "application/x-gzip", "bzip2": "application/x-bz2",
              "lzma": "application/x-lzma", "brotli": "application/x-brotli",
              "zstd": "application/zstd"}
    for name, kind in header.items():
        yield pytest.param(name, kind, id=name)


def _compress(name: str, data: bytes) -> bytes:
    """As small as it gets, quickly."""
    compressors = {
        "zlib": lambda: zlib.compress(data, 1), "bzip2": lambda: bz2.compress(data, 1),
        "lzma": lambda: lzma.compress(data, preset=0),
        "brotli": lambda: brotli.compress(data, quality=1),
        "zstd": lambda: zstandard.compress(data, 1),
    }
    return compressors[name]()


@pytest.mark.parametrize("name, kind", _bombs())
def test_bomb_is_dropped(bench: Bench, name: str, kind: str) -> None:
    packed = _compress(name, b"[[" + b" " * (160 * MIB) + b"],{},null]")
    assert len(packed) < 4 * MIB
    row = Row(name, ACK, UNDECODABLE + r".*too (large|big)|" + UNDECODABLE + r".*larger", packed,
              headers={"compression": kind})
    assert not bench.send(row.message(), row.log).rejected


@pytest.mark.parametrize("name, kind", _bombs())
def test_bomb_in_protocol_1_is_dropped(bench: Bench, name: str, kind: str) -> None:
    """The main process opens these: within 8 MiB."""
    packed = _compress(name, b"[" + b" " * (16 * MIB) + b"]")
    row = Row(name, ACK, UNDECODABLE, packed, headers={"compression": kind}, bare=True)
    assert not bench.send(row.message(), row.log).rejected


def test_odd_messages_leave_memory_as_it_was(worker: Callable[..., BaseWorker], amqp_client: Client,
                                             replies: Replies) -> None:
    """What was opened in the main process is given back."""
    # A sanitizer keeps freed memory for a while, to catch who still uses it.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
    running = worker(concurrency=1, env={"ASAN_OPTIONS": options})
    row = Row("v1", REJECT, UNKNOWN, '{"x": "' + "y" * (7 * MIB) + '"}', bare=True)

    def resident_after(messages: int) -> int:
        for _ in range(messages):
            amqp_client.publish(row.message(), "celery")
        task = amqp_client.send_task("example.add", (2, 3), reply_to=replies.queue)
        assert replies.result(task) == 5
        with open(f"/proc/{running.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    before = resident_after(5)
    assert resident_after(20) - before < 40 * MIB
