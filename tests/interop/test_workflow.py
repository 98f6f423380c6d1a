# SPDX-License-Identifier: BSD-3-Clause
"""The tasks of examples/native/workflow_tasks.c do what docs/native-tasks.md says of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from celery import Celery

from support.amqp import Client
from support.client import celery_client
from support.process import wait_until
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import ROOT, Worker, build_folder

GUIDE = ROOT / "docs" / "native-tasks.md"
BLOCKS = re.findall(r"^```c\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def url(rabbitmq: RabbitMQ) -> str:
    """A virtual host for all tests of this file."""
    return rabbitmq.url_of(rabbitmq.new_vhost())


@pytest.fixture(scope="module")
def app(url: str) -> Iterator[Celery]:
    """A client; a worker with the library, and results in Redis."""
    library = build_folder() / "examples" / "libworkflow_tasks.so"
    with Redis() as redis:
        with Worker(url, app=library, backend=redis.url) as worker, \
                celery_client(url, redis.url) as made:
            yield made
            assert not worker.sanitizer_report(), worker.read_log()
            # Results that outlive Redis would complain when they are freed.
            made.backend.result_consumer.cancel_for = lambda task_id: None


def call(app: Celery, name: str, *args: Any) -> Any:
    """The result of a task."""
    return app.send_task(f"workflow.{name}", args).get(timeout=15)


def test_retries(app: Celery) -> None:
    assert call(app, "fetch", 2) == 2
    assert call(app, "fetch_automatically", 0) == 0
    with pytest.raises(ConnectionError, match="the service is busy"):
        call(app, "fetch", 100)


def test_other_ends(app: Celery, url: str) -> None:
    assert call(app, "notice", 5) == 5
    assert call(app, "convert") is None
    ignored = app.send_task("workflow.notice", (61,))
    rejected = app.send_task("workflow.convert", ("bmp",))
    with Client(url) as look:
        wait_until(lambda: look.counts("celery")[0] == 0, 10, "empty queue")
    assert call(app, "notice", 6) == 6
    assert (ignored.state, rejected.state) == ("PENDING", "PENDING")


def test_progress(app: Celery) -> None:
    # A client subscribes when it asks for the result: it may come too late for the first ones.
    with app.backend.client.pubsub() as channel:
        channel.psubscribe("celery-task-meta-*")
        assert channel.get_message(timeout=5)["type"] == "psubscribe"
        result = app.send_task("workflow.count_to", (3,))
        told: list[tuple[str, Any]] = []

        def ended() -> bool:
            message = channel.get_message(timeout=0.1)
            if message is not None:
                document = json.loads(message["data"])
                told.append((document["status"], document["result"]))
            return ("SUCCESS", 3) in told

        wait_until(ended, 10, "the end of the task")
    assert told == [("PROGRESS", {"done": done}) for done in range(3)] + [("SUCCESS", 3)]
    assert result.get(timeout=15) == 3


def test_other_tasks(app: Celery) -> None:
    assert app.AsyncResult(call(app, "send_later")).get(timeout=15) == 5
    assert call(app, "spread", 10) == 23
    assert app.AsyncResult(call(app, "chain_up")).get(timeout=15) == 113


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_guide_s_examples_compile(block: str, tmp_path: Path) -> None:
    source = tmp_path / "block.c"
    source.write_text(f"#include <celeriac/task.h>\n#include <string.h>\n{block}")
    done = subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                           "-fsyntax-only", f"-I{ROOT / 'include'}", str(source)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
