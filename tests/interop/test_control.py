# SPDX-License-Identifier: BSD-3-Clause
"""Remote control by stock clients: each case against Celery's worker and both of ours.

CELERY56_PYTHON names an interpreter with the newest Celery, if that is to be compared too.
"""

from __future__ import annotations

import os
import random
import stat
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError

from interop.broker import Replies
from support.amqp import Client
from support.client import celery_client
from support.process import wait_until
from support.worker import TESTS, BaseWorker, CeleryWorker, Worker

NEWEST = os.environ.get("CELERY56_PYTHON", "")
SIDES = ["native", "python", "celery"] + (["newest"] if NEWEST else [])
OURS = ("native", "python")
ENV = {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}


class Side:
    """One worker under test, with the client that controls it."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.name = name
        self._url = url
        self._folder = folder
        self.app: Celery = celery_client(url)
        self.worker: BaseWorker | None = None

    @property
    def is_ours(self) -> bool:
        """True for celeriac."""
        return self.name in OURS

    def start(self, *args: str, concurrency: int = 1) -> BaseWorker:
        """A ready worker."""
        if self.name == "native":
            worker: BaseWorker = Worker(self._url, *args, concurrency=concurrency)
        elif self.name == "python":
            worker = Worker(self._url, "--python", "/usr/bin/python3", *args,
                            app="support.celery_app", backend="",
                            concurrency=concurrency, env=ENV)
        else:
            worker = CeleryWorker(self._url, *args, concurrency=concurrency,
                                  program=self._newest() if self.name == "newest" else "")
        self.worker = worker.start()
        return self.worker

    def _newest(self) -> str:
        script = self._folder / "celery"
        script.write_text(f'#!/bin/sh\nexec {NEWEST} -m celery "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return str(script)

    def close(self) -> None:
        """End it; a sanitizer's report fails the test."""
        self.app.close()
        if self.worker is None:
            return
        try:
            if self.worker.running():
                self.worker.stop()
            assert not self.worker.sanitizer_report(), self.worker.read_log()
        finally:
            print(self.worker.read_log())
            self.worker.close()

    def ask(self, method: str, **arguments: Any) -> Any:
        """What the one worker answers; "destination" and the like are the control's own."""
        own = {name: arguments.pop(name) for name in ("destination", "pattern", "matcher")
               if name in arguments}
        replies = self.app.control.broadcast(method, arguments=arguments, reply=True, timeout=5,
                                             limit=1, **own)
        assert len(replies) == 1 and len(replies[0]) == 1, replies
        (name, value), = replies[0].items()
        assert name.startswith("celery@")
        return value

    def wait_running(self, task_id: str) -> None:
        """Wait until the task runs."""
        def runs() -> bool:
            active = self.app.control.inspect(timeout=5, limit=1).active()
            return any(task["id"] == task_id for tasks in (active or {}).values()
                       for task in tasks)

        if self.is_ours:
            assert self.worker
            self.worker.wait_log(rf"\[{task_id}\] received")
            time.sleep(0.3)
        else:
            wait_until(runs, 10, "running task")


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, broker_url: str, tmp_path: Path) -> Iterator[Side]:
    """Each kind of worker in turn."""
    one = Side(request.param, broker_url, tmp_path)
    yield one
    one.close()


# --- the mailbox ---

def test_the_mailbox_is_celerys(side: Side, amqp: Client) -> None:
    """Declared with the same arguments, or the broker would close the channel."""
    worker = side.start()
    name = worker.wait_log(r"(celery@\S+) ready")[1]
    from kombu import Exchange, Queue
    with side.app.connection() as connection:
        queue = Queue(f"{name}.celery.pidbox", durable=False, auto_delete=True, expires=10.0,
                      message_ttl=300.0,
                      exchange=Exchange("celery.pidbox", type="fanout", durable=False))
        queue(connection.default_channel).declare()
        reply = Exchange("reply.celery.pidbox", type="direct", durable=False)
        reply(connection.default_channel).declare()
    assert side.ask("ping") == {"ok": "pong"}


