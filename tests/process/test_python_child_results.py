# SPDX-License-Identifier: BSD-3-Clause
"""rpc:// results: what a Python child leaves to the main process, and what it publishes itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from python_child import Kid, Runtime
from support.amqp import Client


@pytest.fixture(name="queue")
def _queue(amqp: Client) -> str:
    """Where results go."""
    return amqp.declare("replies")


def rpc(folder: Path, **conf: Any) -> Runtime:
    """With rpc:// results; there is no broker unless one is named."""
    return Runtime(folder, result_backend="rpc://", **conf)


def published(amqp: Client, queue: str, count: int) -> list[dict[str, Any]]:
    """So many results of the queue, which must have no more."""
    found = [json.loads(amqp.wait_message(queue).body) for _ in range(count)]
    assert amqp.get(queue) is None
    return found


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_success_is_left_to_the_main_process(tmp_path: Path, serializer: str) -> None:
    with rpc(tmp_path, result_serializer=serializer) as runtime:
        kid = runtime.kid()
        result = kid.run("echo", {"a": ["\u20ac", None, 1.5]}, reply_to="q")
        assert result.state == "SUCCESS"
        meta = (json.loads if serializer == "json" else msgpack.unpackb)(result.document)
        assert (meta["task_id"], meta["status"], meta["result"], meta["traceback"],
                meta["children"]) == (kid.id, "SUCCESS", {"a": ["\u20ac", None, 1.5]}, None, [])


def test_failure_is_left_to_the_main_process(tmp_path: Path) -> None:
    with rpc(tmp_path) as runtime:
        kid = runtime.kid()
        result = kid.run("fail", "bad", reply_to="q")
        assert result.state == "FAILURE"
        assert result.error == "builtins.ValueError: bad"
        assert result.meta["traceback"] == result.report["traceback"]
        assert kid.run("unserializable", reply_to="q").error.startswith(
            "kombu.exceptions.EncodeError: ")
        assert kid.run("add", 2, 3, reply_to="q").meta["result"] == 5


def test_nothing_is_left_where_nobody_waits(tmp_path: Path) -> None:
    with rpc(tmp_path) as runtime:
        kid = runtime.kid()
        assert kid.run("add", 2, 3).document == b""
        assert kid.run("quiet", reply_to="q").document == b""
        assert kid.run("add", 2, 3, reply_to="q", headers={"ignore_result": True}).document == b""
        assert kid.run("ignore", reply_to="q").document == b""
        assert kid.run("add", 2, 3, reply_to="q").meta["result"] == 5


@pytest.mark.parametrize("task,states", [
    ("started", ["STARTED", "SUCCESS"]), ("progress", ["PROGRESS", "SUCCESS"]),
    ("late", ["SUCCESS", "AFTERWARDS"])])
def test_states_keep_their_order(tmp_path: Path, broker_url: str, amqp: Client, queue: str,
                                 task: str, states: list[str]) -> None:
    with rpc(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        result = kid.run(task, reply_to=queue)
        assert (result.state, result.document) == ("SUCCESS", b"")
        assert [meta["status"] for meta in published(amqp, queue, 2)] == states
        assert kid.run("add", 2, 3, reply_to=queue).meta["result"] == 5


def test_result_that_goes_elsewhere_is_published_there(tmp_path: Path, broker_url: str,
                                                       amqp: Client, queue: str) -> None:
    with rpc(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        assert kid.run("redirect", queue, reply_to="elsewhere").document == b""
        assert published(amqp, queue, 1)[0]["result"] == "redirected"


def test_retry_is_published_at_once(tmp_path: Path, broker_url: str, amqp: Client,
                                    queue: str) -> None:
    amqp.declare_task_queue()
    with rpc(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        result = kid.run("again", reply_to=queue)
        assert (result.state, result.document) == ("RETRY", b"")
        assert published(amqp, queue, 1)[0]["status"] == "RETRY"
        assert amqp.wait_message("celery").properties["reply_to"] == queue


def test_document_is_what_celery_would_publish(tmp_path: Path, broker_url: str, amqp: Client,
                                               queue: str) -> None:
    """A task that has stored a state before publishes its result itself."""
    with rpc(tmp_path, broker_url=broker_url) as runtime:
        kid = runtime.kid()
        kid.run("progress", reply_to=queue, id="same")
        theirs = published(amqp, queue, 2)[1]
        ours = kid.run("echo", "done", reply_to=queue, id="same").meta
        theirs.pop("date_done", None)
        ours.pop("date_done", None)
        assert ours == theirs


@pytest.mark.parametrize("event,status,exception", [
    ({"event": "failure", "exception": "TimeLimitExceeded", "argument": 5.0}, "FAILURE",
     {"exc_type": "TimeLimitExceeded", "exc_message": [5.0],
      "exc_module": "billiard.exceptions"}),
    ({"event": "revoked", "reason": "expired", "terminated": False, "signum": None,
      "expired": True}, "REVOKED",
     {"exc_type": "TaskRevokedError", "exc_message": ["expired"],
      "exc_module": "celery.exceptions"}),
    ({"event": "unknown"}, "FAILURE",
     {"exc_type": "NotRegistered", "exc_message": ["python_child_app.noop"],
      "exc_module": "celery.exceptions"})])
def test_records_are_left_to_the_main_process(tmp_path: Path, event: dict[str, Any], status: str,
                                              exception: dict[str, Any]) -> None:
    with rpc(tmp_path) as runtime:
        kid: Kid = runtime.kid()
        result = kid.record("noop", reply_to="q", **event)
        assert result.report == {"state": "SUCCESS"}
        assert (result.meta["task_id"], result.meta["status"]) == (kid.id, status)
        assert result.meta["result"] == exception
        assert result.meta["traceback"] is None
