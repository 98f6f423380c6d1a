# SPDX-License-Identifier: BSD-3-Clause
"""What the native runtime makes of messages: arguments, results, failures, reports."""

from __future__ import annotations

import bz2
import json
import math
import re
import zlib
from pathlib import Path
from typing import Any, Iterator

import msgpack
import pytest

from native_driver import WANT_RSS, Child, Native, compile_library, sanitized

API = Path(__file__).with_name("native_api_tasks.c")


@pytest.fixture(scope="module")
def example() -> Iterator[Native]:
    """The example tasks."""
    with Native() as native:
        yield native


@pytest.fixture
def child(example: Native) -> Child:
    """A child with the example tasks."""
    return example.children[0] if example.children else example.spawn()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """The tasks of native_api_tasks.c."""
    folder = tmp_path_factory.mktemp("api")
    library = compile_library(API, folder, "-std=gnu11", "-pedantic", "-Wconversion")
    with Native(library) as native:
        native.spawn()
        yield native


@pytest.fixture
def api_child(api: Native) -> Child:
    """A child with the tasks of native_api_tasks.c."""
    return api.children[0]


# --- the example tasks ---

def test_names_and_options_are_announced(example: Native, api: Native) -> None:
    assert example.description["runtime"] == "native"
    assert example.description["settings"] == {}
    assert example.description["records"] is True and "backend" not in example.description
    tasks = set(example.description["tasks"])
    builtins = {name for name in tasks if name.startswith("celery.")}
    assert builtins == {"celery." + name for name in (
        "accumulate", "backend_cleanup", "chain", "chord", "chord_unlock", "chunks", "group", "map",
        "starmap")}
    assert tasks - builtins == {
        "example." + name for name in ("add", "noop", "echo", "sleep", "burn", "alloc", "fail",
                                       "exit", "crash", "pid", "append", "ignore_usr1")}
    assert api.description["tasks"]["api.exit"] == {
        "acks_late": False, "time_limit": 30.0, "max_retries": None}
    assert api.description["tasks"]["api.log"] == {}


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_add_adds_ints_and_floats(child: Child, serializer: str) -> None:
    three = child.run("example.add", 1, 2, serializer=serializer).value
    assert three == 3 and isinstance(three, int)
    assert child.run("example.add", 1, 2.5, serializer=serializer).value == 3.5
    assert child.run("example.add", -2**63, 2**63 - 1, serializer=serializer).value == -1
    whole = child.run("example.add", 1.0, 2, serializer=serializer).value
    assert whole == 3.0 and isinstance(whole, float)


def test_add_refuses_a_sum_beyond_64_bits(child: Child) -> None:
    assert child.run("example.add", 2**63 - 1, 1).error == \
        "builtins.OverflowError: the sum does not fit into 64 bits"
    assert child.run("example.add", 2**63, 1).error == \
        "builtins.OverflowError: add() argument 'x' is too large for a signed 64-bit int"
    assert child.run("example.add", 1, -2**70).error == \
        "builtins.OverflowError: add() argument 'y' is too large for a signed 64-bit int"


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_echo_gives_back_what_it_got(child: Child, serializer: str) -> None:
    args = [None, True, 0, -1, 2**63, -2**63, 1.5, 1e300, "", "tëxt \U0001f600", "\0", [], {},
            [[1, [2]]], {"a": {"b": [None]}}, "x" * 100_000, list(range(1000))]
    if serializer == "json":
        args += [2**70, -2**90]
    else:
        args += [b"", b"\xff\x00", {"k": b"bytes"}]
    result = child.run("example.echo", *args, kwargs={"k": 1, "ü": [2]}, serializer=serializer)
    assert result.value == [args, {"k": 1, "ü": [2]}]
    types = [type(value) for value in result.value[0]]
    assert types == [type(value) for value in args]


