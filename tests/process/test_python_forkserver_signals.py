# SPDX-License-Identifier: BSD-3-Clause
"""Celery's signals, delivered to the app's handlers in the forkserver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from native_driver import request_of
from python_driver import LEAVE, Python

APP = """
import sys
from celery import Celery, signals
app = Celery("proj", broker="amqp://")
def say(*values):
    print("SAY", *values, file=sys.__stderr__, flush=True)
@app.task
def add(x, y):
    return x + y
"""
TRIPLE = [[1, 2], {"z": 3}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def delivered(folder: Path, text: str, name: str, **arguments: Any) -> list[str]:
    """What the handlers have said when a signal had been delivered and the forkserver had left."""
    (folder / "proj.py").write_text(APP + text)
    with Python("proj", folder) as runtime:
        assert name in runtime.description["signals"]
        runtime.signal(name, **arguments)
        assert runtime.leave() == 0
        log = runtime.read_log()
    said = [line[4:] for line in log.splitlines() if line.startswith("SAY ")]
    return said or [log]


def task_signal(body: Any = None, **request: Any) -> dict[str, Any]:
    """The arguments of a signal about a message."""
    return {"request": request_of("proj.add", **request), "reason": None,
            "body": json.dumps(TRIPLE if body is None else body).encode()}


def test_only_signals_with_handlers_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text(APP)
    with Python("proj", tmp_path) as runtime:
        assert runtime.description["signals"] == []
    (tmp_path / "proj.py").write_text(APP + """
def gone(**kwargs): pass
signals.worker_ready.connect(gone)
del gone
def handler(**kwargs): pass
signals.task_unknown.connect(handler)
signals.task_received.connect(handler, sender="somebody")
signals.task_success.connect(handler)
signals.worker_shutdown.connect(handler)
""")
    with Python("proj", tmp_path) as runtime:
        assert runtime.description["signals"] == ["task_received", "task_unknown"]


def test_worker_ready_has_a_consumer_as_its_sender(tmp_path: Path) -> None:
    assert delivered(tmp_path, """
from celery.worker.consumer import Consumer
@signals.worker_ready.connect
def ready(sender, signal, **kwargs):
    say(isinstance(sender, Consumer), sender.app is app, sender.hostname, sender.pid > 0)
    say(sender.controller, sender.controller.concurrency > 0, sender.connection.connected, kwargs)
""", "worker_ready") == ["True True celery@test True", "celery@test True False {}"]


def test_worker_shutting_down_says_how(tmp_path: Path) -> None:
    assert delivered(tmp_path, """
@signals.worker_shutting_down.connect
def leaving(sender, sig, how, exitcode, **kwargs):
    say(sender, sig, how, exitcode)
""", "worker_shutting_down", sig="TERM", how="Warm", exitcode=0) == ["celery@test TERM Warm 0"]


def test_worker_shutdown_comes_last(tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text(APP + """
from celery.worker import WorkController
@signals.worker_shutdown.connect
def last(sender, **kwargs):
    say("shutdown", isinstance(sender, WorkController), sender.hostname)
@signals.worker_process_shutdown.connect
def child(pid, exitcode, **kwargs):
    say("child", exitcode)
""")
    with Python("proj", tmp_path) as runtime:
        child = runtime.spawn()
        runtime.server.send(LEAVE)
        child.send(LEAVE)
        assert runtime.exited(child)[0] == 0
        assert runtime.wait() == 0
        said = [line for line in runtime.read_log().splitlines() if line.startswith("SAY ")]
    assert said == ["SAY child 0", "SAY shutdown True celery@test"]


RECEIVED = """
@signals.task_received.connect
def received(sender, request, **kwargs):
    say(sender.hostname, type(request).__qualname__, request.id, request.name, request.task_id)
    say(request.args, request.kwargs, request.task is app.tasks["proj.add"], request.hostname)
    say(request.delivery_info["routing_key"], request.correlation_id, request.reply_to)
