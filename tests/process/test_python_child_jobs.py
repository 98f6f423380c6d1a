# SPDX-License-Identifier: BSD-3-Clause
"""What a Python child makes of a JOB: the body, the request, the outcome."""

from __future__ import annotations

import bz2
import json
import pickle
import socket
import zlib
from pathlib import Path
from typing import Any, Iterator

import msgpack
import pytest

from native_driver import JOB, RESULT, STARTED, WANT_RSS, WANT_STARTED, pack, request_of
from python_child import EMBED, Kid, Runtime
from support.amqp import Client

ALL = ["json", "msgpack", "pickle", "yaml"]
TYPES = {"json": ("application/json", "utf-8"), "msgpack": ("application/x-msgpack", "binary"),
         "pickle": ("application/x-python-serialize", "binary"),
         "yaml": ("application/x-yaml", "utf-8")}


@pytest.fixture(scope="module", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("runtime"), accept_content=ALL) as runtime:
        yield runtime


@pytest.fixture(scope="module", name="kid")
def _kid(runtime: Runtime) -> Kid:
    return runtime.kid()


def content(name: str) -> dict[str, str]:
    """The properties of a serializer's bodies."""
    return dict(zip(("content_type", "content_encoding"), TYPES[name]))


# --- outcomes ---

def test_success_is_stored_and_reported(runtime: Runtime, kid: Kid) -> None:
    result = kid.run("add", 2, 3)
    assert (result.state, result.report["result"]) == ("SUCCESS", "5")
    assert 0 < result.report["runtime"] < 5
    assert result.document == b"" and result.rss == 0
    stored = runtime.stored(kid.id)
    assert stored is not None
    assert (stored["status"], stored["result"]) == ("SUCCESS", 5)


def test_ignored_result_is_reported_but_not_stored(runtime: Runtime, kid: Kid) -> None:
    assert kid.run("quiet").report["result"] == "'unseen'"
    assert runtime.stored(kid.id) is None


def test_header_can_have_the_result_ignored(runtime: Runtime, kid: Kid) -> None:
    assert kid.run("add", 2, 3, headers={"ignore_result": True}).report["result"] == "5"
    assert runtime.stored(kid.id) is None


@pytest.mark.parametrize("text,count", [("x", 5000), ("\u20ac", 5000), ("\u20ac", 500),
                                        ("\U0001f600", 5000)])
def test_result_text_is_1_kib_at_most(kid: Kid, text: str, count: int) -> None:
    shown = kid.run("long_text", text, count).report["result"]
    assert 1020 <= len(shown.encode()) <= 1024
    assert shown.startswith("'" + text * 200)


def test_failure_tells_exception_and_traceback(runtime: Runtime, kid: Kid) -> None:
    report = kid.run("fail", "bad", 1).report
    assert (report["state"], report["exception"]) == ("FAILURE", "ValueError('bad', 1)")
    assert report["traceback"].startswith("Traceback (most recent call last):\n")
    assert report["traceback"].rstrip().endswith("ValueError: ('bad', 1)")
    stored = runtime.stored(kid.id)
    assert stored is not None
    assert (stored["status"], stored["result"]["exc_type"]) == ("FAILURE", "ValueError")
    assert stored["traceback"] == report["traceback"]
    assert "task_failure python_child_app.fail ValueError ['bad', 1]" in runtime.notes()


def test_huge_exception_is_cut_but_its_last_line_stays(kid: Kid) -> None:
    report = kid.run("fail", "\u20ac" * 200_000 + "!").report
    assert len(report["exception"].encode()) <= 32 * 1024
    assert len(report["traceback"].encode()) <= 128 * 1024
    assert report["traceback"].rstrip().endswith("!")


def test_ignore_stores_nothing(runtime: Runtime, kid: Kid) -> None:
    assert kid.run("ignore").report == {"state": "IGNORED"}
    assert runtime.stored(kid.id) is None


@pytest.mark.parametrize("requeue", [False, True])
def test_reject_tells_whether_to_requeue(runtime: Runtime, kid: Kid, requeue: bool) -> None:
    report = kid.run("reject", requeue).report
    assert report == {"state": "REJECTED", "requeue": requeue, "reason": "not now"}
    assert runtime.stored(kid.id) is None


