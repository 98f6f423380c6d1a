# SPDX-License-Identifier: BSD-3-Clause
"""The command line as an operator uses it, right and wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Mapping

import pytest
from celery import Celery

from interop.broker import Replies
from support.amqp import Client, task_message
from support.process import Process, free_ports, wait_until
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker, build_folder, example_tasks

SECRET = "s3cr3t-pass"
LINE = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: %s/MainProcess\] %s"


def celeriac(*args: str | Path, env: Mapping[str, str] | None = None,
             seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run([str(build_folder() / "celeriac"), *map(str, args)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=seconds, check=False,
                          env={**os.environ, **(env or {})})


def is_usage_error(done: subprocess.CompletedProcess[str], *words: str) -> bool:
    """Status 2, one clear sentence, no banner."""
    assert done.returncode == 2, done.stdout
    assert done.stdout.startswith("celeriac: "), done.stdout
    assert "[config]" not in done.stdout
    for word in words:
        assert word in done.stdout
    return True


# ---- what is wrong before anything starts ----

def test_library_that_does_not_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing.so"
    assert is_usage_error(celeriac("-A", missing, "worker"), str(missing),
                          "No such file or directory")


def test_library_that_is_no_elf_file(tmp_path: Path, broker_url: str) -> None:
    text = tmp_path / "text.so"
    text.write_text("this is no library\n")
    done = celeriac("-A", text, "-b", broker_url, "worker")
    assert done.returncode == 2, done.stdout
    assert re.search(LINE % ("CRITICAL", r"The tasks cannot be loaded: .*text\.so"), done.stdout,
                     re.MULTILINE)
    assert "[config]" not in done.stdout


def test_library_that_holds_no_tasks(broker_url: str, tmp_path: Path) -> None:
    library = tmp_path / "libz.so"
    library.symlink_to("/lib/x86_64-linux-gnu/libz.so.1")
    done = celeriac("-A", library, "-b", broker_url, "worker")
    assert done.returncode == 2, done.stdout
    assert "CELERIAC_TASKS" in done.stdout


def test_folder_instead_of_a_library(tmp_path: Path) -> None:
    folder = tmp_path / "folder.so"
    folder.mkdir()
    assert celeriac("-A", folder, "worker").returncode == 2


@pytest.mark.parametrize("args, words", [
    (["--no-such-option"], ["no-such-option"]),
    (["-l", "LOUD"], ["LOUD", "DEBUG"]),
    (["-c", "many"], ["worker_concurrency"]),
    (["-c", "-1"], ["worker_concurrency"]),
    (["--time-limit", "soon"], ["task_time_limit"]),
    (["--set", "novalue"], ["name=value"]),
    (["--set", "worker_lost_max_deliveries=0"], ["worker_lost_max_deliveries"]),
    (["--set", "accept_content=pickle"], ["accept_content", "pickle"]),
    (["--set", "result_serializer=yaml"], ["result_serializer", "yaml"]),
    (["-Q", "a", "-X", "a"], ["queue"]),
    (["-Q", "other", "--set", "task_create_missing_queues=false"], ["other"]),
    (["--config", "/no/such/file"], ["/no/such/file"]),
    (["--logfile", "/no/such/folder/log"], ["/no/such/folder/log"]),
    (["--pidfile", "/no/such/folder/pid"], ["/no/such/folder/pid"]),
    (["-b", "http://somewhere"], ["URL", "scheme", "amqps"]),
    (["--result-backend", "mongodb://somewhere"], ["mongodb"]),
    (["extra"], ["extra", "name=value"]),
    (["worker_concurrency=many"], ["worker_concurrency"]),
    (["-P", "gevent"], ["gevent", "prefork"]),
    (["--set", "worker_pool=solo"], ["solo", "prefork"]),
    (["--beat"], ["--beat", "celery beat"]),
    (["--detach"], ["--detach", "foreground"]),
    (["--autoscale", "many"], ["MAX,MIN"]),
    (["--workdir", "/no/such"], ["/no/such", "No such file"]),
    (["--umask", "many"], ["--umask"]),
    (["--uid", "no-such-user"], ["--uid", "no-such-user"]),
    (["--gid", "no-such-group"], ["--gid", "no-such-group"]),
])
def test_wrong_option(args: list[str], words: list[str]) -> None:
    done = celeriac("-A", example_tasks(), "worker", *args)
    assert done.returncode == 2, done.stdout
    for word in words:
        assert word in done.stdout


def test_other_command() -> None:
    assert is_usage_error(celeriac("-A", example_tasks(), "beat"), "worker")


def test_help_and_version() -> None:
    text = celeriac("--help").stdout
    for option in ("-A", "--broker", "--queues", "--pidfile", "--purge", "--soft-time-limit"):
        assert option in text
    version = celeriac("--version")
    assert version.returncode == 0
    assert re.match(r"\d+\.\d+\.\d+", version.stdout)


# ---- queues ----

def consumed(amqp: Client, *queues: str) -> list[str]:
    """The queues of these that somebody consumes from."""
    return [queue for queue in queues if amqp.counts(queue)[1] > 0]


def test_queues_are_made_as_celery_makes_them(worker: Callable[..., BaseWorker], client: Celery,
                                              amqp: Client) -> None:
    worker("-Q", "fast,slow")
    for queue in ("fast", "slow"):
        amqp.declare_task_queue(queue)  # fails if anything differs
        assert client.send_task("example.add", (2, 3), queue=queue).get(timeout=10) == 5
    assert consumed(amqp, "fast", "slow") == ["fast", "slow"]
    # Through its exchange, as with task_routes.
    queue = amqp.declare(durable=False, exclusive=True)
    amqp.publish(task_message("example.add", (2, 3), reply_to=queue), "slow", exchange="slow")
    amqp.wait_message(queue)


def test_excluded_queue_is_not_consumed(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    for queue in ("a", "b", "c"):
        amqp.declare_task_queue(queue)
    worker("-Q", "a,b,c", "-X", "b")
    assert consumed(amqp, "a", "b", "c") == ["a", "c"]


def test_default_queue_has_the_names_of_the_settings(worker: Callable[..., BaseWorker],
                                                     amqp: Client) -> None:
    running = worker("--set", "task_default_queue=mine", "--set", "task_default_exchange=ex",
                     "--set", "task_default_exchange_type=topic",
                     "--set", "task_default_routing_key=task.#",
                     "--set", "task_queue_max_priority=7")
    queue = amqp.declare(durable=False, exclusive=True)
    amqp.declare("mine", arguments={"x-max-priority": 7})
    amqp.publish(task_message("example.add", (2, 3), reply_to=queue), "task.x", exchange="ex")
    amqp.wait_message(queue)
    running.wait_log(r"^\.> mine +exchange=ex\(topic\) key=task\.#$")


@pytest.mark.parametrize("args, queue", [
    (["--set", "task_default_queue_type=quorum"], "celery"),
    (["-Q", "other", "--set", "task_create_missing_queue_type=quorum"], "other"),
])
def test_quorum_queue(worker: Callable[..., BaseWorker], amqp: Client, replies: Replies,
                      args: list[str], queue: str) -> None:
    worker(*args)
    amqp.declare(queue, arguments={"x-queue-type": "quorum"})
    task = amqp.send_task("example.add", (2, 3), queue, reply_to=replies.queue)
    assert replies.result(task) == 5


def test_queue_that_exists_with_other_arguments(amqp: Client, broker_url: str) -> None:
    amqp.declare("celery", arguments={"x-max-priority": 5})
    done = celeriac("-A", example_tasks(), "-b", broker_url, "worker")
    assert done.returncode == 1, done.stdout
    assert re.search(LINE % ("CRITICAL", r"Unrecoverable error: .*'?celery'?.*x-max-priority"),
                     done.stdout, re.MULTILINE)


def test_exchange_that_exists_with_another_type(amqp: Client, broker_url: str) -> None:
    amqp.channel.exchange_declare("celery", "topic", durable=True, auto_delete=False)
    done = celeriac("-A", example_tasks(), "-b", broker_url, "worker")
    assert done.returncode == 1, done.stdout
    assert re.search(LINE % ("CRITICAL", r"Unrecoverable error: .*celery.*type"), done.stdout,
                     re.MULTILINE)


def test_purge_drops_what_waits(worker: Callable[..., BaseWorker], amqp: Client, replies: Replies
                                ) -> None:
    amqp.declare_task_queue()
    old = [amqp.send_task("example.add", (2, 3), reply_to=replies.queue) for _ in range(50)]
    amqp.wait_ready("celery", 50)
    worker("--purge")
    new = amqp.send_task("example.add", (2, 3), reply_to=replies.queue)
    assert replies.result(new) == 5
    assert not set(old) & set(replies.messages)


# ---- names, files, settings ----

def test_node_name_and_files_are_expanded(worker: Callable[..., BaseWorker],
                                          tmp_path: Path) -> None:
    host = os.uname().nodename
    running = worker("-n", "w1@%h", "-f", str(tmp_path / "%n.log"), "--pidfile",
                     str(tmp_path / "%n.pid"), "--quiet", ready=False)
    log, pid = tmp_path / "w1.log", tmp_path / "w1.pid"
    short = host.split(".", maxsplit=1)[0]
    if not log.exists():
        wait_until(lambda: log.exists() or (tmp_path / f"{short}.log").exists(), 10, "log file")
    assert log.exists(), "%n is the node's name in file names, as in Celery"
    wait_until(lambda: f"w1@{host} ready." in log.read_text(), 10, "ready line")
    assert int(pid.read_text()) == running.pid
    assert running.read_log() == "", "with -q and -f nothing is printed"
    assert running.stop() == 0
    assert not pid.exists()


def test_node_name_without_a_host_part(worker: Callable[..., BaseWorker]) -> None:
    worker("-n", "alone").wait_log(r"celery@alone ready\.$")


def test_live_pid_file_refuses_the_start(tmp_path: Path, broker_url: str) -> None:
    pid = tmp_path / "pid"
    pid.write_text(f"{os.getpid()}\n")
    done = celeriac("-A", example_tasks(), "-b", broker_url, "worker", "--pidfile", pid)
    assert done.returncode == 2, done.stdout
    assert str(pid) in done.stdout and str(os.getpid()) in done.stdout
    assert pid.read_text() == f"{os.getpid()}\n"


def test_stale_pid_file_is_replaced(worker: Callable[..., BaseWorker], tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    pid = tmp_path / "pid"
    pid.write_text(f"{ended.pid}\n")
    running = worker("--pidfile", str(pid))
    assert int(pid.read_text()) == running.pid


def test_config_file_is_weaker_than_an_option(worker: Callable[..., BaseWorker], amqp: Client,
                                              tmp_path: Path) -> None:
    config = tmp_path / "celery.ini"
    config.write_text("; a comment\n[celery]\ntask_default_queue = from_file\n"
                      "worker_concurrency = 5\nresult_serializer = msgpack\n"
                      "worker_timer = mine\n")
    running = worker("--config", str(config), "--set", "result_serializer=json", concurrency=1)
    running.wait_log(r"^\.> concurrency: +1 \(prefork\)$")
    running.wait_log(r"WARNING/MainProcess\] .*worker_timer")
    queue = amqp.declare(durable=False, exclusive=True)
    amqp.send_task("example.add", (2, 3), "from_file", reply_to=queue)
    assert amqp.wait_message(queue).properties["content_type"] == "application/json"


@pytest.mark.parametrize("text", ["[other]\na = 1\n", "[celery]\nnonsense\n",
                                  "[celery]\nworker_concurrency = many\n"])
def test_broken_config_file_is_named(tmp_path: Path, text: str) -> None:
    config = tmp_path / "celery.ini"
    config.write_text(text)
    assert is_usage_error(celeriac("-A", example_tasks(), "worker", "--config", config),
                          str(config))


def test_unknown_settings_are_named_in_a_warning(worker: Callable[..., BaseWorker]) -> None:
    running = worker("--set", "task_annotations=x", "no_such=1")
    running.wait_log(r"WARNING/MainProcess\] .*task_annotations is not supported")
    running.wait_log(r"WARNING/MainProcess\] .*no_such is not a setting")


def test_settings_behind_the_command(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    running = worker("task.default_queue=mine", "_prefetch_multiplier=(int)3", concurrency=2)
    running.wait_log(r"^\.> mine ")
    assert consumed(amqp, "mine") == ["mine"]


def test_options_without_effect_are_named(worker: Callable[..., BaseWorker]) -> None:
    running = worker("-E", "--autoscale", "3,1", "--without-gossip",
                     "--python", "python3", "-I", "module")
    running.wait_log(r"^\.> concurrency: +3 \(prefork\)$")
    for option in ("task-events", "autoscale", "python", "include"):
        running.wait_log(rf"WARNING/MainProcess\] --{option} has no effect: ")
    assert "gossip" not in running.read_log()


def test_acks_as_in_celery_for_a_library(worker: Callable[..., BaseWorker], amqp: Client,
                                         replies: Replies) -> None:
    """Acked before it ran: the task that kills its process is not tried again."""
    running = worker("--celery-acks", concurrency=1)
    task = amqp.send_task("example.exit", (7,), reply_to=replies.queue)
    assert replies.document(task)["status"] == "FAILURE"
    assert running.read_log().count("received") == 1
    assert running.read_log().count("exited with 'exitcode 7'") == 1


def test_workdir_is_where_names_are_looked_up(worker: Callable[..., BaseWorker], client: Celery,
                                              tmp_path: Path) -> None:
    (tmp_path / "tasks.so").symlink_to(example_tasks())
    running = worker("--workdir", str(tmp_path), "-f", "worker.log", app="tasks.so", ready=False)
    assert client.send_task("example.add", (2, 3)).get(timeout=20) == 5
    assert "ready." in (tmp_path / "worker.log").read_text()
    assert running.stop() == 0


def test_environment_names_broker_and_backend(client: Celery, broker_url: str,
                                              tmp_path: Path) -> None:
    """CELERY_BROKER_URL wins over a file; the option -b over both is the next test's."""
    config = tmp_path / "celery.ini"
    config.write_text("[celery]\nbroker_url = amqp://nobody@127.0.0.1:1//\n")
    program = Process([str(build_folder() / "celeriac"), "-A", str(example_tasks()), "--config",
                       str(config), "worker", "-c", "1", "-l", "INFO"], tmp_path / "log",
                      {**os.environ, "CELERY_BROKER_URL": broker_url,
                       "CELERY_RESULT_BACKEND": "rpc://"})
    try:
        assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5
    finally:
        assert program.stop() == 0


