# SPDX-License-Identifier: BSD-3-Clause
"""Banner and log lines (celery-wire.md 9.3, 9.4)."""

from __future__ import annotations

import os
import re
from typing import Callable

from celery import Celery

from support.amqp import Client
from support.worker import BaseWorker

UUID = r"[0-9a-f-]{36}"
STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: "
TASKS = ["add", "alloc", "append", "burn", "crash", "echo", "exit", "fail", "ignore_usr1", "noop",
         "pid", "sleep"]


def line(level: str, process: str, text: str) -> str:
    """A pattern for one whole line."""
    return rf"^{STAMP}{level}/{process}\] {text}$"


def test_banner(worker: Callable[..., BaseWorker], broker_url: str) -> None:
    text = worker("-Q", "celery,a-rather-long-queue-name", concurrency=3).read_log()
    host = os.uname().nodename
    masked = broker_url.replace("guest:guest", r"guest:\*\*")
    banner = (
        rf"\ncelery@{re.escape(host)} celeriac v\d+\.\d+\.\d+\n"
        r"\nLinux-\S+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n"
        r"\n\[config\]\n"
        r"\.> app:         \S*libexample_tasks\.so \(native\)\n"
        rf"\.> transport:   {masked}\n"
        r"\.> results:     rpc://\n"
        r"\.> concurrency: 3 \(prefork\)\n"
        r"\.> task events: OFF .*\n"
        r"\n\[queues\]\n"
        r"\.> celery           exchange=celery\(direct\) key=celery\n"
        r"\.> a-rather-long-queue-name exchange=a-rather-long-queue-name\(direct\) "
        r"key=a-rather-long-queue-name\n"
        r"\n\[tasks\]\n" + "".join(rf"  \. example\.{name}\n" for name in TASKS) + r"\n")
    assert re.match(banner, text), text


def test_banner_without_tasks_above_info(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker("-l", "WARNING", ready=False)
    assert client.send_task("example.add", (2, 3)).get(timeout=20) == 5
    text = running.read_log()
    assert "[queues]" in text and "[tasks]" not in text
    assert "received" not in text and "succeeded" not in text


def test_quiet_worker_prints_no_banner(worker: Callable[..., BaseWorker]) -> None:
    text = worker("-q").read_log()
    assert "[config]" not in text
    assert "ready." in text


def test_start_lines(worker: Callable[..., BaseWorker], broker_url: str) -> None:
    running = worker()
    masked = broker_url.replace("guest:guest", r"guest:\*\*")
    running.wait_log(line("INFO", "MainProcess", f"Connected to {masked}"))
    running.wait_log(line("INFO", "MainProcess", rf"celery@{os.uname().nodename} ready\."))


def test_lines_of_a_task_that_succeeds(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker()
    result = client.send_task("example.echo", ("ä", 5.0, None, True), {"k": [1]})
    result.get(timeout=10)
    task = rf"Task example\.echo\[{result.id}\]"
    running.wait_log(line("INFO", "MainProcess", rf"{task} received"))
    running.wait_log(line("INFO", r"ForkPoolWorker-\d+",
                          rf"{task} succeeded in [\d.e-]+s: "
                          r"\[\['ä', 5\.0, None, True\], \{'k': \[1\]\}\]"))


def test_lines_of_a_task_that_fails(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker()
    result = client.send_task("example.fail", ("bad 'thing'",))
    result.get(timeout=10, propagate=False)
    running.wait_log(rf"^{STAMP}ERROR/ForkPoolWorker-\d+\] Task example\.fail\[{result.id}\] "
                     r"raised unexpected: ValueError\(\"bad 'thing'\"\)")


def test_lines_of_a_lost_process(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker("--set", "worker_lost_max_deliveries=1")
    client.send_task("example.exit", (7,)).get(timeout=10, propagate=False)
    running.wait_log(line("ERROR", "MainProcess",
                          r"Process 'ForkPoolWorker-\d+' pid:\d+ exited with 'exitcode 7'"))


def test_debug_tells_the_child(worker: Callable[..., BaseWorker], client: Celery) -> None:
    running = worker("-l", "DEBUG")
    result = client.send_task("example.pid")
    pid = result.get(timeout=10)
    del pid
    running.wait_log(line("DEBUG", "MainProcess", rf"Task .*{result.id}.*"))


def test_shadow_is_the_name_that_is_logged(worker: Callable[..., BaseWorker], amqp: Client) -> None:
    running = worker()
    task = amqp.send_task("example.add", (2, 3), shadow="shown.name")
    running.wait_log(line("INFO", "MainProcess", rf"Task shown\.name\[{task}\] received"))
    running.wait_log(rf"Task shown\.name\[{task}\] succeeded in ")


def test_newlines_of_strangers_do_not_make_lines(worker: Callable[..., BaseWorker], amqp: Client
                                                 ) -> None:
    """A name or an id is text from outside: nobody may write whole log lines with it."""
    running = worker()
    forged = "x]\n[2026-01-01 00:00:00,000: CRITICAL/MainProcess] forged"
    amqp.send_task("no.such\n" + forged, task_id="a\n" + forged)
    queue = amqp.declare(durable=False, exclusive=True)
    amqp.send_task("example.add", (2, 3), task_id="b\n" + forged, reply_to=queue)
    amqp.wait_message(queue)
    running.wait_log("unregistered task")
    assert running.stop() == 0
    assert not re.search(r"^\[2026-01-01", running.read_log(), re.MULTILINE)