def test_task_that_says_it_was_terminated_is_revoked(runtime: Runtime, kid: Kid) -> None:
    assert kid.run("terminate").report == {"state": "IGNORED"}
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["status"] == "REVOKED"


def test_result_that_cannot_be_encoded_is_a_failure(runtime: Runtime, kid: Kid) -> None:
    report = kid.run("unserializable").report
    assert report["state"] == "FAILURE" and "EncodeError" in report["exception"]
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["result"]["exc_type"] == "EncodeError"


def test_memory_error_is_stored_and_retires_the_child(runtime: Runtime) -> None:
    kid = runtime.kid(2)
    kid.send_job("no_memory")
    result, flags = kid.any_result()
    assert (result.state, flags) == ("FAILURE", 1)
    assert result.report["exception"] == "MemoryError('no more')"
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["result"]["exc_type"] == "MemoryError"
    assert kid.read() is None
    assert runtime.exited(kid)[0] == 0


def test_task_that_is_not_there_fails_with_not_registered(runtime: Runtime, kid: Kid) -> None:
    report = kid.run("no.such.task").report
    assert report["state"] == "FAILURE" and "'no.such.task'" in report["exception"]
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["result"]["exc_type"] == "NotRegistered"


def test_backend_that_fails_is_a_failure_of_the_task(tmp_path: Path) -> None:
    with Runtime(tmp_path) as runtime:
        kid = runtime.kid()
        runtime.results.rmdir()
        report = kid.run("add", 1, 2).report
        assert report["state"] == "FAILURE" and "No such file" in report["exception"]
        runtime.wait_log("could not be stored")
        runtime.results.mkdir()
        assert kid.run("add", 1, 2).state == "SUCCESS"