def test_who_is_meant(side: Side) -> None:
    worker = side.start()
    name = worker.wait_log(r"(celery@\S+) ready")[1]
    assert side.ask("ping", destination=[name]) == {"ok": "pong"}
    assert side.ask("ping", pattern="celery@*", matcher="glob") == {"ok": "pong"}
    assert side.ask("ping", pattern=r"celery@\w+", matcher="pcre") == {"ok": "pong"}
    for others in ({"destination": ["celery@nobody"]}, {"pattern": "w*", "matcher": "glob"},
                   {"pattern": "@", "matcher": "pcre"}):
        assert not side.app.control.broadcast("ping", reply=True, timeout=0.5, **others)
    assert side.app.control.ping(timeout=1) == [{name: {"ok": "pong"}}]


def test_what_is_wrong_is_said_as_celery_says_it(side: Side) -> None:
    side.start()
    assert side.ask("nosuchcmd") == {"error": "KeyError('nosuchcmd')"}
    assert side.ask("rate_limit") == {
        "error": "TypeError(\"rate_limit() missing 2 required positional arguments: 'task_name' "
                 "and 'rate_limit'\")"}
    assert side.ask("revoke") == {
        "error": "TypeError(\"revoke() missing 1 required positional argument: 'task_id'\")"}
    assert side.ask("rate_limit", task_name="no.such", rate_limit="1/s") == {
        "error": "unknown task"}
    assert side.ask("rate_limit", task_name="example.add", rate_limit="x/s") == {
        "error": "Invalid rate limit string: "
                 "ValueError(\"could not convert string to float: 'x'\")"}
    assert side.ask("rate_limit", task_name="example.add", rate_limit="1/d") == {
        "error": "KeyError('d')"}
    assert side.ask("time_limit", task_name="no.such", hard=1) == {"error": "unknown task"}
    assert side.ask("terminate", task_id="x", signal="TERMITE") == {
        "error": "AttributeError(\"module 'signal' has no attribute 'SIGTERMITE'\")"}
    assert side.ask("terminate", task_id="x", signal="term") == {
        "error": "TypeError('signal name must be uppercase string.')"}
    assert side.ask("ping") == {"ok": "pong"}


def test_junk_in_the_mailbox_is_dropped(side: Side, amqp: Client) -> None:
    import amqp as library
    worker = side.start()
    if not side.is_ours:
        pytest.skip("Celery's worker stops reading remote control")
    for body, kind in ((b"[", "application/json"), (b"[]", "application/json"),
                       (b"\xc1", "application/x-msgpack"), (b"x", "application/x-yaml"),
                       (b'{"method": "ping", "reply_to": 5}', "application/json")):
        amqp.publish(library.Message(body, content_type=kind), "", exchange="celery.pidbox")
    assert side.ask("ping") == {"ok": "pong"}
    assert worker.read_log().count("Cannot decode message") == 5


def test_nobody_answers_without_remote_control(side: Side, tmp_path: Path) -> None:
    if not side.is_ours:
        pytest.skip("a setting of the app")
    side.start("--without-remote-control")
    assert not side.app.control.ping(timeout=1)
    assert side.app.send_task("example.add", (2, 3)).get(timeout=10) == 5


# --- revoke ---

def test_revoked_before_it_comes(side: Side) -> None:
    worker = side.start()
    reply = side.ask("revoke", task_id="rev-1")
    assert reply == {"ok": "tasks rev-1 flagged as revoked" if side.name == "celery"
                     else "tasks {'rev-1'} flagged as revoked"}
    assert side.ask("revoked") == ["rev-1"]
    result = side.app.send_task("example.add", (2, 3), task_id="rev-1")
    with pytest.raises(TaskRevokedError, match="revoked"):
        result.get(timeout=10)
    assert result.state == "REVOKED"
    worker.wait_log(r"INFO/MainProcess\] Tasks flagged as revoked: rev-1")
    worker.wait_log(r"INFO/MainProcess\] Discarding revoked task: example.add\[rev-1\]")
    assert side.app.send_task("example.add", (2, 3)).get(timeout=10) == 5


