# SPDX-License-Identifier: BSD-3-Clause
"""What the main process has recorded by a runtime that takes records, and what it tells the app."""

from __future__ import annotations

import datetime
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import amqp as py_amqp
import pytest

from faults.proxy import Proxy
from interop.broker import GRAVEYARD, Replies, dead_letter
from support.amqp import Client, task_message
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.worker import Worker, build_folder

RUNTIME = Path(__file__).with_name("record_runtime.py")
SIGNALS = ["worker_ready", "worker_shutting_down", "task_received", "task_unknown",
           "task_rejected"]
TASKS = {
    "plain": {},
    "early": {"acks_late": False},
    "limited": {"time_limit": 0.5},
    "early_limited": {"time_limit": 0.5, "acks_late": False},
    "limited_back": {"time_limit": 0.5, "acks_on_failure_or_timeout": False},
    "frail": {"reject_on_worker_lost": False},
    "unforgiven": {"acks_on_failure_or_timeout": False},
}


class Site:
    """A folder with celeriac and the scripted runtime, its journal, and a client."""

    def __init__(self, folder: Path, start: Callable[..., Worker], client: Client) -> None:
        self.journal = folder / "journal"
        self._start = start
        self._folder = folder
        self._client = client
        shutil.copy(build_folder() / "celeriac", folder)
        program = folder / "celeriac-native"
        program.write_text(f"#!/bin/sh\nexec /usr/bin/python3 -B {RUNTIME}\n")
        program.chmod(0o755)
        (folder / "app.so").touch()

    def worker(self, *args: str, signals: list[str] | None = None, leaves: str = "rpc://",
               **options: Any) -> Worker:
        """celeriac with the scripted runtime, whose app leaves documents to that backend."""
        env = {"RECORD_JOURNAL": str(self.journal), "RECORD_TASKS": json.dumps(TASKS),
               "RECORD_SIGNALS": json.dumps(signals or []), "RECORD_BACKEND": leaves}
        # Celery's window: an automatic one takes no task while its children are busy.
        return self._start("--prefetch-multiplier", "4", *args, build=self._folder,
                           app=self._folder / "app.so", env=env, **options)

    def send(self, task: str, fate: Any = None, **more: Any) -> str:
        """A task that ends as `fate` says; its id."""
        self._client.declare_task_queue()
        return self._client.send_task(task, [fate], **more)

    def lines(self, what: str) -> list[dict[str, Any]]:
        """What the journal has of one kind."""
        text = self.journal.read_text() if self.journal.exists() else ""
        lines = [json.loads(one) for one in text.splitlines(keepends=True) if one.endswith("\n")]
        return [one for one in lines if one["what"] == what]

    def runs(self, task_id: str) -> int:
        """How often a task was begun."""
        return sum(one["request"]["id"] == task_id for one in self.lines("run"))

    def wait_runs(self, task_id: str, count: int = 1) -> None:
        """Wait until a task has begun."""
        wait_until(lambda: self.runs(task_id) >= count, 10, f"run {count} of {task_id}")

    def records(self, task_id: str) -> list[dict[str, Any]]:
        """The requests of the records of a task."""
        return [one["request"] for one in self.lines("record") if one["request"]["id"] == task_id]

    def wait_record(self, task_id: str, count: int = 1) -> dict[str, Any]:
        """What the record of a task says, once `count` were begun."""
        found = wait_until(lambda: (self.records(task_id) + [None] * count)[count - 1], 10,
                           f"record {count} of {task_id}")
        return dict(found["record"])

    def let_go(self) -> None:
        """End what holds."""
        self.journal.with_suffix(".go").touch()

    def wait_settled(self, running: Worker, ready: int = 0) -> None:
        """End the worker warmly; `ready` messages are in the queue then."""
        assert running.stop() == 0
        assert self._client.counts("celery")[0] == ready


@pytest.fixture
def site(tmp_path: Path, worker: Callable[..., Worker], amqp: Client) -> Site:
    """Where the tests take place."""
    return Site(tmp_path, worker, amqp)


@pytest.fixture
def graveyard(rabbitmq: RabbitMQ, vhost: str, amqp: Client) -> None:
    """What the queue celery of this test's virtual host drops, ends in the queue graveyard."""
    dead_letter(rabbitmq, vhost, amqp)