def test_echo_keeps_floats_that_json_does_not_have(child: Child) -> None:
    (nan, infinity, minus), _ = child.run("example.echo", math.nan, math.inf, -math.inf).value
    assert math.isnan(nan) and infinity == math.inf and minus == -math.inf


def test_arguments_that_do_not_fit_fail_before_the_task_runs(child: Child) -> None:
    assert child.run("example.add", 1).error == \
        "builtins.TypeError: add() missing 1 required positional argument: 'y'"
    assert child.run("example.add", 1, 2, 3).error == \
        "builtins.TypeError: add() takes 2 positional arguments but 3 were given"
    assert child.run("example.add", 1, 2, kwargs={"z": 3}).error == \
        "builtins.TypeError: add() got an unexpected keyword argument 'z'"
    assert child.run("example.fail", 5).error == \
        "builtins.TypeError: fail() argument 'message' must be str, not int"
    assert child.run("example.add", kwargs={"y": 1, "x": 2}).value == 3


def test_append_writes_one_line(child: Child, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert child.run("example.append", str(path), "one").value is None
    assert child.run("example.append", str(path), "zwö").value is None
    assert path.read_text() == "one\nzwö\n"
    assert child.run("example.append", str(tmp_path / "no" / "file"), "x").error == \
        f"builtins.OSError: cannot append to {tmp_path}/no/file: No such file or directory"


def test_resident_memory_follows_what_a_task_keeps(example: Native) -> None:
    child = example.spawn(slot=9)
    before = child.run("example.noop", flags=WANT_RSS).rss
    assert child.run("example.alloc", 32).value == 32
    after = child.run("example.noop", flags=WANT_RSS).rss
    assert 32 * 1024 <= after - before < 64 * 1024
    assert child.run("example.noop").rss == 0


# --- what comes back ---

def test_document_is_celerys_result_object(child: Child) -> None:
    meta = child.run("example.add", 1, 2, headers={"group": "g1", "parent_id": "p1"}).meta
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", meta.pop("date_done"))
    assert meta == {"status": "SUCCESS", "result": 3, "traceback": None, "children": [],
                    "group_id": "g1", "parent_id": "p1",
                    "task_id": "5a1e6b1c-0000-4000-8000-000000000001"}


def test_result_serializer_is_the_requests(child: Child) -> None:
    result = child.run("example.add", 1, 2, result_serializer="msgpack")
    assert msgpack.unpackb(result.document)["result"] == 3
    result = child.run("example.add", 1, 2, serializer="msgpack", result_serializer="json")
    assert json.loads(result.document)["result"] == 3


def test_ignored_result_leaves_no_document_but_a_report(child: Child) -> None:
    result = child.run("example.add", 1, 2, ignore_result=True)
    assert result.document == b"" and result.report["result"] == "3"
    result = child.run("example.fail", "x", ignore_result=True)
    assert result.document == b"" and result.report["exception"] == "ValueError('x')"


def test_report_tells_of_success(child: Child) -> None:
    report = child.run("example.sleep", 0.05).report
    assert 0.05 <= report.pop("runtime") < 5
    assert report == {"state": "SUCCESS", "result": "0.05"}


def test_report_text_is_bounded(child: Child) -> None:
    report = child.run("example.echo", "x" * 5000).report
    assert len(report["result"]) < 1024 and report["result"].startswith("[['xxx")


def test_failure_has_the_place_where_it_was_raised(child: Child) -> None:
    result = child.run("example.fail", "it's")
    assert result.error == "builtins.ValueError: it's"
    assert result.report["exception"] == 'ValueError("it\'s")'
    assert re.fullmatch(r'Traceback \(most recent call last\):\n'
                        r'  File ".*example_tasks\.c", line \d+, in fail\n'
                        r"ValueError: it's\n", result.meta["traceback"])
    assert result.report["traceback"] == result.meta["traceback"]


def test_log_lines_are_celerys(example: Native, child: Child) -> None:
    child.run("example.add", 20, 22, id="log-1")
    child.run("example.fail", "bad", id="log-2")
    log = example.read_log()
    when = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: "
    assert re.search(when + r"INFO/ForkPoolWorker-1\] Task example\.add\[log-1\] succeeded in "
                     r"[\d.e-]+s: 42$", log, re.M)
    assert re.search(when + r"ERROR/ForkPoolWorker-1\] Task example\.fail\[log-2\] raised "
                     r"unexpected: ValueError\('bad'\)\nTraceback .*\n.*\nValueError: bad$",
                     log, re.M)


# --- bodies ---

@pytest.mark.parametrize("header, compress", [
    ("application/x-gzip", zlib.compress), ("application/x-bz2", bz2.compress)])
def test_compressed_bodies_are_opened(child: Child, header: str, compress: Any) -> None:
    body = compress(b"[[1, 2], {}, null]")
    assert child.run("example.add", body=body, headers={"compression": header}).value == 3
    # What the last body has left behind does not matter.
    assert child.run("example.add", 1, 1).value == 2


@pytest.mark.parametrize("body, headers", [
    (b"", {}), (b"[[1, 2], {}, null", {}), (b"\xff", {}), (b"[[1], {}, null] x", {}),
    (b"[" * 100_000, {}),
    (b"[[1, 2], {}, null]", {"compression": "application/x-gzip"}),
    (b"[[1, 2], {}, null]", {"compression": "application/x-nothing"})])
def test_body_that_cannot_be_decoded_is_reported(child: Child, body: bytes,
                                                 headers: dict[str, str]) -> None:
    result = child.run("example.add", body=body, headers=headers)
    assert result.state == "UNDECODABLE"
    assert result.document == b"" and result.report["reason"]


@pytest.mark.parametrize("body", [b"{}", b"1", b"[[], {}]", b"[{}, {}, null]", b"[[], {}, 5]"])
def test_body_that_is_no_task_is_reported(child: Child, body: bytes) -> None:
    result = child.run("example.add", body=body)
    assert result.state == "INVALID"
    assert result.document == b"" and result.report["reason"]


@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "text/plain", ""])
def test_content_type_that_is_not_accepted_is_invalid(child: Child, content_type: str) -> None:
    result = child.run("example.add", 1, 2, properties={"content_type": content_type})
    assert result.state == "INVALID"
    assert result.report["reason"] == f"content type '{content_type}' is not accepted"


