# SPDX-License-Identifier: BSD-3-Clause
"""Stock clients send, celeriac answers: serializers, protocols, compressions, values, failures."""

from __future__ import annotations

import json
import math
from typing import Any, Callable, Iterator

import amqp as wire
import pytest
from celery import Celery

from interop.broker import Replies, read_document
from interop.conftest import Shared
from interop.settings import REFERENCE
from support.amqp import Client, task_message
from support.worker import BaseWorker

COMPRESSIONS = ("zlib", "gzip", "bzip2", "lzma", "xz", "zstd", "brotli")
celeriac_only = pytest.mark.skipif(REFERENCE, reason="says what celeriac alone promises")

VALUES = [
    None, True, False, 0, -1, 5, 5.0, -0.0, 1e300, 5e-324, 2**31, -2**31, 2**53 + 1, 2**63 - 1,
    -2**63, 2**63, 2**64 - 1, "", "a", "\x00", "\x7f\x1f\"\\/", "äöü ß", "日本語", "😀", "\u2028",
    "x" * 100_000, [], {}, [[]], [{}], {"": None}, {"a": [1, {"b": [2.5, None, True]}]},
    {"__type__": "no envelope"}, [[i] for i in range(50)], {str(i): i for i in range(200)},
]
JSON_VALUES = VALUES + [
    2**64, -2**63 - 1, 2**70, 10**400, -10**60, math.nan, math.inf, -math.inf, 1e+16, 123456789.125,
    "\ud800", {"a": {"a": {"a": {"a": {}}}}},
]
MSGPACK_VALUES = VALUES + [b"", b"\x00\xff\xfe", b"text", [b"in", {"a": b"map"}], math.inf]


