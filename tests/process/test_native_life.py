# SPDX-License-Identifier: BSD-3-Clause
"""Every end that a native task can have, and the messages and states on the way there."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Iterator

import pytest

from native_driver import PUBLISH, STORE, Child, Native, compile_library

TASKS = Path(__file__).with_name("native_life_tasks.c")
ID = "5a1e6b1c-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """A forkserver with the tasks of native_life_tasks.c."""
    with Native(compile_library(TASKS, tmp_path_factory.mktemp("life"))) as one:
        one.spawn()
        yield one


@pytest.fixture
def child(native: Native) -> Child:
    """Its child."""
    return native.children[0]


def seconds_until(text: str) -> float:
    """How far away an eta is."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", text)
    return (datetime.fromisoformat(text) - datetime.now(timezone.utc)).total_seconds()


# --- retry ---

def test_retry_sends_the_message_again_and_stores_retry(child: Child) -> None:
    deaths = {"x-death": [{"count": 1}], "x-first-death-queue": "q", "x-last-death-reason": "r"}
    own = {"lang": "py", "task": "t.retry", "id": ID, "retries": 1, "eta": "2020-01-01T00:00:00",
           "expires": "2099-01-01T00:00:00+00:00", "group": "g", "group_index": 4,
           "timelimit": [30, None], "root_id": "root", "parent_id": "parent", "argsrepr": "(10,)",
           "kwargsrepr": "{'cause': True}", "origin": "gen1@h", "ignore_result": False,
           "replaced_task_nesting": 2, "stamped_headers": ["s"], "stamps": {"s": "1"},
           "mine": {"deep": [1]}, "shadow": "t.shadow"}
    number = child.send_job("t.retry", 10, kwargs={"cause": True}, headers={**own, **deaths},
                            properties={"reply_to": "answers", "priority": 6},
                            embed={"callbacks": None, "errbacks": None, "chain": [], "chord": None})
    result = child.result()
    assert number and result.state == "RETRY" and result.document == b""
    assert result.report["exception"] == "KeyError('tmp')"
    assert "native_life_tasks.c" in result.report["traceback"]
    message, state = result.sent
    assert (message.kind, state.kind) == (PUBLISH, STORE)
    headers = message.headers
    assert 9 < seconds_until(headers.pop("eta")) <= 10
    assert headers == {key: value for key, value in {**own, "retries": 2}.items() if key != "eta"}
    left = datetime(2099, 1, 1, tzinfo=timezone.utc) - datetime.now(timezone.utc)
    expiration = int(message.message["expiration"])
    assert abs(expiration - left / timedelta(milliseconds=1)) < 5000
    assert {key: value for key, value in message.message.items()
            if key not in ("headers", "expiration")} == {
        "queue": "celery", "content_type": "application/json", "content_encoding": "utf-8",
        "correlation_id": ID, "reply_to": "answers", "priority": 6}
    assert message.body == [[10], {"cause": True}, {"callbacks": None, "errbacks": None,
                                                    "chain": [], "chord": None}]
    assert state.frame[2:4] == [ID, "RETRY"]
    assert state.meta["status"] == "RETRY" and state.meta["date_done"] is None
    assert state.meta["result"] == {"exc_type": "KeyError", "exc_message": ["tmp"],
                                    "exc_module": "builtins"}
    assert state.meta["traceback"] == result.report["traceback"]


def test_retry_at_once_has_no_eta_and_no_cause(child: Child) -> None:
    result = child.run("t.retry", 0)
    assert result.published[0].headers["eta"] is None
    assert result.published[0].headers["parent_id"] == ID
    assert result.stored[0].meta["result"] is None
    assert result.report["exception"] == "None"


@pytest.mark.parametrize("task, delay", [("t.retry", 180), ("t.delayed", 7)])
def test_retry_without_a_countdown_waits_for_the_default_delay(
        child: Child, task: str, delay: float) -> None:
    eta = child.run(task).published[0].headers["eta"]
    assert delay - 1 < seconds_until(eta) <= delay