def test_revoked_behind_a_busy_child(side: Side, amqp: Client) -> None:
    """What has not begun does not begin; what runs goes on."""
    side.start("--prefetch-multiplier", "8")
    first = side.app.send_task("example.sleep", (1.5,))
    side.wait_running(first.id)
    rest = [side.app.send_task("example.add", (i, i)) for i in range(5)]
    assert side.worker
    side.worker.wait_log(rf"\[{rest[4].id}\] received")
    side.ask("revoke", task_id=[first.id, rest[1].id, rest[3].id])
    for i in (1, 3):
        with pytest.raises(TaskRevokedError):
            rest[i].get(timeout=10)
    assert first.get(timeout=10) == 1.5
    assert [rest[i].get(timeout=10) for i in (0, 2, 4)] == [0, 4, 8]
    assert side.worker.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_revoked_while_it_waits_for_its_eta(side: Side, amqp: Client) -> None:
    """We discard it at once, Celery when it is due."""
    worker = side.start()
    task = side.app.send_task("example.add", (2, 3), countdown=1.5)
    worker.wait_log(rf"\[{task.id}\] received")
    side.ask("revoke", task_id=task.id)
    with pytest.raises(TaskRevokedError):
        task.get(timeout=10)
    worker.wait_log(rf"Discarding revoked task: example.add\[{task.id}\]")
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_revoked_while_it_is_parked(side: Side) -> None:
    if not side.is_ours:
        pytest.skip("Celery holds them all")
    worker = side.start("--set", "worker_eta_hold=1")
    task = side.app.send_task("example.add", (2, 3), countdown=4.5)
    worker.wait_log(rf"\[{task.id}\] is due in 4 seconds: parked")
    side.ask("revoke", task_id=task.id)
    with pytest.raises(TaskRevokedError):
        task.get(timeout=10)
    again = side.app.send_task("example.add", (2, 3), countdown=100, task_id=task.id)
    wait_until(lambda: worker.read_log().count("Discarding revoked task") == 2, 10, "no parking")
    assert again.id == task.id and worker.read_log().count("parked at the broker") == 1


def test_revoked_by_stamps(side: Side) -> None:
    """The client of this suite cannot stamp, so the headers are written by hand."""
    worker = side.start()
    if side.name == "celery":
        assert side.ask("revoke_by_stamped_headers", headers={"k": "v"}) == {
            "error": "KeyError('revoke_by_stamped_headers')"}
        return
    assert side.ask("revoke_by_stamped_headers", headers={"who": ["me", "you"]}) == {
        "ok": "headers {'who': ['me', 'you']} flagged as revoked, but not terminated"}
    assert side.ask("revoke_by_stamped_headers", headers=["where=here", "when=now=then"]) == {
        "ok": "headers {'where': 'here', 'when': 'now'} flagged as revoked, but not terminated"}
    assert side.ask("revoke_by_stamped_headers", headers=["x"]) == {
        "error": "IndexError('list index out of range')"}

    def stamped(**stamps: Any) -> Any:
        headers = {"stamped_headers": list(stamps), "stamps": stamps}
        return side.app.send_task("example.add", (2, 3), headers=headers, **headers)

    for stamps in ({"who": "me"}, {"who": ["them", "you"]}, {"where": "here"}):
        task = stamped(**stamps)
        with pytest.raises(TaskRevokedError):
            task.get(timeout=10)
        worker.wait_log(rf"Discarding revoked task: example.add\[{task.id}\] \(revoked by header: ")
    for stamps in ({"who": "them"}, {"other": "me"}, {"when": "then"}):
        assert stamped(**stamps).get(timeout=10) == 5
    assert side.ask("revoke_by_stamped_headers", headers={"who": "all"}, terminate=True) == {
        "ok": "headers {'who': 'all'} were not terminated"}
    running = stamped_sleep(side)
    assert side.ask("revoke_by_stamped_headers", headers={"job": ["a", "b"]}, terminate=True,
                    signal="SIGKILL") == {
        "ok": "headers defaultdict(<class 'set'>, {'job': {'a'}}) revoked"}
    with pytest.raises(TaskRevokedError):
        running.get(timeout=10)