def test_option_wins_over_the_environment(worker: Callable[..., BaseWorker],
                                          client: Celery) -> None:
    worker(env={"CELERY_BROKER_URL": "amqp://nobody@127.0.0.1:1//",
                "CELERY_RESULT_BACKEND": "disabled://"})
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5


def test_default_backend_stores_nothing(worker: Callable[..., BaseWorker], amqp: Client,
                                        tmp_path: Path) -> None:
    running = worker(backend="")
    queue = amqp.declare(durable=False, exclusive=True)
    amqp.send_task("example.add", (2, 3), reply_to=queue)
    amqp.send_task("example.append", (str(tmp_path / "done"), "x"), reply_to=queue)
    wait_until((tmp_path / "done").exists, 10, "file")
    assert running.stop() == 0
    assert amqp.get(queue) is None
    assert amqp.counts("celery")[0] == 0


# ---- the broker ----

def test_broker_that_is_not_there_is_tried_again(worker: Callable[..., BaseWorker]) -> None:
    port = free_ports(1)[0]
    running = worker(url=f"amqp://me:{SECRET}@127.0.0.1:{port}//", ready=False)
    running.wait_log(LINE % ("ERROR", rf"consumer: Cannot connect to amqp://me:\*\*@127\.0\.0\.1:"
                                      rf"{port}//: \[Errno 111\] Connection refused\.$"))
    running.wait_log(r"^Trying again in 2\.00 seconds\.\.\. \(1/100\)$")
    running.wait_log(r"^Trying again in 4\.00 seconds\.\.\. \(2/100\)$")
    assert running.stop(2) == 0, "a worker that waits for its broker still obeys"
    assert SECRET not in running.read_log()