def test_a_retried_message_goes_back_to_its_exchange(child: Child) -> None:
    message = child.run("t.retry", 0, delivery_info={"exchange": "topic", "routing_key": "a.b"}
                        ).published[0].message
    assert (message["exchange"], message["routing_key"]) == ("topic", "a.b")
    assert "queue" not in message


def test_a_body_is_sent_again_as_it_came(child: Child) -> None:
    body = b'[[0], {}, {"chain": null,   "x": 1.50}]'
    child.send_job("t.retry", body=body)
    assert child.result().published[0].frame[3] == body


@pytest.mark.parametrize("most, retries, retried", [
    (0, 2, True), (0, 3, False), (1, 0, True), (1, 1, False), (-1, 0, False), (-2, 9999, True)])
def test_retries_come_to_an_end(child: Child, most: int, retries: int, retried: bool) -> None:
    result = child.run("t.retry", 0, most, headers={"retries": retries})
    assert result.state == ("RETRY" if retried else "FAILURE")
    if not retried:
        assert result.sent == []
        assert result.error == "celery.exceptions.MaxRetriesExceededError: Can't retry " \
            f"t.retry[{ID}] args:(0, {most}) kwargs:{{}}"


def test_the_cause_is_what_remains_without_retries(child: Child) -> None:
    result = child.run("t.retry", 0, -1, True)
    assert result.error == "builtins.KeyError: tmp"


@pytest.mark.parametrize("retries, delay", [(0, 2), (1, 4), (4, 32), (5, 60), (9, 60)])
def test_automatic_retries_back_off(child: Child, retries: int, delay: int) -> None:
    result = child.run("t.auto", headers={"retries": retries})
    assert result.state == "RETRY" and result.report["exception"] == "ValueError('bad thing')"
    assert delay - 1 < seconds_until(result.published[0].headers["eta"]) <= delay


def test_automatic_retries_end_with_the_exception(child: Child) -> None:
    assert child.run("t.auto", headers={"retries": 10}).error == "builtins.ValueError: bad thing"


def test_jitter_stays_within_the_backoff(child: Child) -> None:
    etas = [child.run("t.jitter").published[0].headers["eta"] for _ in range(30)]
    delays = [0 if eta is None else round(seconds_until(eta)) for eta in etas]
    assert set(delays) <= {0, 1, 2, 3, 4} and len(set(delays)) > 1


def test_other_exceptions_are_not_retried(child: Child) -> None:
    assert child.run("t.unlisted").error == "builtins.ValueError: bad thing"


def test_an_ignored_result_stores_no_retry(child: Child) -> None:
    result = child.run("t.retry", 0, ignore_result=True)
    assert len(result.published) == 1 and result.stored == []


# --- other ends ---

def test_ignored_and_rejected_tasks_leave_nothing(child: Child) -> None:
    for task, args, report in (("t.ignore", [], {"state": "IGNORED"}),
                               ("t.reject", [], {"state": "REJECTED", "requeue": False}),
                               ("t.reject", [True], {"state": "REJECTED", "requeue": True}),
                               ("t.undecided", [], {"state": "IGNORED"})):
        result = child.run(task, *args, embed={"callbacks": [{"task": "t.other"}]})
        del result.report["runtime"]
        assert (result.report, result.document, result.sent) == (report, b"", [])


# --- states ---

def test_update_state_stores_a_state_of_its_own(child: Child) -> None:
    result = child.run("t.progress", headers={"group": "g", "parent_id": "p"})
    state, = result.sent
    assert state.frame[2:4] == [ID, "PROGRESS"]
    assert state.meta == {"status": "PROGRESS", "result": {"done": 50}, "traceback": None,
                          "children": [], "date_done": None, "group_id": "g", "parent_id": "p",
                          "task_id": ID}
    assert result.value == 100


def test_started_is_stored_where_it_is_tracked(child: Child) -> None:
    state, = child.run("t.echo", 1, track_started=True).sent
    assert state.meta["status"] == "STARTED"
    assert state.meta["result"] == {"pid": child.pid, "hostname": "w1@test"}
    assert len(child.run("t.tracked", 1).sent) == 1
    assert child.run("t.echo", 1).sent == []
    assert child.run("t.echo", 1, track_started=True, ignore_result=True).sent == []


