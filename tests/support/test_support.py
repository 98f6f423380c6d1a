# SPDX-License-Identifier: BSD-3-Clause
"""The harness itself, tried with Debian's Celery as the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable

import amqp as amqp_lib
import pytest
from celery import Celery

from support.amqp import Client
from support.process import (Process, Timeout, alive, cpu_seconds, descendants,
                             wait_until)
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import TESTS, CeleryWorker


def test_celery_worker_answers_the_stock_client(
        celery_worker: Callable[..., CeleryWorker], client: Celery) -> None:
    celery_worker()
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5


def test_raw_task_message_is_understood_by_celery(
        celery_worker: Callable[..., CeleryWorker], amqp: Client) -> None:
    celery_worker()
    amqp.declare("answers")
    task_id = amqp.send_task("example.add", (20, 22), reply_to="answers")
    answer = amqp.wait_message("answers")
    assert answer.properties["correlation_id"] == task_id
    assert '"result": 42' in answer.body


def test_stopping_a_worker_ends_its_whole_tree(
        celery_worker: Callable[..., CeleryWorker]) -> None:
    worker = celery_worker(concurrency=3)
    tree = worker.tree()
    assert len(tree) == 3
    assert worker.stop() == 0
    assert not any(alive(pid) for pid in tree)


def test_cpu_and_memory_cover_the_tree(celery_worker: Callable[..., CeleryWorker]) -> None:
    worker = celery_worker(concurrency=1)
    assert worker.cpu_seconds() > 0.05
    assert 10e6 < worker.pss_bytes() < 500e6


def test_virtual_hosts_do_not_see_each_other(rabbitmq: RabbitMQ) -> None:
    first, second = rabbitmq.new_vhost(), rabbitmq.new_vhost()
    with Client(rabbitmq.url_of(first)) as one, Client(rabbitmq.url_of(second)) as two:
        one.declare("only-here")
        with pytest.raises(amqp_lib.exceptions.NotFound):
            two.counts("only-here")


def test_restart_keeps_durable_messages(own_rabbitmq: RabbitMQ) -> None:
    with Client(own_rabbitmq.url) as client:
        client.declare("kept")
        client.publish(amqp_lib.Message("x", delivery_mode=2), "kept")
        client.wait_ready("kept", 1)
    own_rabbitmq.restart()
    assert own_rabbitmq.queues() == {"kept": (1, 0)}


def test_memory_alarm_blocks_publishers_until_cleared(rabbitmq: RabbitMQ) -> None:
    blocked: list[str] = []
    with amqp_lib.Connection(f"127.0.0.1:{rabbitmq.port}", on_blocked=blocked.append,
                             on_unblocked=blocked.clear) as connection:
        rabbitmq.set_memory_alarm(True)
        try:
            connection.channel().basic_publish(amqp_lib.Message("x"), routing_key="nowhere")
            connection.drain_events(timeout=10)
            assert len(blocked) == 1
        finally:
            rabbitmq.set_memory_alarm(False)
        connection.drain_events(timeout=10)
        assert not blocked


def test_redis_keeps_its_data_over_a_restart(own_redis: Redis) -> None:
    own_redis.client().set("key", "value")
    own_redis.restart()
    assert own_redis.client().get("key") == b"value"


def test_server_program_ends_with_its_stdin_and_leaves_nothing() -> None:
    program = subprocess.Popen([sys.executable, "-m", "support.redis"], cwd=TESTS, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert program.stdout and program.stdin
        assert program.stdout.readline().startswith("redis://127.0.0.1:")
        tree = descendants(program.pid)
        assert len(tree) == 2
        program.stdin.close()
        assert program.wait(10) == 0
        assert not any(alive(pid) for pid in tree)
    finally:
        program.kill()
        program.wait(10)


def test_servers_die_with_a_killed_test_run(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-m", "support.redis"], cwd=TESTS, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={**os.environ, "TMPDIR": str(tmp_path)})
    assert program.stdout
    program.stdout.readline()
    tree = descendants(program.pid)
    os.kill(program.pid, signal.SIGKILL)
    program.wait(10)
    wait_until(lambda: not any(alive(pid) for pid in tree), 10, "end of the orphans")


def test_waiting_ends_at_its_deadline() -> None:
    with pytest.raises(Timeout, match="no miracle within 0.1 s"):
        wait_until(lambda: False, 0.1, "miracle")


def test_killing_finds_orphans_in_sessions_of_their_own(tmp_path: Path) -> None:
    script = "setsid sleep 600 & echo $!; exec true"
    process = Process(["/bin/sh", "-c", script], tmp_path / "log")
    assert process.wait(10) == 0
    orphan = int(process.read_log())
    assert alive(orphan)
    process.kill()
    wait_until(lambda: not alive(orphan), 10, "end of the orphan")


def test_cpu_time_counts_the_living_and_the_reaped(tmp_path: Path) -> None:
    burn = "t=$(date +%s%N); while [ $(($(date +%s%N) - t)) -lt 200000000 ]; do :; done"
    script = f"sh -c '{burn}'; {burn}; echo done; exec sleep 600"
    process = Process(["/bin/sh", "-c", script], tmp_path / "log")
    try:
        wait_until(lambda: "done" in process.read_log(), 20, "end of the burning")
        assert 0.1 < cpu_seconds(process.pid) < 5
    finally:
        process.kill()


def test_content_encoding_may_be_a_lie(amqp: Client) -> None:
    amqp.declare("lies")
    for encoding in ("binary", "x-none", "utf-8"):
        amqp.publish(amqp_lib.Message("text", content_encoding=encoding), "lies")
        answer = amqp.wait_message("lies")
        assert answer.properties["content_encoding"] == encoding
        assert answer.body in ("text", b"text")
