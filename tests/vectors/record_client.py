#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records the messages that Celery's client sends for the calls of client_cases.py, into client-VERSION.json.

Run with any Celery's python. Each message is kept as it lay on the wire: address, properties, headers with the octets of
their types, body.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import celery  # noqa: E402

from support.amqp import Client  # noqa: E402
from support.client import celery_client  # noqa: E402
from support.rabbitmq import RabbitMQ  # noqa: E402
from vectors.client_cases import CASES, ID, TASK, Case, prepare, receive, settings_of  # noqa: E402


def send(url: str, case: Case) -> None:
    """The call, as an application makes it."""
    with celery_client(url, **settings_of(case)) as app:
        app.send_task(TASK, tuple(case.args), case.kwargs, task_id=ID, **case.options)


def record(url: str, case: Case) -> dict[str, Any]:
    """What a call sends."""
    with Client(url) as client:
        prepare(client)
        send(url, case)
        return receive(client, case)


def main() -> None:
    """Record everything anew."""
    with RabbitMQ() as node:
        messages = {case.name: record(node.url_of(node.new_vhost()), case) for case in CASES}
    path = HERE / f"client-{celery.__version__}.json"
    path.write_text(json.dumps(messages, indent=1) + "\n", encoding="ascii")
    print(f"{len(messages)} messages recorded")


if __name__ == "__main__":
    main()