def test_errors_may_be_stored_though_results_are_ignored(child: Child) -> None:
    assert child.run("t.fail", ignore_result=True).document == b""
    kept = child.run("t.fail", ignore_result=True, store_errors_even_if_ignored=True)
    assert kept.meta["status"] == "FAILURE"
    assert child.run("t.kept", ignore_result=True).meta["status"] == "FAILURE"
    assert child.run("t.echo", 1, ignore_result=True,
                     store_errors_even_if_ignored=True).document == b""


def test_extended_results_tell_of_the_call(child: Child) -> None:
    meta = child.run("t.add", 1, kwargs={"y": 2}, result_extended=True,
                     headers={"retries": 2}).meta
    assert {key: meta[key] for key in ("name", "args", "kwargs", "worker", "retries", "queue")} == {
        "name": "t.add", "args": [1], "kwargs": {"y": 2}, "worker": "w1@test", "retries": 2,
        "queue": "celery"}
    assert "name" not in child.run("t.add", 1, 2).meta


# --- sending tasks ---

def test_a_sent_task_has_the_headers_of_celery(child: Child) -> None:
    result = child.run("t.send_plain", headers={"root_id": "root"})
    sent, = result.published
    headers = sent.headers
    assert re.fullmatch(r"gen\d+@.+", headers.pop("origin"))
    assert headers.pop("lang")
    assert headers == {
        "task": "t.other", "id": result.value, "shadow": None, "eta": None, "expires": None,
        "group": None, "group_index": None, "retries": 0, "timelimit": [None, None],
        "root_id": "root", "parent_id": ID, "argsrepr": "(2,)", "kwargsrepr": "{}",
        "ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}}
    assert sent.frame[3] == b'[[2], {}, {"callbacks": null, "errbacks": null, "chain": null, ' \
                            b'"chord": null}]'
    assert {key: value for key, value in sent.message.items()
            if value is not None and key != "headers"} == {
        "content_type": "application/json", "content_encoding": "utf-8",
        "correlation_id": result.value}
    assert result.meta["children"] == [[[result.value, None], None]]


def test_a_sent_task_has_the_options_it_was_given(child: Child) -> None:
    sent, = child.run("t.send_full").published
    headers, message = sent.headers, sent.message
    assert 9 < seconds_until(headers["eta"]) <= 10
    assert 59 < seconds_until(headers["expires"]) <= 60
    assert {key: headers[key] for key in ("id", "timelimit", "ignore_result", "shadow", "mine",
                                          "kwargsrepr")} == {
        "id": "id-1", "timelimit": [30, 12.5], "ignore_result": True, "shadow": "t.shadow",
        "mine": 1, "kwargsrepr": "{'k': 'v\\'\"\\n'}"}
    assert {key: message.get(key) for key in ("queue", "priority", "reply_to", "content_type",
                                              "content_encoding", "expiration")} == {
        "queue": "q", "priority": 7, "reply_to": "answers", "content_encoding": "binary",
        "content_type": "application/x-msgpack", "expiration": "60000"}
    args, kwargs, embed = sent.body
    assert (args, kwargs) == ([], {"k": "v'\"\n"})
    assert [one["task"] for one in embed["callbacks"] + embed["errbacks"]] == \
        ["t.callback", "t.errback"]


def test_the_serializer_of_sent_tasks_is_the_settings(child: Child) -> None:
    sent, = child.run("t.send_plain", task_serializer="msgpack").published
    assert sent.message["content_type"] == "application/x-msgpack"
    assert sent.body[0] == [2]


def test_priority_is_inherited_only_if_it_is_to_be(child: Child) -> None:
    properties: dict[str, Any] = {"properties": {"priority": 5}}
    inherited = child.run("t.send_plain", inherit_parent_priority=True, **properties)
    assert inherited.published[0].message["priority"] == 5
    assert child.run("t.send_plain", **properties).published[0].message["priority"] is None


def test_what_cannot_be_sent_fails_the_task(child: Child) -> None:
    result = child.run("t.send_broken")
    assert result.sent == []
    assert result.error == "kombu.exceptions.EncodeError: option 'eta' is neither a number of " \
                           "seconds nor an ISO 8601 time"


# --- records ---

def record(child: Child, event: str, embed: Any = None, headers: Any = None,
           request: Any = None, **more: Any) -> Any:
    """The RESULT of a record."""
    child.send_job("t.fail", 1, embed=embed, headers=headers or {}, record={"event": event, **more},
                   **(request or {}))
    return child.result()


@pytest.mark.parametrize("name, argument", [("TimeLimitExceeded", 1.5),
                                            ("WorkerLostError", "signal 9 (SIGKILL) Job: 5.")])
def test_record_of_a_failure(child: Child, name: str, argument: Any) -> None:
    result = record(child, "failure", exception=name, argument=argument)
    assert result.state == "SUCCESS" and result.sent == []
    assert result.meta["status"] == "FAILURE" and result.meta["task_id"] == ID
    assert result.meta["result"] == {"exc_type": name, "exc_message": [argument],
                                     "exc_module": "billiard.exceptions"}
    assert result.meta["traceback"] is None


def test_record_of_a_failure_is_followed_like_any_other(child: Child) -> None:
    result = record(child, "failure", exception="WorkerLostError", argument="lost",
                    embed={"errbacks": [{"task": "t.errback"}],
                           "chain": [{"task": "t.last", "options": {"task_id": "last"}}],
                           "chord": {"task": "t.body"}}, headers={"group": "g", "group_index": 1})
    assert [one.frame[2] for one in result.stored] == [ID, "last"]
    assert [one.meta["result"]["exc_message"] for one in result.stored] == [["lost"]] * 2
    assert result.published[0].task == "t.errback" and result.published[0].body[0] == [ID]
    assert result.document == b""
    assert result.report["chord"]["group"] == "g" and result.part[1:3] == [ID, "FAILURE"]


def test_record_of_a_revoke_tells_the_chord_only(child: Child) -> None:
    result = record(child, "revoked", reason="terminated", terminated=True, signum=15,
                    expired=False, embed={"errbacks": [{"task": "t.errback"}],
                                          "chain": [{"task": "t.x", "options": {"task_id": "x"}}],
                                          "chord": {"task": "t.body"}}, headers={"group": "g"})
    assert result.state == "SUCCESS" and result.sent == []
    assert result.meta["status"] == "REVOKED"
    exception = {"exc_type": "TaskRevokedError", "exc_message": ["terminated"],
                 "exc_module": "celery.exceptions"}
    assert result.meta["result"] == exception
    assert result.part == [1, ID, "REVOKED", exception]
    assert result.report["chord"]["index"] is None


def test_record_of_an_unknown_task_is_stored_in_any_case(child: Child) -> None:
    result = record(child, "unknown", embed={"errbacks": [{"task": "t.errback"}]},
                    request={"ignore_result": True})
    assert result.state == "SUCCESS" and result.sent == []
    assert result.meta["result"] == {"exc_type": "NotRegistered", "exc_message": ["t.fail"],
                                     "exc_module": "celery.exceptions"}


def test_record_of_a_failure_whose_result_is_ignored(child: Child) -> None:
    result = record(child, "failure", exception="WorkerLostError", argument="lost",
                    embed={"errbacks": [{"task": "t.errback"}]}, request={"ignore_result": True})
    assert (result.state, result.document, result.stored) == ("SUCCESS", b"", [])
    assert len(result.published) == 1


def test_records_need_no_body_that_can_be_read(child: Child) -> None:
    child.send_job("t.fail", body=b"{", record={"event": "failure", "exception": "WorkerLostError",
                                                "argument": "lost"})
    assert child.result().meta["status"] == "FAILURE"


def test_an_unknown_record_is_refused(child: Child) -> None:
    result = record(child, "eclipse")
    assert result.state == "FAILURE"
    assert result.report["exception"] == "NotImplementedError(\"there is no record 'eclipse'\")"