def test_accept_list_binds_the_child_too(child: Child) -> None:
    result = child.run("example.add", 1, 2, serializer="msgpack", accept=["application/json"])
    assert result.state == "INVALID"


def test_keyword_arguments_that_are_no_object_fail_the_task(child: Child) -> None:
    for body in (b"[[], [], null]", b"[[], 5, {}]"):
        assert child.run("example.noop", body=body).error.startswith(
            "celery.exceptions.InvalidTaskError: ")
    body = zlib.compress(b"[[], null, {}]")
    result = child.run("example.noop", body=body, headers={"compression": "application/x-gzip"})
    assert result.error.startswith("celery.exceptions.InvalidTaskError: ")


def test_empty_follow_ups_are_none(child: Child) -> None:
    embed = {"callbacks": None, "errbacks": [], "chain": [], "chord": None}
    assert child.run("example.add", 1, 2, embed=embed).value == 3


def test_unknown_task_fails_as_in_celery(child: Child) -> None:
    assert child.run("no.such").error == "celery.exceptions.NotRegistered: no.such"


@pytest.mark.parametrize("name", ["example.ad", "example.addd", "example.add\0", "", "\0", "a" * 5000])
def test_task_names_match_whole(child: Child, name: str) -> None:
    assert child.run(name).error.startswith("celery.exceptions.NotRegistered: ")


def test_request_without_task_or_id_is_invalid(child: Child) -> None:
    child.send_job("x", id=None)
    assert child.result().state == "INVALID"


# --- celeriac/task.h ---