@pytest.mark.parametrize("setting", ["broker_connection_retry=false",
                                     "broker_connection_retry_on_startup=false",
                                     "broker_connection_max_retries=0"])
def test_retry_can_be_turned_off(setting: str) -> None:
    port = free_ports(1)[0]
    done = celeriac("-A", example_tasks(), "-b", f"amqp://127.0.0.1:{port}//", "worker", "--set",
                    setting, seconds=5)
    assert done.returncode == 1, done.stdout
    assert "Trying again" not in done.stdout
    assert re.search(LINE % ("CRITICAL", ".*Connection refused"), done.stdout, re.MULTILINE)


def test_next_broker_of_several_is_tried(worker: Callable[..., BaseWorker], broker_url: str,
                                         client: Celery) -> None:
    port = free_ports(1)[0]
    running = worker(url=f"amqp://guest:guest@127.0.0.1:{port}//;{broker_url}")
    running.wait_log("Will retry using next failover")
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5


def test_wrong_password_ends_the_worker_at_once(broker_url: str) -> None:
    url = broker_url.replace("guest:guest", f"guest:{SECRET}")
    done = celeriac("-A", example_tasks(), "-b", url, "worker", "-l", "DEBUG", seconds=5)
    assert done.returncode == 1, done.stdout
    assert re.search(LINE % ("CRITICAL", ".*(ACCESS_REFUSED|refused)"), done.stdout, re.MULTILINE)
    assert SECRET not in done.stdout
    assert "Trying again" not in done.stdout


