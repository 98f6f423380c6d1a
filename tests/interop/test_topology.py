# SPDX-License-Identifier: BSD-3-Clause
"""Queues, exchanges and bindings, as the broker has them: from a configuration file, from an app, and
as Celery's own worker declares them for the same settings."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Callable, Iterable

import pytest

from interop.test_python_cli import ENV
from support import celery56
from support.rabbitmq import RabbitMQ
from support.worker import BaseWorker, CeleryWorker, TESTS, Worker

NODE = "n1@topology"
APP = "interop.topology_app"
# Of Celery's remote control, gossip and results.
OTHERS = re.compile(r"pidbox|celeryev|amq\.|^$|^[0-9a-f-]{36}$")
UNIQUE = re.compile(r"bcast\.[0-9a-f-]{36}")

FILES = {
    "defaults": "",
    "default_names": """
        [celery]
        task_default_queue = work
        task_default_exchange = jobs
        task_default_exchange_type = topic
        task_default_routing_key = job.all
        task_queue_max_priority = 5
    """,
    "missing": """
        [celery]
        task_create_missing_queue_type = quorum
        task_create_missing_queue_exchange_type = topic
    """,
    "queues": """
        [celery]
        worker_direct = true
        task_queue_max_priority = 7

        [queue plain]
        exchange = None

        [queue feeds]
        exchange = feeds
        exchange_type = topic
        routing_key = feed.#

        [queue short]
        exchange = short
        durable = false
        routing_key = s
        x-message-ttl = 5000
        queue_arguments = {"x-max-priority": 3}
        exchange_arguments = {"alternate-exchange": "feeds"}

        [queue headed]
        exchange = headed
        exchange_type = headers
        binding_arguments = {"x-match": "any", "kind": "a"}

        [queue own]
        exchange = own
        exchange_durable = yes
        queue_durable = yes
        auto_delete = yes
    """,
    "kombu": """
        [queue limited]
        exchange = limited
        expires = 60
        message_ttl = 2.5
        max_length = 10
        max_length_bytes = 2000
        max_priority = 4

        [queue many]
        bindings = {"exchange": "feeds", "exchange_type": "topic", "routing_key": "a.#"}
        bindings = {"exchange": "feeds", "exchange_type": "topic", "routing_key": "b.#"}
        bindings = {"exchange": "spread", "exchange_type": "fanout", "exchange_durable": false}

        [queue 3]
        name = mine
        exchange = mine
        routing_key = mine
        exclusive = true

        [queue everybody]
        broadcast = true
    """,
    "quorum": """
        [celery]
        task_default_queue_type = quorum
        task_default_exchange = jobs
        task_default_exchange_type = topic
        task_default_routing_key = job.#
    """,
    "mixed": """
        [celery]
        broker_native_delayed_delivery_queue_type = classic

        [queue slow]
        exchange = slow
        exchange_type = topic
        routing_key = slow.one
        x-queue-type = quorum

        [queue fast]
        exchange = fast

        [queue loud]
        exchange = loud
        exchange_type = fanout
    """,
}
ARGUMENTS = {"missing": ("-Q", "celery,a,b", "-X", "b"), "mixed": ("-Q", "fast")}
# The delay line is of Celery 5.5.
NEWEST_ONLY = ("missing", "quorum", "mixed")


def topology(rabbitmq: RabbitMQ, vhost: str) -> dict[str, list[str]]:
    """All that was declared, as sorted text."""
    lists = {
        "queues": ("name", "durable", "auto_delete", "exclusive", "arguments"),
        "exchanges": ("name", "type", "durable", "auto_delete", "internal", "arguments"),
        "bindings": ("source_name", "destination_name", "destination_kind", "routing_key",
                     "arguments"),
    }
    return {what: _rows(rabbitmq.ctl(f"list_{what}", "--vhost", vhost, "--formatter", "json",
                                     *columns), columns)
            for what, columns in lists.items()}


def _rows(text: str, columns: Iterable[str]) -> list[str]:
    rows = []
    for row in json.loads(text):
        row["arguments"] = sorted(row["arguments"])
        names = [str(row[name]) for name in columns if name.endswith("name")]
        if not any(OTHERS.search(name) for name in names):
            rows.append(UNIQUE.sub("bcast.UUID", json.dumps(row, sort_keys=True)))
    return sorted(rows)


def native(url: str, case: str, folder: Path) -> BaseWorker:
    """celeriac with the example tasks and a configuration file."""
    config = folder / "celeriac.ini"
    config.write_text("\n".join(line.strip() for line in FILES[case].splitlines()))
    return Worker(url, "-n", NODE, *ARGUMENTS.get(case, ()), config=config)


def python(url: str, case: str, _folder: Path) -> BaseWorker:
    """celeriac with the app."""
    return Worker(url, "-n", NODE, "--python", newest(), *ARGUMENTS.get(case, ()), app=APP,
                  backend="", env=env(case))


def celery(url: str, case: str) -> BaseWorker:
    """Celery with the app: the newest where it must be, or is there."""
    one = CeleryWorker(url, "-n", NODE, *ARGUMENTS.get(case, ()), app=APP, env=env(case))
    one.argv[0] = newest()
    return one


def newest() -> str:
    """The Python of the newest Celery that is there."""
    return celery56.PYTHON if os.path.exists(celery56.PYTHON) else "/usr/bin/python3"


def env(case: str) -> dict[str, str]:
    """Of an app."""
    return {**ENV, "PYTHONPATH": str(TESTS), "TOPOLOGY": case}


def declared_by(start: Callable[[str], BaseWorker], rabbitmq: RabbitMQ) -> dict[str, list[str]]:
    """What is there while the worker runs."""
    vhost = rabbitmq.new_vhost()
    with start(rabbitmq.url_of(vhost)) as one:
        assert one.running()
        return topology(rabbitmq, vhost)


@pytest.fixture(scope="module")
def reference(rabbitmq: RabbitMQ) -> Callable[[str], dict[str, list[str]]]:
    """What Celery declares for a case."""
    known: dict[str, Any] = {}

    def of(case: str) -> dict[str, list[str]]:
        if case in NEWEST_ONLY and not os.path.exists(celery56.PYTHON):
            pytest.skip("CELERY56_PYTHON names no Python with Celery 5.5 or newer")
        if case not in known:
            known[case] = declared_by(lambda url: celery(url, case), rabbitmq)
        return known[case]
    return of


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("start", [native, python])
def test_declares_what_celery_declares(
        start: Callable[[str, str, Path], BaseWorker], case: str, tmp_path: Path,
        rabbitmq: RabbitMQ, reference: Callable[[str], dict[str, list[str]]]) -> None:
    expected = reference(case)
    found = declared_by(lambda url: start(url, case, tmp_path), rabbitmq)
    assert [row for what in found for row in found[what] if row not in expected[what]] == []
    assert [row for what in found for row in expected[what] if row not in found[what]] == []