@pytest.fixture
def replies(broker_url: str) -> Iterator[Replies]:
    """A reply queue."""
    queue = Replies(broker_url)
    yield queue
    queue.close()


def in_seconds(seconds: float) -> str:
    """A time for expires."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=seconds)).isoformat()


# ---- what is recorded ----


@pytest.mark.parametrize("task", ["limited", "early_limited"])
def test_task_over_its_limit_is_recorded(task: str, site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send(task, "hold")
    assert site.wait_record(one) == {"event": "failure", "exception": "TimeLimitExceeded",
                                     "argument": 0.5}
    request = site.records(one)[0]
    assert request["timelimit"] == [0.5, None]
    assert [request[key] for key in ("ignore_result", "result_serializer", "accept")] == [None] * 3
    assert request["headers"]["task"] == request["task"] == task
    site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (1, 1)


def test_task_over_its_limit_that_is_not_acked_then_runs_again(site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("limited_back", "hold")
    site.wait_record(one)
    site.let_go()
    site.wait_runs(one, 2)
    site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (2, 1)


def test_lost_process_is_recorded(site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("frail", "die")
    record = site.wait_record(one)
    argument = record.pop("argument")
    assert record == {"event": "failure", "exception": "WorkerLostError"}
    assert argument.startswith("Worker exited prematurely: exitcode 3 Job: ")
    site.wait_settled(running)
    assert site.runs(one) == 1


def test_poison_is_recorded_at_its_last_loss_only(graveyard: None, site: Site,
                                                  amqp: Client) -> None:
    running = site.worker("--set", "worker_lost_max_deliveries=2", concurrency=1)
    one = site.send("plain", "die")
    site.wait_record(one)
    assert amqp.wait_message(GRAVEYARD).properties["correlation_id"] == one
    site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (2, 1)


def test_unknown_task_is_recorded_and_rejected(graveyard: None, site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    one = site.send("no.such")
    assert site.wait_record(one) == {"event": "unknown"}
    assert amqp.wait_message(GRAVEYARD).properties["correlation_id"] == one
    site.wait_settled(running)


EXPIRED = {"event": "revoked", "reason": "expired", "terminated": False, "signum": None,
           "expired": True}


def test_expired_task_is_recorded(site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("plain", expires=in_seconds(-1))
    assert site.wait_record(one) == EXPIRED
    site.wait_settled(running)
    assert site.runs(one) == 0


def test_task_that_expires_in_the_pool_is_recorded(site: Site) -> None:
    running = site.worker(concurrency=1)
    site.wait_runs(site.send("plain", "hold"))
    one = site.send("plain", expires=in_seconds(0.5))
    running.wait_log(rf"\[{one}\] received")
    time.sleep(0.6)
    site.let_go()
    assert site.wait_record(one) == EXPIRED
    site.wait_settled(running)
    assert site.runs(one) == 0


# ---- when it is recorded ----


def test_message_is_settled_only_when_the_record_is_made(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    one = site.send("limited", "hold", records=["hold"])
    site.wait_record(one)
    running.signal(signal.SIGQUIT)
    assert running.wait(10) == 0
    assert f"{one}]: its end (TimeLimitExceeded) was not recorded" in running.read_log()
    amqp.wait_ready("celery", 1)


def test_document_of_a_record_is_published(site: Site, replies: Replies) -> None:
    running = site.worker(concurrency=1)
    one = site.send("limited", "hold", records=["publish"], reply_to=replies.queue)
    assert replies.document(one) == {"task_id": one, "status": "RECORDED"}
    site.wait_settled(running)
    assert not replies.repeated


@pytest.mark.parametrize("words", [["die"], ["fail"], ["die", "fail"]], ids=" ".join)
def test_record_that_fails_is_tried_again(words: list[str], site: Site, replies: Replies) -> None:
    running = site.worker(concurrency=1)
    one = site.send("limited", "hold", records=[*words, "publish"], reply_to=replies.queue)
    assert replies.document(one)["status"] == "RECORDED"
    site.wait_settled(running)
    assert len(site.records(one)) == len(words) + 1
    assert running.read_log().count("could not be recorded and is tried again") == len(words)


@pytest.mark.parametrize("word, why", [("die", "the process that was to record it is gone"),
                                       ("fail", r"OSError\('no backend'\)")])
def test_record_is_given_up_after_three_tries(word: str, why: str, site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("limited", "hold", records=[word] * 4)
    running.wait_log(rf"ERROR/MainProcess\] Task limited\[{one}\]: its end \(TimeLimitExceeded\) "
                     rf"could not be recorded, tried 3 times: {why}")
    site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (1, 3)


def test_redelivery_attaches_to_the_record_under_way(rabbitmq: RabbitMQ, site: Site, amqp: Client,
                                                     broker_url: str) -> None:
    with Proxy(rabbitmq.port) as proxy:
        running = site.worker(concurrency=2, url=proxy.url(broker_url))
        one = site.send("limited", "hold", records=["hold"])
        site.wait_record(one)
        proxy.cut()
        running.wait_log(rf"\[{one}\] was redelivered: attached to its run")
        site.let_go()
        site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (1, 1)


def test_record_that_waits_for_a_child_outlives_the_connection(
        rabbitmq: RabbitMQ, site: Site, broker_url: str) -> None:
    with Proxy(rabbitmq.port) as proxy:
        running = site.worker(concurrency=1, url=proxy.url(broker_url))
        one = site.send("limited", "hold")
        two = site.send("plain", "hold")
        site.wait_runs(two)
        proxy.cut()
        for waiting in (one, two):
            running.wait_log(rf"\[{waiting}\] was redelivered: attached to its run")
        assert not site.records(one)
        site.let_go()
        site.wait_record(one)
        site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (1, 1)


def is_finished(running: Worker) -> bool:
    """True if the worker holds a task that ended while it was offline."""
    running.signal(signal.SIGUSR1)
    return "finished while offline=1" in running.read_log()


def test_record_that_is_made_offline_is_settled_with_the_redelivery(
        rabbitmq: RabbitMQ, site: Site, broker_url: str) -> None:
    with Proxy(rabbitmq.port) as proxy:
        running = site.worker(concurrency=1, url=proxy.url(broker_url))
        one = site.send("limited", "hold", records=["hold"])
        site.wait_record(one)
        proxy.shut()
        proxy.cut()
        running.wait_log("Connection to broker lost")
        site.let_go()
        wait_until(lambda: is_finished(running), 10, "end of the record")
        proxy.open()
        running.wait_log(rf"\[{one}\] was redelivered: attached to its run")
        site.wait_settled(running)
    assert (site.runs(one), len(site.records(one))) == (1, 1)


# ---- stopping ----


def test_task_over_its_limit_is_recorded_during_a_warm_stop(site: Site) -> None:
    running = site.worker(concurrency=2)
    one = site.send("limited", "hold", records=["die", "fail"])
    site.wait_runs(one)
    running.signal(signal.SIGTERM)
    assert running.wait(20) == 0
    assert (site.runs(one), len(site.records(one))) == (1, 3)
    site.wait_settled(site.worker())


@pytest.mark.parametrize("end", ["store", "fail", "die"])
def test_warm_stop_waits_for_the_record(end: str, site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("early_limited", "hold", records=[f"hold {end}"])
    site.wait_record(one)
    running.signal(signal.SIGTERM)
    running.wait_log("Warm shutdown")
    time.sleep(0.5)
    assert running.running()
    site.let_go()
    assert running.wait(10) == 0
    assert "not recorded" not in running.read_log()
    assert len(site.records(one)) == (1 if end == "store" else 2)


def test_cold_stop_tells_what_was_not_recorded(site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("early_limited", "hold", records=["hold"])
    site.wait_record(one)
    running.signal(signal.SIGQUIT)
    assert running.wait(10) == 0
    assert (f"ERROR/MainProcess] Task early_limited[{one}]: its end (TimeLimitExceeded) was not "
            "recorded, as the worker stops; it had been acknowledged early") in running.read_log()
    site.wait_settled(site.worker())


# ---- how a run ends ----


@pytest.mark.parametrize("task, report, dead", [
    ("plain", {"state": "RETRY", "exception": "Retry()"}, False),
    ("plain", {"state": "IGNORED"}, False),
    ("plain", {"state": "REJECTED", "requeue": False}, True),
    ("plain", {"state": "REJECTED"}, True),
    ("early", {"state": "REJECTED", "requeue": False}, False),
    ("early", {"state": "REJECTED", "requeue": True}, False),
    ("plain", {"state": "FAILURE"}, False),
    ("unforgiven", {"state": "FAILURE"}, True),
    ("plain", {"state": "UNDECODABLE", "reason": "oh"}, False),
    ("plain", {"state": "INVALID", "reason": "oh"}, True),
], ids=lambda one: one["state"] if isinstance(one, dict) else str(one))
def test_reports_are_settled_as_celery_does(task: str, report: dict[str, Any], dead: bool,
                                            graveyard: None, site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    one = site.send(task, report)
    site.wait_runs(one)
    site.wait_settled(running)
    assert site.runs(one) == 1
    assert amqp.counts(GRAVEYARD)[0] == int(dead)
    text = running.read_log()
    assert not [word for word in ("succeeded", "raised", "retry:", "ignored") if word in text], text


def test_task_that_is_rejected_with_requeue_runs_again(site: Site) -> None:
    running = site.worker(concurrency=1)
    one = site.send("plain", {"state": "REJECTED", "requeue": True, "then": {"state": "SUCCESS"}})
    site.wait_runs(one, 2)
    site.wait_settled(running)
    assert site.runs(one) == 2


# ---- what passes ----


def test_headers_pass_as_they_came_but_for_our_own(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1)
    message = task_message("plain", [{"state": "SUCCESS"}])
    headers = message.properties["application_headers"]
    headers |= {"odd": Odd(b"\xff\xfe"), "x-worker-lost-count": 1,
                "x-death": [{"reason": "rejected", "count": 3}]}
    task_id = message.properties["correlation_id"]
    amqp.declare_task_queue()
    amqp.publish(message, "celery")
    site.wait_runs(task_id)
    found = site.lines("run")[0]["request"]["headers"]
    assert found["odd"].encode("utf-8", "surrogateescape") == b"\xff\xfe"
    assert not {"x-worker-lost-count", "x-worker-origin"} & set(found)
    assert found["x-death"] == [{"reason": "rejected", "count": 3}]
    site.wait_settled(running)


class Odd(str):
    """Text that py-amqp writes as bytes of ours."""

    def __new__(cls, data: bytes) -> "Odd":
        made = super().__new__(cls, "odd")
        made.data = data  # type: ignore[attr-defined]
        return made

    def encode(self, *_: Any, **__: Any) -> bytes:  # type: ignore[override]
        return bytes(self.data)  # type: ignore[attr-defined]


# ---- signals ----


def test_app_is_told_of_its_messages(site: Site, amqp: Client) -> None:
    running = site.worker(concurrency=1, signals=SIGNALS)
    one = site.send("plain", {"state": "SUCCESS"})
    two = site.send("no.such")
    three = site.send("plain", {"state": "INVALID", "reason": "its content type is refused"})
    amqp.publish(py_amqp.Message("{}", content_type="application/json",
                                 content_encoding="utf-8"), "celery")
    four = site.send("plain", expires=in_seconds(-1))
    site.wait_record(four)
    assert running.stop() == 0
    told = [(line["name"], (line["arguments"].get("request") or {}).get("id"),
             line["arguments"].get("reason")) for line in site.lines("signal")]
    assert told[0] == ("worker_ready", None, None)
    assert told[1:4] == [("task_received", one, None), ("task_unknown", two, None),
                         ("task_received", three, None)]
    rest = sorted(told[4:], key=str)
    assert ("task_rejected", three, "its content type is refused") in rest
    assert ("task_rejected", None, None) in rest  # what is no task: Celery does not say why
    assert ("task_received", four, None) not in rest
    received = site.lines("signal")[1]["arguments"]
    assert json.loads(received["body"])[0] == [{"state": "SUCCESS"}]
    assert received["request"]["headers"]["task"] == "plain"
    assert received["request"]["delivery_info"]["routing_key"] == "celery"


def test_app_that_does_not_listen_is_told_nothing(site: Site) -> None:
    running = site.worker(concurrency=1, signals=["task_unknown"])
    site.wait_runs(site.send("plain", {"state": "SUCCESS"}))
    one = site.send("no.such")
    site.wait_record(one)
    site.wait_settled(running)
    assert [line["name"] for line in site.lines("signal")] == ["task_unknown"]