"""
ID = "5a1e6b1c-0000-4000-8000-000000000001"


def test_task_received_has_celerys_request(tmp_path: Path) -> None:
    assert delivered(tmp_path, RECEIVED, "task_received",
                     **task_signal(properties={"reply_to": "r"})) == [
        f"celery@test Request {ID} proj.add {ID}", "[1, 2] {'z': 3} True celery@test",
        f"celery {ID} r"]


def test_task_received_knows_protocol_1(tmp_path: Path) -> None:
    request = task_signal({"task": "proj.add", "id": ID, "args": [1, 2], "kwargs": {"z": 3},
                           "retries": 0, "utc": True})
    request["request"]["headers"] = {}
    assert delivered(tmp_path, RECEIVED, "task_received", **request)[:2] == [
        f"celery@test Request {ID} proj.add {ID}", "[1, 2] {'z': 3} True celery@test"]


def test_task_received_has_the_tasks_own_request(tmp_path: Path) -> None:
    assert delivered(tmp_path, """
from celery import Task
from celery.worker.request import Request
class MyRequest(Request):
    pass
add.Request = "proj:MyRequest"
""" + RECEIVED, "task_received", **task_signal())[0].startswith("celery@test MyRequest ")


def test_task_received_opens_compressed_and_binary_bodies(tmp_path: Path) -> None:
    import zlib
    import msgpack
    signal = task_signal(serializer="msgpack", headers={"compression": "application/x-gzip"})
    signal["body"] = zlib.compress(msgpack.packb(TRIPLE))
    text = "app.conf.accept_content = ['msgpack']\n" + RECEIVED
    assert delivered(tmp_path, text, "task_received", **signal)[1] \
        == "[1, 2] {'z': 3} True celery@test"


def test_task_unknown_has_the_message(tmp_path: Path) -> None:
    assert delivered(tmp_path, """
@signals.task_unknown.connect
def unknown(sender, message, exc, name, id, **kwargs):
    say(sender.hostname, name, id, repr(exc), message.headers["task"], message.body)
    say(message.properties["correlation_id"], message.content_type, message.delivery_info)
""", "task_unknown", **{"request": request_of("no.such"), "body": b"x", "reason": None}) == [
        f"celery@test no.such {ID} KeyError('no.such') no.such b'x'",
        f"{ID} application/json {{'exchange': '', 'routing_key': 'celery', 'redelivered': False, "
        "'priority': None}"]


@pytest.mark.parametrize("reason,said", [(None, "None"), ("bad", "InvalidTaskError('bad')")])
def test_task_rejected_has_the_message_and_the_reason(tmp_path: Path, reason: str | None,
                                                      said: str) -> None:
    request = request_of("no.such")
    request.update(task=None, id=None, headers=None)
    assert delivered(tmp_path, """
@signals.task_rejected.connect
def rejected(sender, message, exc, **kwargs):
    say(sender.hostname, repr(exc), message.body, message.headers)
""", "task_rejected", request=request, body=b"x", reason=reason) == [
        f"celery@test {said} b'x' {{}}"]


@pytest.mark.parametrize("error", ["ValueError('mine')", "SystemExit('mine')"])
def test_an_error_of_a_handler_is_logged_and_no_more(tmp_path: Path, error: str) -> None:
    (tmp_path / "proj.py").write_text(APP + f"""
@signals.worker_ready.connect
def first(**kwargs):
    raise {error}
@signals.worker_shutting_down.connect
def second(**kwargs):
    say("second")
""")
    with Python("proj", tmp_path) as runtime:
        runtime.signal("worker_ready")
        runtime.signal("worker_shutting_down", sig="TERM", how="Warm", exitcode=0)
        runtime.wait_log("SAY second")
        assert runtime.leave() == 0
        log = runtime.read_log()
    assert "ERROR/MainProcess]" in log and f"{error.partition('(')[0]}: mine" in log


@pytest.mark.parametrize("body", [b"no json", b"[1, 2]", b"7"])
def test_a_message_that_cannot_be_read_has_not_been_received(tmp_path: Path, body: bytes) -> None:
    log, = delivered(tmp_path, RECEIVED, "task_received", **{**task_signal(), "body": body})
    assert "/MainProcess]" not in log


def test_a_signal_that_cannot_be_delivered_is_logged(tmp_path: Path) -> None:
    log, = delivered(tmp_path, RECEIVED + "add.Request = 'proj:NoSuch'\n", "task_received",
                     **task_signal())
    assert "Signal task_received cannot be delivered" in log
