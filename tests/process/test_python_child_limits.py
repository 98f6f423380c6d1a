# SPDX-License-Identifier: BSD-3-Clause
"""Soft time limits in a Python child."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Iterator

import pytest

from native_driver import STARTED, WANT_STARTED
from python_child import Kid, Runtime


@pytest.fixture(scope="module", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("runtime"),
                 environment={"CHILD_APP_SLOW": "0.5"}) as runtime:
        yield runtime


@pytest.fixture(scope="module", name="kid")
def _kid(runtime: Runtime) -> Kid:
    return runtime.kid()


def begin(runtime: Runtime, kid: Kid, task: str, *args: object, soft: float | None) -> None:
    """Send a job and wait until its task runs."""
    before = len(runtime.notes())
    kid.send_job(task, *args, flags=WANT_STARTED, timelimit=[None, soft])
    kid.expect(STARTED)
    while len(runtime.notes()) == before:
        time.sleep(0.005)


def test_task_is_told_of_its_limit(runtime: Runtime, kid: Kid) -> None:
    begin(runtime, kid, "sleep", 30, soft=0.1)
    time.sleep(0.1)
    kid.soft_limit()
    report = kid.result(5).report
    assert (report["state"], report["exception"]) == ("FAILURE", "SoftTimeLimitExceeded()")
    stored = runtime.stored(kid.id)
    assert stored is not None
    assert stored["result"] == {"exc_type": "SoftTimeLimitExceeded", "exc_message": [],
                                "exc_module": "billiard.exceptions"}


def test_request_of_the_app_is_told_of_the_limit(runtime: Runtime, kid: Kid) -> None:
    begin(runtime, kid, "custom_end", "sleep", soft=1.0)
    time.sleep(1)
    kid.soft_limit()
    assert kid.result(5).report["exception"] == "SoftTimeLimitExceeded()"
    assert runtime.notes()[-3:] == [
        "task_failure python_child_app.custom_end SoftTimeLimitExceeded ['sleep']",
        "on_timeout True 1", "on_failure SoftTimeLimitExceeded"]
    assert kid.run("custom_end", "fail").state == "FAILURE"
    assert runtime.notes()[-2:] == ["task_failure python_child_app.custom_end ValueError ['fail']",
                                    "on_failure ValueError"]


def test_signal_of_a_job_that_has_ended_spares_the_next(runtime: Runtime, kid: Kid) -> None:
    """A stale signal comes early in the next job, which therefore must not take it for its own."""
    begin(runtime, kid, "sleep", 0.3, soft=10)
    for _ in range(5):
        kid.soft_limit()
        time.sleep(0.01)
    assert kid.result().report["result"] == "'slept'"


def test_signal_spares_a_job_without_a_limit(runtime: Runtime, kid: Kid) -> None:
    begin(runtime, kid, "sleep", 0.2, soft=None)
    kid.soft_limit()
    assert kid.result().report["result"] == "'slept'"


def test_signal_spares_an_idle_child(kid: Kid) -> None:
    kid.run("noop", timelimit=[None, 0.001])
    for _ in range(20):
        kid.soft_limit()
    assert kid.run("add", 2, 3).report["result"] == "5"


def test_task_is_told_once(runtime: Runtime, kid: Kid) -> None:
    begin(runtime, kid, "swallow", 0.4, soft=0.05)
    time.sleep(0.05)
    for _ in range(5):
        kid.soft_limit()
        time.sleep(0.02)
    assert kid.result().report["result"] == "1"


def test_signal_that_comes_a_little_early_counts(runtime: Runtime, kid: Kid) -> None:
    """The main process rounds to milliseconds, and sends it once."""
    kid.send_job("sleep", 30, flags=WANT_STARTED, timelimit=[None, 0.3])
    kid.expect(STARTED)
    time.sleep(0.295)
    kid.soft_limit()
    assert kid.result(5).state == "FAILURE"


@pytest.mark.parametrize("fails,state", [(False, "SUCCESS"), (True, "FAILURE")])
def test_limit_does_not_spoil_what_has_ended(runtime: Runtime, kid: Kid, fails: bool,
                                             state: str) -> None:
    begin(runtime, kid, "slow_end", fails, soft=0.01)
    time.sleep(0.1)
    kid.soft_limit()
    report = kid.result().report
    assert report["state"] == state
    assert report.get("exception") == ("ValueError('fails')" if fails else None)
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["status"] == state


def test_handler_of_an_earlier_task_is_replaced(runtime: Runtime, tmp_path: Path) -> None:
    kid = runtime.kid(2)
    kid.run("make_a_mess", str(tmp_path))
    begin(runtime, kid, "sleep", 30, soft=0.05)
    time.sleep(0.05)
    kid.soft_limit()
    assert kid.result(5).state == "FAILURE"


def test_signals_at_any_moment_lose_no_job(kid: Kid) -> None:
    """Each job ends as a success or by its limit, whenever the signal comes."""
    deadline = time.monotonic() + 3
    states = set()
    while time.monotonic() < deadline:
        kid.send_job("noop", timelimit=[None, 0.0001])
        kid.soft_limit()
        os.kill(kid.pid, signal.SIGUSR1)
        result = kid.result()
        states.add(result.state)
        if result.state == "FAILURE":
            assert result.report["exception"] == "SoftTimeLimitExceeded()"
    assert "SUCCESS" in states and states <= {"SUCCESS", "FAILURE"}