def test_values_are_read_as_python_sees_them(api_child: Child) -> None:
    values = [None, True, 5, -5, 1.5, "ab", b"\xff", [1, 2], {"k": 9, "z": 0}, 2**64 - 1]
    assert api_child.run("api.describe", *values, serializer="msgpack").value == [
        {"type": "NoneType"},
        {"type": "bool", "int": 1, "uint": 1, "double": 1.0, "bool": True},
        {"type": "int", "int": 5, "uint": 5, "double": 5.0},
        {"type": "int", "int": -5, "double": -5.0},
        {"type": "float", "double": 1.5},
        {"type": "str", "bytes": b"ab"},
        {"type": "bytes", "bytes": b"\xff"},
        {"type": "list", "length": 2},
        {"type": "dict", "length": 2, "first_key": "k", "k": 9},
        {"type": "int", "uint": 2**64 - 1, "double": float(2**64 - 1)},
    ]
    assert api_child.run("api.describe", 2**70).value == [{"type": "int"}]


def test_left_out_arguments_keep_the_default(api_child: Child) -> None:
    assert api_child.run("api.typed").value == [True, 7, 0.5, "default", "raw", None]
    assert api_child.run("api.typed", False, 1, 2, "x", "y").value == [False, 1, 2.0, "x", "y", None]
    assert api_child.run("api.typed", kwargs={"text": "t"}).value[3] == "t"


@pytest.mark.parametrize("kwargs, error", [
    ({"flag": 1}, "TypeError: typed() argument 'flag' must be bool, not int"),
    ({"number": "1"}, "TypeError: typed() argument 'number' must be int, not str"),
    ({"number": 1.0}, "TypeError: typed() argument 'number' must be int, not float"),
    ({"real": []}, "TypeError: typed() argument 'real' must be float, not list"),
    ({"text": None}, "TypeError: typed() argument 'text' must be str, not NoneType"),
    ({"text": "a\0b"}, "ValueError: typed() argument 'text' holds a null character"),
    ({"data": 5}, "TypeError: typed() argument 'data' must be bytes or str, not int"),
    ({"number": 2**63}, "OverflowError: typed() argument 'number' is too large for a signed 64-bit "
                        "int"),
    ({"real": 2**70}, "OverflowError: typed() argument 'real' is too large for a float")])
def test_argument_of_another_type_fails_the_task(api_child: Child, kwargs: dict[str, Any],
                                                 error: str) -> None:
    assert api_child.run("api.typed", kwargs=kwargs).error == "builtins." + error


def test_task_without_a_signature_takes_anything(api_child: Child) -> None:
    assert api_child.run("api.free", 1, 2, kwargs={"number": 5, "x": 1}).value == 5
    assert api_child.run("api.free", 1, 2).value == 0


@pytest.mark.parametrize("count", [0, 1, 8, 9, 1000])
def test_containers_grow(api_child: Child, count: int) -> None:
    value = api_child.run("api.many", count).value
    assert value[:-1] == list(range(count))
    assert value[-1] == {str(number): number for number in range(count)}


def test_request_is_what_the_message_says(api_child: Child) -> None:
    plain = api_child.run("api.request").value
    assert plain == {
        "id": "5a1e6b1c-0000-4000-8000-000000000001", "task": "api.request",
        "correlation_id": "5a1e6b1c-0000-4000-8000-000000000001", "hostname": "w1@test",
        "exchange": "", "routing_key": "celery", "retries": 0, "priority": -1,
        "redelivered": False, "hard": 0.0, "soft": 0.0, "mine": None, "nobody's": None}
    full = api_child.run(
        "api.request", id="i1", hostname="w2@h", timelimit=[10, 1.5],
        headers={"root_id": "r", "parent_id": "p", "group": "g", "retries": 2, "mine": [1, "x"],
                 "eta": "2030-01-01T12:00:00", "expires": "2031-01-01T12:00:00"},
        properties={"reply_to": "q", "correlation_id": "c"},
        delivery_info={"exchange": "e", "routing_key": "k", "redelivered": True,
                       "priority": 5}).value
    assert full == {
        "id": "i1", "task": "api.request", "root_id": "r", "parent_id": "p", "group": "g",
        "correlation_id": "c", "reply_to": "q", "hostname": "w2@h", "eta": "2030-01-01T12:00:00",
        "expires": "2031-01-01T12:00:00", "exchange": "e", "routing_key": "k", "retries": 2,
        "priority": 5, "redelivered": True, "hard": 10.0, "soft": 1.5, "mine": [1, "x"],
        "nobody's": None}