def test_virtual_host_that_does_not_exist(rabbitmq: RabbitMQ) -> None:
    done = celeriac("-A", example_tasks(), "-b", rabbitmq.url_of("no-such-vhost"), "worker",
                    "--set", "broker_connection_retry=false", seconds=10)
    assert done.returncode == 1, done.stdout
    assert "no-such-vhost" in done.stdout


@pytest.mark.parametrize("url", [f"amqp://u:{SECRET}@[broken", f"amqp://u:{SECRET}@host:port/",
                                 f"nonsense://u:{SECRET}@host/"])
def test_broken_url_is_refused_without_its_password(url: str) -> None:
    done = celeriac("-A", example_tasks(), "-b", url, "worker")
    assert done.returncode == 2, done.stdout
    assert SECRET not in done.stdout


# ---- signals ----

@pytest.mark.parametrize("number, status, words", [
    (signal.SIGTERM, 0, "Warm"), (signal.SIGINT, 1, "Warm"), (signal.SIGQUIT, 0, "Cold")])
def test_stop_signals(worker: Callable[..., BaseWorker], number: int, status: int,
                      words: str) -> None:
    running = worker()
    running.signal(number)
    assert running.wait(5) == status
    assert f"worker: {words} shutdown (MainProcess)" in running.read_log()


def test_idle_worker_stops_at_once(worker: Callable[..., BaseWorker], rabbitmq: RabbitMQ) -> None:
    """It says goodbye to the broker, and waits for nothing."""
    running = worker()
    log = rabbitmq.folder / "log" / f"{rabbitmq.node}.log"
    mark = len(log.read_text())
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 0.9
    assert "unexpectedly closed" not in log.read_text()[mark:]


def test_remapped_sigterm_is_cold(worker: Callable[..., BaseWorker], client: Celery, amqp: Client
                                  ) -> None:
    running = worker(env={"REMAP_SIGTERM": "SIGQUIT"})
    task: Any = client.send_task("example.sleep", (30,))
    running.wait_log(rf"{task.id}\] received")
    running.signal(signal.SIGTERM)
    assert running.wait(5) == 0
    assert "Cold shutdown" in running.read_log()
    assert amqp.counts("celery")[0] == 1