def stamped_sleep(side: Side) -> Any:
    """A long task that runs, with the stamp job=a."""
    headers = {"stamped_headers": ["job"], "stamps": {"job": "a"}}
    task = side.app.send_task("example.sleep", (20,), headers=headers, **headers)
    side.wait_running(task.id)
    return task


# --- terminate ---

@pytest.mark.parametrize("signal", ["SIGTERM", "TERM", "SIGKILL", 9, "INT", "HUP", "QUIT", "ABRT"])
def test_terminated_while_it_runs(side: Side, amqp: Client, signal: Any) -> None:
    if not side.is_ours and signal not in ("SIGTERM", "SIGKILL"):
        pytest.skip("the same in Celery, or worse: its children ignore SIGINT")
    worker = side.start("--prefetch-multiplier", "4")
    task = side.app.send_task("example.sleep", (20,))
    side.wait_running(task.id)
    behind = side.app.send_task("example.add", (2, 3))
    worker.wait_log(rf"\[{behind.id}\] received")
    assert side.ask("revoke", task_id=task.id, terminate=True, signal=signal) == {
        "ok": f"terminate: {task.id}"}
    with pytest.raises(TaskRevokedError, match="terminated"):
        task.get(timeout=10)
    assert task.state == "REVOKED"
    assert behind.get(timeout=10) == 5
    number = {"SIGKILL": 9, 9: 9, "INT": 2, "HUP": 1, "QUIT": 3, "ABRT": 6}.get(signal, 15)
    worker.wait_log(rf"INFO/MainProcess\] Terminating {task.id} \((Signals\.SIG\w+|{number})\)")
    # Celery's own does not always end in time once a child of it was killed.
    assert worker.stop() == 0 or not side.is_ours
    assert amqp.counts("celery")[0] == 0, "it was acknowledged and not requeued"
    assert "WorkerLostError" not in worker.read_log()


def test_terminated_before_it_begins(side: Side) -> None:
    worker = side.start("--prefetch-multiplier", "4")
    first = side.app.send_task("example.sleep", (1.5,))
    side.wait_running(first.id)
    task = side.app.send_task("example.sleep", (20,))
    worker.wait_log(rf"\[{task.id}\] received")
    assert side.ask("terminate", task_id=task.id, signal="SIGKILL") == {
        "ok": f"terminate: {task.id}"}
    with pytest.raises(TaskRevokedError):
        task.get(timeout=10)
    assert first.get(timeout=10) == 1.5, "its neighbour is not hit"


def test_terminated_though_nobody_knows_it(side: Side) -> None:
    side.start()
    assert side.ask("revoke", task_id="later", terminate=True) == {
        "ok": "terminate: tasks unknown"}
    with pytest.raises(TaskRevokedError):
        side.app.send_task("example.add", (2, 3), task_id="later").get(timeout=10)


def test_another_signal_is_only_delivered(side: Side) -> None:
    """SIGUSR1 is the soft time limit, which Python's children take only when it is due; Celery has
    announced REVOKED before."""
    if not side.is_ours:
        pytest.skip("Celery stores REVOKED first, then FAILURE")
    worker = side.start()
    task = side.app.send_task("example.sleep", (2,))
    side.wait_running(task.id)
    assert side.ask("terminate", task_id=task.id, signal="SIGUSR1") == {
        "ok": f"terminate: {task.id}"}
    if side.name == "native":
        with pytest.raises(SoftTimeLimitExceeded):
            task.get(timeout=10)
    else:
        assert task.get(timeout=10) == 2
    assert "WorkerLostError" not in worker.read_log()
    deadly = side.app.send_task("example.sleep", (20,))
    side.wait_running(deadly.id)
    side.ask("terminate", task_id=deadly.id, signal="SIGALRM")
    with pytest.raises(TaskRevokedError, match="terminated"):
        deadly.get(timeout=10)


# --- limits ---