def test_retry_is_sent_again_and_told_with_its_cause(tmp_path: Path, broker_url: str,
                                                     amqp: Client) -> None:
    amqp.declare_task_queue()
    with Runtime(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        report = kid.run("again", kwargs={"countdown": 7}).report
        assert (report["state"], report["exception"]) == ("RETRY", "KeyError('first')")
        assert report["traceback"].rstrip().endswith("Retry in 7s: KeyError('first')")
        stored = runtime.stored(kid.id)
        assert stored is not None and stored["status"] == "RETRY"
        message = amqp.wait_message("celery")
        assert message.headers["id"] == kid.id and message.headers["retries"] == 1


def test_callbacks_and_the_chain_are_sent_on(tmp_path: Path, broker_url: str,
                                             amqp: Client) -> None:
    amqp.declare_task_queue()

    def signature(task: str) -> dict[str, Any]:
        return {"task": task, "args": [], "kwargs": {}, "options": {"task_id": task},
                "subtask_type": None, "immutable": False}
    with Runtime(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        embed = {**EMBED, "callbacks": [signature("python_child_app.echo")],
                 "chain": [signature("last.one"), signature("next.one")]}
        assert kid.run("add", 2, 3, embed=embed).state == "SUCCESS"
        sent = [amqp.wait_message("celery") for _ in range(2)]
        assert [message.headers["task"] for message in sent] == ["python_child_app.echo",
                                                                 "next.one"]
        assert all(json.loads(message.body)[0] == [5] for message in sent)
        assert sent[1].headers["parent_id"] == kid.id


# --- bodies ---

@pytest.mark.parametrize("name", ALL)
def test_each_accepted_serializer_is_decoded(kid: Kid, name: str) -> None:
    if name == "yaml":
        pytest.importorskip("yaml")
    triple: Any = ([2, 3], {}, EMBED)
    body = {"json": lambda: json.dumps(triple).encode(), "msgpack": lambda: msgpack.packb(triple),
            "pickle": lambda: pickle.dumps(triple),
            "yaml": lambda: json.dumps(triple).encode()}[name]()
    assert kid.run("add", body=body, properties=content(name)).report["result"] == "5"


def test_keyword_arguments_and_no_embed(kid: Kid) -> None:
    assert kid.run("add", 2, kwargs={"y": 40}, embed=None).report["result"] == "42"


@pytest.mark.parametrize("header,compress", [
    ("application/x-gzip", zlib.compress), ("zlib", zlib.compress),
    ("application/x-bz2", bz2.compress)])
def test_compressed_body_is_opened(kid: Kid, header: str, compress: Any) -> None:
    body = compress(json.dumps([[2, 3], {}, EMBED]).encode())
    assert kid.run("add", body=body, headers={"compression": header}).report["result"] == "5"


def test_body_of_protocol_1_is_taken(kid: Kid) -> None:
    body = json.dumps({"task": "ignored", "id": "ignored", "args": [2], "kwargs": {"y": 3},
                       "retries": 2, "callbacks": None, "errbacks": None}).encode()
    assert kid.run("add", body=body).report["result"] == "5"


@pytest.mark.parametrize("body,headers", [
    (b"[[2, 3], {", {}), (b"\xff\xfe", {}), (b"plain", {"compression": "application/x-gzip"}),
    (b"plain", {"compression": "no-such-codec"})])
def test_body_that_cannot_be_decoded_is_undecodable(kid: Kid, body: bytes,
                                                    headers: dict[str, Any]) -> None:
    report = kid.run("add", body=body, headers=headers).report
    assert report["state"] == "UNDECODABLE" and report["reason"]


@pytest.mark.parametrize("body", [
    b"[]", b"[[2, 3], {}]", b"7", b'"text"', b"", b"null", b"{}", b"[[2, 3], {}, 5]",
    b'{"args": [], "kwargs": 5}'])
def test_body_that_is_no_tasks_is_invalid(kid: Kid, body: bytes) -> None:
    report = kid.run("add", body=body).report
    assert report["state"] == "INVALID" and report["reason"]


@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/x-no"])
def test_content_type_that_the_app_refuses_is_invalid(tmp_path: Path, content_type: str) -> None:
    with Runtime(tmp_path) as runtime:
        kid = runtime.kid()
        body = pickle.dumps(([2, 3], {}, EMBED))
        report = kid.run("add", body=body, properties={"content_type": content_type}).report
        assert report["state"] == "INVALID" and report["reason"]


def test_keyword_arguments_that_are_none_fail_the_task(runtime: Runtime, kid: Kid) -> None:
    report = kid.run("add", kwargs=[1, 2]).report
    assert report["state"] == "FAILURE" and "InvalidTaskError" in report["exception"]
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["result"]["exc_type"] == "InvalidTaskError"


# --- the request ---

def test_request_is_what_celerys_worker_makes(runtime: Runtime, kid: Kid) -> None:
    kid.run("request", reply_to="replies", headers={"argsrepr": "()", "mine": "yes"},
            delivery_info={"exchange": "e", "routing_key": "r", "redelivered": True,
                           "priority": 3},
            properties={"priority": 3})
    stored = runtime.stored(kid.id)
    assert stored is not None
    fields = stored["result"]
    assert {name: fields[name] for name in (
        "id", "task", "args", "kwargs", "hostname", "is_eager", "called_directly", "reply_to",
        "correlation_id", "mine", "callbacks", "chain", "delivery_info", "root_id")} == {
            "id": kid.id, "task": "python_child_app.request", "args": [], "kwargs": {},
            "hostname": "celery@test", "is_eager": False, "called_directly": False,
            "reply_to": "replies", "correlation_id": kid.id, "mine": "yes", "callbacks": None,
            "chain": None, "root_id": kid.id,
            "delivery_info": {"exchange": "e", "routing_key": "r", "redelivered": True,
                              "priority": 3}}
    headers = fields["properties"].pop("application_headers")
    assert fields["properties"] == {
        "content_type": "application/json", "content_encoding": "utf-8", "priority": 3,
        "correlation_id": kid.id, "reply_to": "replies"}
    assert (headers["id"], headers["argsrepr"], headers["mine"]) == (kid.id, "()", "yes")
    assert "hostname" not in headers and "delivery_info" not in headers


def test_request_has_no_properties_that_the_message_has_not(runtime: Runtime, kid: Kid) -> None:
    kid.run("request", properties={"priority": None, "delivery_mode": 2})
    stored = runtime.stored(kid.id)
    assert stored is not None
    properties = stored["result"]["properties"]
    assert "reply_to" not in properties and "priority" not in properties
    assert properties["delivery_mode"] == 2 and stored["result"]["reply_to"] is None


def test_header_that_is_not_utf_8_arrives(kid: Kid) -> None:
    body = json.dumps([["strange"], {}, EMBED]).encode()
    name = "python_child_app.header"
    frame = pack(JOB, 7, 0, request_of(name, headers={"strange": "XX"}), body)
    assert frame.count(b"\xa2XX") == 1
    kid.stage()
    kid.sock.sendall(frame.replace(b"\xa2XX", b"\xa2\xff\xfe"))
    _, _, _, report, _ = kid.expect(RESULT)
    assert r"\udcff\udcfe" in report["result"]


def test_text_with_lone_surrogates_leaves_as_utf_8(kid: Kid) -> None:
    report = kid.run("fail", "\udcff\ud800").report
    assert report["state"] == "FAILURE"
    report["traceback"].encode()


# --- requests of the app's own ---

@pytest.mark.parametrize("how, state, told", [
    ("fail", "FAILURE", ["on_failure ValueError"]),
    ("retry", "RETRY", ["on_failure Retry"]),
    ("terminate", "IGNORED", [])])
def test_request_of_the_app_is_told_of_a_failure(tmp_path: Path, broker_url: str, how: str,
                                                 state: str, told: list[str]) -> None:
    with Runtime(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        assert kid.run("custom_end", how).state == state
        assert [note for note in runtime.notes() if note.startswith("on_")] == told
        assert [note for note in runtime.notes() if note.startswith("task_failure")] == \
            {"fail": ["task_failure python_child_app.custom_end ValueError ['fail']"],
             "terminate": ["task_failure python_child_app.custom_end Terminated ['terminate']"],
             "retry": []}[how]
        stored = runtime.stored(kid.id)
        assert stored is not None
        assert stored["status"] == {"IGNORED": "REVOKED"}.get(state, state)


def test_request_of_the_app_is_told_of_the_rest(runtime: Runtime, kid: Kid) -> None:
    before = len(runtime.notes())
    assert kid.run("eager", "x").report["result"] == "'x'"
    assert runtime.notes()[before:] == [f"on_accepted {kid.id} {kid.pid} True", "running",
                                        "on_success (0, \"'x'\")"]
    runtime.wait_log(f"The request class of task python_child_app.eager[{kid.id}] has failed")
    assert kid.run("add", 2, 3).report["result"] == "5"


# --- frames ---

def test_started_is_sent_before_the_task_and_only_if_asked(runtime: Runtime, kid: Kid) -> None:
    kid.send_job("sleep", 0.3, flags=WANT_STARTED)
    number, = kid.expect(STARTED, 0.25)
    assert kid.result().state == "SUCCESS"
    kid.send_job("noop")
    assert kid.expect(RESULT)[0] == number + 1


def test_memory_is_told_if_asked(kid: Kid) -> None:
    resident = int(Path(f"/proc/{kid.pid}/statm").read_text().split()[1]) * 4
    assert abs(kid.run("noop", flags=WANT_RSS).rss - resident) < 4096


@pytest.mark.parametrize("cut", [1, 3, 5, 100])
def test_frames_come_in_any_pieces(kid: Kid, cut: int) -> None:
    frames = b""
    for number in (11, 12, 13):
        kid.stage()
        body = json.dumps([[number, 0], {}, EMBED]).encode()
        frames += pack(JOB, number, 0, request_of("python_child_app.add"), body)
    kid.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for begin in range(0, len(frames), cut * 17):
        kid.sock.sendall(frames[begin:begin + cut * 17])
    for number in (11, 12, 13):
        job, _, _, report, _ = kid.expect(RESULT)
        assert (job, report["result"]) == (number, str(number))


def test_bodies_of_megabytes_come_and_go(runtime: Runtime, kid: Kid) -> None:
    for size in (60_000, 70_000, 5_000_000):
        assert kid.run("echo", "x" * size).state == "SUCCESS"
        stored = runtime.stored(kid.id)
        assert stored is not None and len(stored["result"]) == size


# --- what a task says ---

def test_log_lines_name_process_and_task(runtime: Runtime, kid: Kid) -> None:
    kid.run("speak", "hello")
    task = f"python_child_app.speak[{kid.id}]"
    runtime.wait_log(f"INFO/ForkPoolWorker-1] Task {task} succeeded in")
    runtime.wait_log(f"INFO/ForkPoolWorker-1] {task}: logged hello")
    runtime.wait_log("WARNING/ForkPoolWorker-1] hello")
