# SPDX-License-Identifier: BSD-3-Clause
"""`celeriac call` and `celeriac result` with workers of both kinds and both result backends."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any, Callable, Iterator

import pytest
from celery import Celery

from interop.conftest import ACCEPT_BOTH
from support.amqp import Client
from support.client import celery_client
from support.process import Process, free_ports, wait_until
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import BaseWorker, SANITIZER_REPORT, build_folder

SUCCESS, FAILED, USAGE, SERVER, TIMEOUT = 0, 1, 2, 3, 4
Run = subprocess.CompletedProcess[str]


def celeriac(*args: object, seconds: float = 40.0, env: dict[str, str] | None = None) -> Run:
    """Run the program to its end."""
    done = subprocess.run([str(build_folder() / "celeriac"), *map(str, args)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                          check=False, env={**os.environ, **(env or {})})
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


@pytest.fixture(params=["rpc", "redis"])
def backend(request: pytest.FixtureRequest) -> str:
    """The URL of a result backend."""
    return "rpc://" if request.param == "rpc" else request.getfixturevalue("redis").url


@pytest.fixture(params=["celeriac", "celery"])
def any_worker(request: pytest.FixtureRequest, backend: str, broker_url: str) -> BaseWorker:
    """A worker that accepts both serializers."""
    if request.param == "celeriac":
        return request.getfixturevalue("worker")(*ACCEPT_BOTH, backend=backend)
    return request.getfixturevalue("celery_worker")(env={"CELERY_RESULT_BACKEND": backend})


@pytest.fixture
def call(broker_url: str, backend: str) -> Callable[..., Run]:
    """Calls a task and waits for it."""
    def run(*args: object, wait: float = 20) -> Run:
        return celeriac("-b", broker_url, "--result-backend", backend, "call", *args, "--wait",
                        wait)
    return run


def value(done: Run) -> Any:
    """The result of a call that went well."""
    assert (done.returncode, done.stderr) == (SUCCESS, ""), done
    return json.loads(done.stdout)


def test_results(any_worker: BaseWorker, call: Callable[..., Run]) -> None:
    assert value(call("example.add", "--args", "[2, 3]")) == 5
    assert value(call("example.add", "-k", '{"x": 2, "y": 0.5}')) == 2.5
    args = ["é€😀", None, True, 2 ** 70, 1e300, {"k": []}]
    for serializer in ("json", "msgpack"):
        sent = args if serializer == "json" else [arg for arg in args if arg != 2 ** 70]
        done = call("example.echo", "-a", json.dumps(sent), "-k", '{"é": 1}', "--serializer",
                    serializer)
        assert value(done) == [sent, {"é": 1}]


def test_large_arguments_and_results(any_worker: BaseWorker, call: Callable[..., Run],
                                     tmp_path: Any) -> None:
    large = "x" * 100_000
    assert value(call("example.echo", "-a", json.dumps([large]), "--compression", "zlib")) == [
        [large], {}]


def test_failures(any_worker: BaseWorker, call: Callable[..., Run]) -> None:
    done = call("example.fail", "-a", '["bad thing"]')
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", "ValueError: bad thing\n")
    done = call("example.nowhere")
    assert done.returncode == FAILED
    assert done.stderr == "celery.exceptions.NotRegistered: example.nowhere\n"


def test_times(any_worker: BaseWorker, call: Callable[..., Run]) -> None:
    begin = time.monotonic()
    assert value(call("example.add", "-a", "[1, 2]", "--countdown", "1.5")) == 3
    assert time.monotonic() - begin >= 1.4
    # Celery's worker tells a client of rpc:// about an expired task, too; the broker may drop it before.
    done = call("example.add", "-a", "[1, 2]", "--countdown", "1", "--expires", "2000-01-01", wait=2)
    assert done.returncode in (FAILED, TIMEOUT), done
    assert "TaskRevokedError: expired" in done.stderr or "has not ended in time" in done.stderr


def test_waiting_ends_in_time(any_worker: BaseWorker, call: Callable[..., Run]) -> None:
    begin = time.monotonic()
    done = call("example.sleep", "-a", "[5]", wait=1)
    assert time.monotonic() - begin < 4
    assert (done.returncode, done.stdout) == (TIMEOUT, "")
    assert "has not ended in time" in done.stderr


# ---- results of other processes ----

def test_result_of_another_process(worker: Callable[..., BaseWorker], broker_url: str,
                                   redis: Redis) -> None:
    worker(backend=redis.url)
    done = celeriac("-b", broker_url, "call", "example.add", "-a", "[2, 3]")
    task_id = done.stdout.strip()
    assert value(celeriac("--result-backend", redis.url, "result", task_id)) == 5
    with celery_client(broker_url, redis.url) as app:
        assert app.AsyncResult(task_id).get(timeout=10) == 5
        failed = app.send_task("example.fail", ("bad thing",))
        done = celeriac("result", failed.id, env={"CELERY_RESULT_BACKEND": redis.url})
        assert (done.returncode, done.stderr) == (FAILED, "ValueError: bad thing\n")
        done = celeriac("--result-backend", redis.url, "result", "--traceback", failed.id, "-t", "x")
        assert (done.returncode, done.stdout.strip()) == (SUCCESS, failed.traceback.strip())


def test_prefixed_keys_and_databases(worker: Callable[..., BaseWorker], broker_url: str,
                                     redis: Redis) -> None:
    url = redis.url.rsplit("/", 1)[0] + "/3"
    prefix = 'result_backend_transport_options={"global_keyprefix": "mine"}'
    worker("--set", prefix, "--set", "result_serializer=msgpack", backend=url)
    done = celeriac("-b", broker_url, "--result-backend", url, "call", "example.add", "-a", "[2, 3]",
                    "--wait", "10", "--set", prefix)
    assert value(done) == 5


def test_results_of_rpc_are_another_processes(broker_url: str) -> None:
    done = celeriac("-b", broker_url, "--result-backend", "rpc://", "result", "some-id")
    assert done.returncode == USAGE
    assert "the process that has sent the task" in done.stderr


# ---- servers that are not there, or go away ----

def test_nobody_listens() -> None:
    port = free_ports(1)[0]
    begin = time.monotonic()
    done = celeriac("-b", f"amqp://guest:secret@127.0.0.1:{port}//", "call", "example.add")
    assert done.returncode == SERVER
    assert "Connection refused" in done.stderr and "secret" not in done.stderr
    done = celeriac("--result-backend", f"redis://127.0.0.1:{port}/0", "result", "some-id")
    assert done.returncode == SERVER
    assert "refused" in done.stderr
    assert time.monotonic() - begin < 15


def test_next_url_is_tried(worker: Callable[..., BaseWorker], broker_url: str) -> None:
    worker()
    urls = f"amqp://guest@127.0.0.1:{free_ports(1)[0]}//;{broker_url}"
    done = celeriac("-b", urls, "--result-backend", "rpc://", "call", "example.add", "-a", "[2, 3]",
                    "--wait", "20")
    assert value(done) == 5


def test_login_that_is_refused(broker_url: str) -> None:
    url = broker_url.replace("guest:guest", "guest:wrong")
    done = celeriac("-b", url, "call", "example.add")
    assert done.returncode == SERVER
    assert "wrong" not in done.stderr and "user and the password" in done.stderr


def test_queue_that_is_refused(broker_url: str, amqp: Client) -> None:
    amqp.declare("celery", durable=False)
    done = celeriac("-b", broker_url, "call", "example.add")
    assert done.returncode == SERVER
    assert "celery" in done.stderr and "PRECONDITION_FAILED" in done.stderr


def test_exchange_that_is_not_there(broker_url: str) -> None:
    done = celeriac("-b", broker_url, "call", "example.add", "--exchange", "missing",
                    "--routing-key", "x")
    assert done.returncode == SERVER
    assert "no exchange 'missing'" in done.stderr


@pytest.mark.timeout(120)
def test_broker_that_restarts_meanwhile(own_rabbitmq: RabbitMQ, tmp_path: Any,
                                        worker: Callable[..., BaseWorker]) -> None:
    """The reply queue is made again, and a task that goes on through it all answers there."""
    running = worker(url=own_rabbitmq.url)
    argv = [str(build_folder() / "celeriac"), "-b", own_rabbitmq.url, "--result-backend", "rpc://",
            "call", "example.sleep", "-a", "[40]", "--wait", "90"]
    waiting = Process(argv, tmp_path / "call.log", dict(os.environ), tmp_path)
    try:
        running.wait_log("example.sleep.*received")
        # The broker confirms in order: this one comes behind the confirm of the other.
        behind = celeriac("-b", own_rabbitmq.url, "--result-backend", "rpc://", "call",
                          "example.add", "-a", "[2, 3]", "--wait", "30")
        assert behind.returncode == SUCCESS, behind.stderr
        own_rabbitmq.restart()
        assert waiting.wait(80) == SUCCESS, waiting.read_log()
        assert waiting.read_log().strip() == "40"
    finally:
        waiting.kill()


def test_redis_that_restarts_meanwhile(own_redis: Redis, broker_url: str, tmp_path: Any,
                                       worker: Callable[..., BaseWorker]) -> None:
    running = worker(backend=own_redis.url)
    argv = [str(build_folder() / "celeriac"), "-b", broker_url, "--result-backend", own_redis.url,
            "call", "example.sleep", "-a", "[4]", "--wait", "30"]
    waiting = Process(argv, tmp_path / "call.log", dict(os.environ), tmp_path)
    try:
        running.wait_log("example.sleep.*received")
        own_redis.restart()
        assert waiting.wait(30) == SUCCESS, waiting.read_log()
        assert waiting.read_log().strip() == "4"
    finally:
        waiting.kill()


@pytest.mark.timeout(120)
def test_memory_alarm(own_rabbitmq: RabbitMQ) -> None:
    """The broker accepts the connection, and takes nothing: the call ends, and says why."""
    own_rabbitmq.set_memory_alarm(True)
    try:
        done = celeriac("-b", own_rabbitmq.url, "call", "example.add", seconds=30)
    finally:
        own_rabbitmq.set_memory_alarm(False)
    assert done.returncode == SERVER
    assert "short of memory or disk" in done.stderr


# ---- the command line ----

@pytest.mark.parametrize("args, words", [
    (["call"], "takes one TASK"),
    (["call", "a", "b"], "takes one TASK"),
    (["result"], "takes one ID"),
    (["call", "a", "--args", "[1"], "args: "),
    (["call", "a", "--args", "{}"], "args takes a JSON array"),
    (["call", "a", "--kwargs", "[]"], "kwargs takes a JSON object"),
    (["call", "a", "--headers", "3"], "headers takes a JSON object"),
    (["call", "a", "--eta", "soon"], "eta: "),
    (["call", "a", "--expires", "soon"], "expires: "),
    (["call", "a", "--eta", "2030-01-01", "--countdown", "3"], "not both"),
    (["call", "a", "--countdown", "x"], "not a number of seconds"),
    (["call", "a", "--priority", "256"], "from 0 to 255"),
    (["call", "a", "--serializer", "pickle"], "serializer 'pickle' is not supported"),
    (["call", "a", "--compression", "rar"], "compression 'rar' is not supported"),
    (["call", "a", "--wait"], "no result backend"),
    (["call", "a", "--wait", "--ignore-result", "--result-backend", "rpc://"], "exclude each other"),
    (["call", "a", "--no-such-option"], "no-such-option"),
    (["call", "a", "--queue", "q", "--set", "task_create_missing_queues=no"], "not configured"),
    (["-A", "proj", "call", "a"], "name the broker with -b"),
    (["--config", "/nowhere.ini", "call", "a"], "/nowhere.ini"),
    (["result", "x"], "no result backend"),
    (["result", "x", "--result-backend", "db+sqlite:///x"], "no result backend 'db'"),
    (["result", "x", "--result-backend", "rediss://h/0"], "TLS"),
])
def test_usage(args: list[str], words: str) -> None:
    done = celeriac(*args)
    assert done.returncode == USAGE, done
    assert words in done.stderr and not done.stdout


def test_settings_from_a_file_and_the_environment(worker: Callable[..., BaseWorker], broker_url: str,
                                                  tmp_path: Any) -> None:
    worker("-Q", "filed", *ACCEPT_BOTH)
    config = tmp_path / "celery.ini"
    config.write_text("[celery]\ntask_default_queue = filed\nresult_backend = rpc://\n"
                      "task_serializer = msgpack\n")
    done = celeriac("--config", config, "call", "example.add", "-a", "[2, 3]", "--wait=20",
                    env={"CELERY_BROKER_URL": broker_url})
    assert value(done) == 5


@pytest.mark.parametrize("command", ["call", "result"])
def test_help(command: str) -> None:
    done = celeriac(command, "--help")
    assert done.returncode == SUCCESS
    assert "--wait [SECONDS]" in done.stdout and "Exit status" in done.stdout