def finish_times(amqp: Client, replies: Replies, count: int, task: str) -> list[float]:
    """When the result of each of so many tasks came, in seconds from the first."""
    tasks = [amqp.send_task(task, (i, i), reply_to=replies.queue) for i in range(count)]
    replies.wait(*tasks)
    return sorted(replies.times[task] - replies.times[tasks[0]] for task in tasks)


def test_rate_limit_at_run_time(side: Side, amqp: Client, replies: Replies) -> None:
    worker = side.start(concurrency=2)
    assert side.ask("rate_limit", task_name="example.add", rate_limit="2/s") == {
        "ok": "new rate limit set successfully"}
    worker.wait_log("New rate limit for tasks of type example.add: '?2/s'?.")
    time.sleep(0.6)  # a token more: two back to back
    tasks = [amqp.send_task("example.add", (i, i), reply_to=replies.queue) for i in range(6)]
    free = amqp.send_task("example.echo", ("free",), reply_to=replies.queue)
    replies.wait(free, *tasks)
    times = sorted(replies.times[task] - replies.times[tasks[0]] for task in tasks)
    assert replies.times[free] - replies.times[tasks[0]] < 0.4, "no other task waits for it"
    assert times[1] < 0.3, times
    # Celery lets some go together, as its loop looks at its timers once a second when it is idle.
    late = 0.4 if side.is_ours else 1.5
    for i, expected in ((2, 0.5), (3, 1.0), (4, 1.5), (5, 2.0)):
        assert expected - 0.3 < times[i] < expected + late, times
    assert side.ask("rate_limit", task_name="example.add", rate_limit=0) == {
        "ok": "rate limit disabled successfully"}
    times = finish_times(amqp, replies, 6, "example.add")
    assert times[5] < 0.5, times


def test_revoked_while_it_waits_for_its_rate(side: Side, amqp: Client) -> None:
    worker = side.start()
    side.ask("rate_limit", task_name="example.add", rate_limit="20/m")
    tasks = [side.app.send_task("example.add", (i, i)) for i in range(5)]
    worker.wait_log(rf"\[{tasks[4].id}\] received")
    side.ask("revoke", task_id=[tasks[2].id, tasks[3].id])
    for i in (2, 3):
        with pytest.raises(TaskRevokedError):
            tasks[i].get(timeout=15)
    assert tasks[4].get(timeout=15) == 8
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0


def test_what_waits_for_its_rate_goes_back_at_the_end(side: Side, amqp: Client) -> None:
    worker = side.start("--prefetch-multiplier", "8")
    side.ask("rate_limit", task_name="example.add", rate_limit="1/h")
    tasks = [side.app.send_task("example.add", (i, i)) for i in range(6)]
    worker.wait_log(rf"\[{tasks[5].id}\] received")
    assert worker.stop() == 0
    wait_until(lambda: 4 <= amqp.counts("celery")[0] <= 5, 5, "returned messages")


def test_changed_limits_hold_for_those_who_wait(side: Side) -> None:
    if not side.is_ours:
        pytest.skip("in Celery they keep the old limit")
    worker = side.start()
    side.ask("rate_limit", task_name="example.add", rate_limit="1/h")
    tasks = [side.app.send_task("example.add", (i, i)) for i in range(6)]
    worker.wait_log(rf"\[{tasks[5].id}\] received")
    side.ask("rate_limit", task_name="example.add", rate_limit=None)
    assert [task.get(timeout=5) for task in tasks] == [0, 2, 4, 6, 8, 10]


def test_more_wait_for_their_rate_than_the_window_holds(side: Side) -> None:
    """As with etas, they do not keep other tasks from being delivered."""
    if not side.is_ours:
        pytest.skip("Celery's window does not grow for them")
    side.start("--prefetch-multiplier", "1")
    side.ask("rate_limit", task_name="example.add", rate_limit="1/h")
    for i in range(50):
        side.app.send_task("example.add", (i, i))
    assert side.app.send_task("example.echo", ("free",)).get(timeout=10)[0] == ["free"]


