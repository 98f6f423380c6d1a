# SPDX-License-Identifier: BSD-3-Clause
"""Records: what a Python child writes down of a task that it does not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import pytest

from native_driver import STARTED, WANT_STARTED
from python_child import EMBED, Kid, Runtime
from support.redis import Redis

LOST: dict[str, Any] = {"event": "failure", "exception": "WorkerLostError",
                        "argument": "Worker exited: signal 9"}
LIMIT: dict[str, Any] = {"event": "failure", "exception": "TimeLimitExceeded", "argument": 5}
EXPIRED: dict[str, Any] = {"event": "revoked", "reason": "expired", "terminated": False,
                           "signum": None, "expired": True}
TERMINATED: dict[str, Any] = {"event": "revoked", "reason": "terminated", "terminated": True,
                              "signum": 15, "expired": False}
SUCCESS = {"state": "SUCCESS"}
ERRBACK = {"task": "python_child_app.errback", "args": [], "kwargs": {}, "options": {},
           "subtask_type": None, "immutable": False}


@pytest.fixture(scope="module", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("runtime")) as runtime:
        yield runtime


@pytest.fixture(scope="module", name="kid")
def _kid(runtime: Runtime) -> Kid:
    return runtime.kid()


def error_of(runtime: Runtime, kid: Kid, status: str) -> tuple[str, list[Any]]:
    """Type and arguments of the stored exception of the last job."""
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["status"] == status
    assert stored["traceback"] is None
    return stored["result"]["exc_type"], stored["result"]["exc_message"]


@pytest.mark.parametrize("task", ["fail", "careful"])
def test_lost_task_has_failed_whatever_becomes_of_its_message(runtime: Runtime, kid: Kid,
                                                              task: str) -> None:
    assert kid.record(task, 3, **LOST).report == SUCCESS
    assert error_of(runtime, kid, "FAILURE") == ("WorkerLostError", [LOST["argument"]])
    assert f"task_failure python_child_app.{task} WorkerLostError [3]" in runtime.notes()
    runtime.wait_log(f"Task handler raised error: WorkerLostError('{LOST['argument']}'")


@pytest.mark.parametrize("task", ["noop", "careful"])
def test_task_over_its_hard_limit_has_failed(runtime: Runtime, kid: Kid, task: str) -> None:
    assert kid.record(task, **LIMIT).report == SUCCESS
    assert error_of(runtime, kid, "FAILURE") == ("TimeLimitExceeded", [5])
    assert f"task_failure python_child_app.{task} TimeLimitExceeded []" in runtime.notes()


def test_task_that_is_recorded_can_run_afterwards(runtime: Runtime, kid: Kid) -> None:
    kid.record("careful", **LOST)
    assert kid.run("careful").state == "SUCCESS"
    assert kid.record("careful", **LOST).report == SUCCESS


@pytest.mark.parametrize("headers,argument,stored", [
    ({}, 7.0, "7"), ({"timelimit": [9, None]}, 9.0, "9"), ({}, 8.0, "8.0"),
    ({"timelimit": [9.0, None]}, 9.0, "9.0")])
def test_limit_is_shown_as_it_was_written(runtime: Runtime, kid: Kid, headers: dict[str, Any],
                                          argument: float, stored: str) -> None:
    kid.record("custom", headers=headers, **{**LIMIT, "argument": argument})
    assert repr(error_of(runtime, kid, "FAILURE")[1]) == f"[{stored}]"


def test_requests_of_the_app_are_told_but_all_is_done_once(runtime: Runtime, kid: Kid) -> None:
    before = len(runtime.notes())
    embed = {**EMBED, "errbacks": [ERRBACK]}
    assert kid.record("custom", embed=embed, **{**LIMIT, "argument": 7.0}).report == SUCCESS
    assert runtime.notes()[before:] == [
        f"errback {kid.id} TimeLimitExceeded",
        "task_failure python_child_app.custom TimeLimitExceeded []",
        "on_failure ExceptionWithTraceback", "on_timeout False 7"]
    assert kid.run("custom").state == "SUCCESS"


@pytest.mark.parametrize("event,signal", [(EXPIRED, "False None True"),
                                          (TERMINATED, "True 15 False")])
def test_revoked_task_is_revoked(runtime: Runtime, kid: Kid, event: dict[str, Any],
                                 signal: str) -> None:
    assert kid.record("noop", **event).report == SUCCESS
    assert error_of(runtime, kid, "REVOKED") == ("TaskRevokedError", [event["reason"]])
    assert f"task_revoked python_child_app.noop {kid.id} {signal}" in runtime.notes()


def test_unknown_task_is_not_registered(runtime: Runtime, kid: Kid) -> None:
    assert kid.record("no.such", event="unknown").report == SUCCESS
    assert error_of(runtime, kid, "FAILURE") == ("NotRegistered", ["no.such"])
    assert "task_unknown" not in runtime.notes()  # the forkserver's


def test_ignored_result_stays_ignored(runtime: Runtime, kid: Kid) -> None:
    for event in (LOST, LIMIT, EXPIRED):
        assert kid.record("quiet", **event).report == SUCCESS
        assert runtime.stored(kid.id) is None


def test_errbacks_of_a_lost_task_are_called(runtime: Runtime, kid: Kid) -> None:
    kid.record("noop", embed={**EMBED, "errbacks": [ERRBACK]}, **LOST)
    assert f"errback {kid.id} WorkerLostError" in runtime.notes()


def test_body_that_cannot_be_opened_is_no_reason_to_be_silent(runtime: Runtime, kid: Kid) -> None:
    for event, status in ((LOST, "FAILURE"), (EXPIRED, "REVOKED")):
        assert kid.record("noop", body=b"{", **event).report == SUCCESS
        error_of(runtime, kid, status)
        kid.record("noop", headers={"expires": "no date"}, **event)
        error_of(runtime, kid, status)


def test_started_comes_before_a_record_too(kid: Kid) -> None:
    number = kid.send_job("noop", flags=WANT_STARTED, record=EXPIRED)
    assert kid.expect(STARTED) == [number]
    assert kid.result().report == SUCCESS


@pytest.mark.parametrize("event", [LOST, EXPIRED, {"event": "no.such"}, {}])
def test_record_that_fails_says_so(tmp_path: Path, event: dict[str, Any]) -> None:
    with Runtime(tmp_path) as runtime:
        kid = runtime.kid()
        runtime.results.rmdir()
        kid.send_job("noop", record=event)
        report = kid.result().report
        assert report["state"] == "FAILURE" and report["exception"]
        runtime.wait_log("could not be stored")


def test_part_of_a_chord_that_is_lost_fails_the_chord(tmp_path: Path, redis: Redis) -> None:
    """The last part of a chord of one: the body is told that it will never run."""
    with Runtime(tmp_path, result_backend=redis.url) as runtime:
        kid = runtime.kid()
        body = {"task": "python_child_app.echo", "args": [], "kwargs": {},
                "options": {"task_id": f"body-{tmp_path.name}"}, "subtask_type": None,
                "immutable": False}
        group = f"group-{tmp_path.name}"
        with redis.client() as client:
            client.set(f"celery-taskset-meta-{group}.s", 1)
            kid.record("noop", embed={**EMBED, "chord": body},
                       headers={"group": group, "group_index": 0}, **LOST)
            part = json.loads(client.get(f"celery-task-meta-{kid.id}") or b"{}")
            whole = json.loads(client.get(f"celery-task-meta-body-{tmp_path.name}") or b"{}")
        assert part["result"]["exc_type"] == "WorkerLostError"
        assert (whole["status"], whole["result"]["exc_type"]) == ("FAILURE", "ChordError")