def nest(depth: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def same(left: Any, right: Any) -> bool:
    """Equal as Python prints them: 5 is not 5.0, nan is nan, b"" is not ""."""
    return repr(left) == repr(right)


@pytest.fixture(params=["json", "msgpack"])
def any_client(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Celery]:
    """A client with each serializer."""
    with shared.client(request.param) as app:
        yield app


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_adds(shared: Shared, serializer: str, protocol: int) -> None:
    with shared.client(serializer, task_protocol=protocol) as client:
        assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5
        assert same(client.send_task("example.add", (2, 3.0)).get(timeout=10), 5.0)
        assert same(client.send_task("example.add", (), {"x": -7, "y": 3}).get(timeout=10), -4)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("protocol", [1, 2])
def test_reads_every_compression(any_client: Celery, compression: str, protocol: int) -> None:
    any_client.conf.task_protocol = protocol
    text = "many times the same " * 5000
    result = any_client.send_task("example.echo", (text, "ü"), {"k": [1.5]},
                                  compression=compression)
    assert same(result.get(timeout=10), [[text, "ü"], {"k": [1.5]}])


def test_decorated_task_answers_to_delay(shared: Shared) -> None:
    with shared.client() as app:
        @app.task(name="example.add")
        def add(x: Any, y: Any) -> None:
            del x, y

        assert add.delay(2, 3).get(timeout=10) == 5
        with pytest.raises(TypeError):
            add.delay(2)


@pytest.mark.parametrize("protocol", [1, 2])
def test_json_values_survive(shared: Shared, protocol: int) -> None:
    with shared.client(task_protocol=protocol) as client:
        results = [client.send_task("example.echo", (value,), {"key": value})
                   for value in JSON_VALUES]
        for value, result in zip(JSON_VALUES, results):
            assert same(result.get(timeout=10), [[value], {"key": value}])


@celeriac_only
@pytest.mark.parametrize("protocol", [1, 2])
def test_msgpack_values_survive(worker: Callable[..., BaseWorker], msgpack_client: Celery,
                                protocol: int) -> None:
    worker("--set", "accept_content=msgpack", "--set", "result_serializer=msgpack")
    msgpack_client.conf.task_protocol = protocol
    results = [msgpack_client.send_task("example.echo", (value,), {"key": value})
               for value in MSGPACK_VALUES]
    for value, result in zip(MSGPACK_VALUES, results):
        assert same(result.get(timeout=10), [[value], {"key": value}])


def test_deep_values_survive(shared: Shared) -> None:
    with shared.client() as client:
        deep = nest(200)
        assert same(client.send_task("example.echo", (deep,)).get(timeout=10), [[deep], {}])


@celeriac_only
def test_bytes_reach_a_json_client_as_an_envelope(shared: Shared, shared_replies: Replies) -> None:
    with shared.client("msgpack") as client:
        sent = client.send_task("example.echo", (b"abc", b"\xff\xfe"),
                                reply_to=shared_replies.queue)
    assert shared_replies.result(sent.id) == [
        [{"__type__": "bytes", "__value__": "abc"}, {"__type__": "base64", "__value__": "//4="}],
        {}]


@celeriac_only
def test_a_result_that_its_serializer_cannot_carry_is_a_failure(
        worker: Callable[..., BaseWorker], client: Celery) -> None:
    worker("--set", "result_serializer=msgpack")
    with pytest.raises(Exception, match="cannot be encoded as msgpack") as caught:
        client.send_task("example.echo", (2**70,)).get(timeout=10)
    assert type(caught.value).__name__ == "EncodeError"


def test_reply_has_the_properties_of_celery(shared_amqp: Client) -> None:
    queue = shared_amqp.declare(durable=False, exclusive=True)
    task_id = shared_amqp.send_task("example.add", (2, 3), reply_to=queue)
    message = shared_amqp.wait_message(queue)
    properties = dict(message.properties)
    assert properties.pop("correlation_id") == task_id
    assert properties.pop("application_headers", {}) == {}
    assert properties == {"content_type": "application/json", "content_encoding": "utf-8",
                          "delivery_mode": 1, "priority": 0}
    document = json.loads(message.body)
    assert document.pop("date_done", None) is None or not REFERENCE
    assert document == {"task_id": task_id, "status": "SUCCESS", "result": 5, "traceback": None,
                        "children": []}


@celeriac_only
def test_result_settings_are_obeyed(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    worker("--set", "result_serializer=msgpack", "--set", "result_persistent=true")
    queue = amqp.declare(durable=False, exclusive=True)
    task_id = amqp.send_task("example.add", (2, 3), reply_to=queue)
    message = amqp.wait_message(queue)
    assert message.properties["content_type"] == "application/x-msgpack"
    assert message.properties["content_encoding"] == "binary"
    assert message.properties["delivery_mode"] == 2
    assert read_document(message)["result"] == 5
    assert read_document(message)["task_id"] == task_id


def test_result_goes_to_the_correlation_id_if_it_is_not_the_task_id(shared_amqp: Client) -> None:
    queue = shared_amqp.declare(durable=False, exclusive=True)
    message = task_message("example.add", (2, 3), task_id="the-task", reply_to=queue)
    message.properties["correlation_id"] = "the-correlation"
    shared_amqp.publish(message, "celery")
    reply = shared_amqp.wait_message(queue)
    assert reply.properties["correlation_id"] == "the-correlation"
    assert json.loads(reply.body)["task_id"] == "the-task"


@pytest.mark.parametrize("text", ["bad thing", "", "äöü 日本 😀", "100%s %d", "line\nline"])
def test_failure_raises_the_same_exception(any_client: Celery, text: str) -> None:
    result = any_client.send_task("example.fail", (text,))
    with pytest.raises(ValueError) as caught:
        result.get(timeout=10)
    assert type(caught.value) is ValueError
    assert caught.value.args == (text,)
    assert result.state == "FAILURE"
    assert result.traceback is None or "ValueError" in result.traceback


def call_python(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The text of Python's own TypeError for add(x, y)."""
    def add(x: Any, y: Any) -> None:
        del x, y
    try:
        add(*args, **kwargs)
    except TypeError as error:
        return str(error).replace(add.__qualname__, "add")
    raise AssertionError("the call fits")


@celeriac_only
@pytest.mark.parametrize("args, kwargs", [
    ((), {}), ((1,), {}), ((1, 2, 3), {}), ((1, 2), {"x": 1}), ((1,), {"z": 2}), ((), {"y": 1}),
    ((1, 2), {"äö": 1}),
])
def test_calls_that_do_not_fit_fail_as_in_python(shared: Shared, args: tuple[Any, ...],
                                                 kwargs: dict[str, Any]) -> None:
    with shared.client() as client:
        with pytest.raises(TypeError) as caught:
            client.send_task("example.add", args, kwargs).get(timeout=10)
    assert caught.value.args == (call_python(args, kwargs),)


@celeriac_only
@pytest.mark.parametrize("args, name, type_name", [
    (("1", 2), "x", "str"), ((1, None), "y", "NoneType"), ((1, [2]), "y", "list"),
    (({}, 2), "x", "dict"),
])
def test_type_error_names_the_argument(shared: Shared, args: tuple[Any, ...], name: str,
                                       type_name: str) -> None:
    with shared.client() as client:
        with pytest.raises(TypeError) as caught:
            client.send_task("example.add", args).get(timeout=10)
    assert f"argument '{name}'" in str(caught.value)
    assert f"not {type_name}" in str(caught.value)


@celeriac_only
@pytest.mark.parametrize("args", [(2**63 - 1, 1), (2**70, 1), (-2**63, -1)])
def test_sum_beyond_64_bits_is_an_overflow_error(shared: Shared, args: tuple[int, int]) -> None:
    with shared.client() as client:
        with pytest.raises(OverflowError):
            client.send_task("example.add", args).get(timeout=10)


def test_ignored_result_leaves_no_message(shared_amqp: Client) -> None:
    queue = shared_amqp.declare(durable=False, exclusive=True)
    tasks = [("example.add", (1, 2)), ("example.fail", ("ignored",))]
    for task, args in tasks[:1] if REFERENCE else tasks:  # 5.2.6 stores failures all the same
        shared_amqp.send_task(task, args, reply_to=queue, ignore_result=True)
    # Two children: the answer that is wanted is asked for when the others must have come.
    for _ in range(4):
        last = shared_amqp.send_task("example.add", (2, 3), reply_to=queue)
        reply = shared_amqp.wait_message(queue)
        assert reply.properties["correlation_id"] == last


@celeriac_only
def test_ignore_result_of_the_message_wins_over_the_setting(
        worker: Callable[..., BaseWorker], amqp: Client) -> None:
    worker("--set", "task_ignore_result=true", concurrency=1)
    queue = amqp.declare(durable=False, exclusive=True)
    wanted = amqp.send_task("example.add", (1, 2), reply_to=queue, ignore_result=False)
    assert amqp.wait_message(queue).properties["correlation_id"] == wanted
    message = task_message("example.add", (1, 2), reply_to=queue)
    del message.properties["application_headers"]["ignore_result"]
    amqp.publish(message, "celery")
    last = amqp.send_task("example.add", (1, 2), reply_to=queue)
    assert amqp.wait_message(queue).properties["correlation_id"] == last


def test_minimal_message_of_a_foreign_producer_is_run(shared_amqp: Client) -> None:
    """celery-wire.md 2.1: `task` and `id` are all that third parties send."""
    queue = shared_amqp.declare(durable=False, exclusive=True)
    shared_amqp.publish(wire.Message(
        "[[2, 3], {}, null]", content_type="application/json", reply_to=queue,
        application_headers={"task": "example.add", "id": "no uuid at all"}), "celery")
    reply = shared_amqp.wait_message(queue)
    assert reply.properties["correlation_id"] == "no uuid at all"
    assert json.loads(reply.body)["result"] == 5


def test_reply_queue_that_has_gone_is_no_trouble(shared: Shared, shared_amqp: Client,
                                                 shared_replies: Replies) -> None:
    for _ in range(20):
        shared_amqp.send_task("example.add", (1, 1), reply_to="no-such-queue")
        shared_amqp.send_task("example.add", (1, 1))
    last = shared_amqp.send_task("example.add", (2, 3), reply_to=shared_replies.queue)
    assert shared_replies.result(last) == 5
    assert "could not be stored" not in shared.worker.read_log()