def test_default_rate_limit(side: Side, amqp: Client, replies: Replies) -> None:
    if side.name != "native":
        pytest.skip("a setting of the app")
    side.start("--set", "task_default_rate_limit=2/s")
    times = finish_times(amqp, replies, 5, "example.echo")
    assert 1.2 < times[4] < 2.5, times


def test_time_limit_at_run_time(side: Side) -> None:
    from celery.exceptions import TimeLimitExceeded
    side.start()
    assert side.ask("time_limit", task_name="example.sleep", hard=1, soft=None) == {
        "ok": "time limits set successfully"}
    if not side.is_ours:
        pytest.skip("in Celery it holds from the next connection on")
    with pytest.raises(TimeLimitExceeded):
        side.app.send_task("example.sleep", (20,)).get(timeout=10)
    side.ask("time_limit", task_name="example.sleep", soft=0.5, hard=20)
    with pytest.raises(SoftTimeLimitExceeded):
        side.app.send_task("example.sleep", (20,)).get(timeout=10)
    side.ask("time_limit", task_name="example.sleep")
    assert side.app.send_task("example.sleep", (1,)).get(timeout=10) == 1


# --- the state file ---

def test_revokes_outlive_the_worker(side: Side, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    side.start("--statedb", state)
    side.ask("revoke", task_id=["gone-1", "gone-2"])
    assert side.worker
    assert side.worker.stop() == 0
    side.worker.close()
    side.start("--statedb", state)
    assert sorted(side.ask("revoked")) == ["gone-1", "gone-2"]
    with pytest.raises(TaskRevokedError):
        side.app.send_task("example.add", (2, 3), task_id="gone-1").get(timeout=10)


def test_revokes_outlive_a_kill(side: Side, tmp_path: Path) -> None:
    if not side.is_ours:
        pytest.skip("Celery writes every three minutes")
    state = tmp_path / "state"
    side.start("--statedb", str(state))
    side.ask("revoke", task_id="gone-1")
    wait_until(state.exists, 5, "state file")
    assert side.worker
    side.worker.kill()
    side.worker.close()
    side.start("--statedb", str(state))
    assert side.ask("revoked") == ["gone-1"]


def test_celerys_state_file_is_refused(side: Side, tmp_path: Path) -> None:
    if not side.is_ours:
        pytest.skip("it is its own")
    import dbm.dumb
    import shelve
    state = tmp_path / "state"
    state.write_bytes(b"\xce\x9a\x57\x13 not ours")
    worker = Worker("amqp://127.0.0.1:1//", "--statedb", str(state)).launch()
    try:
        assert worker.wait() == 2
        assert "Celery's cannot be read here" in worker.read_log()
        assert state.read_bytes() == b"\xce\x9a\x57\x13 not ours"
    finally:
        worker.close()
    assert shelve and dbm.dumb


# --- races ---

@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_a_storm_of_terminations_hits_nobody_else(side: Side, amqp: Client, replies: Replies,
                                                  seconds: float) -> None:
    """Short tasks are staged behind each other, begin and end while the commands are on their way.
    """
    if not side.is_ours:
        pytest.skip("Celery may hit the next task of the process")
    worker = side.start("--prefetch-multiplier", "16", concurrency=2)
    chance = random.Random(7)
    victims, others = [], []
    for i in range(400):
        task = amqp.send_task("example.sleep", (seconds,), reply_to=replies.queue)
        if i % 4 == 0:
            victims.append(task)
            side.app.control.terminate(task, signal=chance.choice(["KILL", "TERM", "ABRT", "USR1"]))
        else:
            others.append(task)
    replies.wait(*victims, *others, seconds=60)
    states = {replies.document(task)["status"] for task in others}
    assert states == {"SUCCESS"}
    ends = [replies.document(task) for task in victims]
    assert {end["status"] for end in ends} <= {"SUCCESS", "REVOKED", "FAILURE"}
    for end in ends:
        if end["status"] == "FAILURE":  # of SIGUSR1
            assert end["result"]["exc_type"] == "SoftTimeLimitExceeded", end
    assert not replies.repeated
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert "WorkerLostError" not in worker.read_log() and "lost its process" not in worker.read_log()