def test_log_and_print_of_a_task_are_out_before_its_result(api: Native, api_child: Child) -> None:
    api_child.run("api.log", id="log-3")
    log = api.read_log()
    assert re.search(r": WARNING/ForkPoolWorker-1\] api\.log\[log-3\]: row 7$", log, re.M)
    assert re.search(r"^printed$", log, re.M)
    assert "shown" not in log


@pytest.mark.parametrize("type_, module, name", [
    ("KeyError", "builtins", "KeyError"), ("my.errors.Oops", "my.errors", "Oops")])
def test_exceptions_carry_their_module(api_child: Child, type_: str, module: str,
                                       name: str) -> None:
    result = api_child.run("api.fail_with", type_)
    assert result.meta["result"] == {"exc_type": name, "exc_module": module,
                                     "exc_message": ["because of 42"]}
    assert result.report["exception"] == f"{name}('because of 42')"


def test_failed_accessor_counts_although_the_task_goes_on(api_child: Child) -> None:
    assert api_child.run("api.forget", "x").error == \
        "builtins.TypeError: forget() argument 'number' must be int, not str"


def test_failure_without_a_reason_says_so(api_child: Child) -> None:
    assert api_child.run("api.silent").error == \
        "builtins.RuntimeError: silent() returned 3 without raising an exception"


def test_parameter_that_the_signature_lacks_is_an_error(api_child: Child) -> None:
    assert api_child.run("api.unknown").error == \
        "builtins.RuntimeError: unknown() has no parameter 'nobody' in its signature"


def test_str_that_is_not_utf8_fails_the_task(api_child: Child) -> None:
    assert api_child.run("api.not_text").error == \
        "builtins.ValueError: not_text() has made a str of bytes that are not UTF-8"


def test_filling_what_is_no_container_fails_the_task(api_child: Child) -> None:
    assert api_child.run("api.fill_wrongly").error == \
        "builtins.TypeError: a int was filled as if it were a list"


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_result_nested_too_deep_is_an_encode_error(api_child: Child, serializer: str) -> None:
    assert api_child.run("api.deep", serializer=serializer).error.startswith(
        f"kombu.exceptions.EncodeError: the task's result cannot be encoded as {serializer}: ")


def test_int_beyond_64_bits_is_an_encode_error_in_msgpack(child: Child) -> None:
    result = child.run("example.echo", 2**70, result_serializer="msgpack")
    assert result.error.startswith(
        "kombu.exceptions.EncodeError: the task's result cannot be encoded as msgpack: ")


def test_large_results_arrive_and_too_large_ones_fail(api_child: Child) -> None:
    assert len(api_child.run("api.large", 100).value) == 100 << 20
    assert api_child.run("api.large", 140).error.startswith(
        "kombu.exceptions.EncodeError: the task's result cannot be encoded as json: ")
    assert api_child.run("api.large", 0).value == ""


def test_memory_of_a_large_job_is_given_back(example: Native) -> None:
    if sanitized():
        pytest.skip("AddressSanitizer keeps freed memory")
    child = example.spawn(slot=10)
    small = child.run("example.noop", flags=WANT_RSS).rss
    child.run("example.echo", "x" * (50 << 20))
    assert child.run("example.noop", flags=WANT_RSS).rss < small + 16 * 1024
