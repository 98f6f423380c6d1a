# SPDX-License-Identifier: BSD-3-Clause
"""Apps whose queues a native configuration file can have, too: TOPOLOGY names the case."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast

FEEDS = Exchange("feeds", type="topic")

CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "default_names": {"task_default_queue": "work", "task_default_exchange": "jobs",
                      "task_default_exchange_type": "topic",
                      "task_default_routing_key": "job.all", "task_queue_max_priority": 5},
    "missing": {"task_create_missing_queue_type": "quorum",
                "task_create_missing_queue_exchange_type": "topic"},
    "queues": {
        "worker_direct": True,
        "task_queue_max_priority": 7,
        "task_queues": {
            "plain": {},
            "feeds": {"exchange": "feeds", "exchange_type": "topic", "routing_key": "feed.#"},
            "short": {"exchange": "short", "durable": False, "routing_key": "s",
                      "queue_arguments": {"x-message-ttl": 5000, "x-max-priority": 3},
                      "exchange_arguments": {"alternate-exchange": "feeds"}},
            "headed": {"exchange": "headed", "exchange_type": "headers",
                       "binding_arguments": {"x-match": "any", "kind": "a"}},
            "own": {"exchange": "own", "exchange_durable": True, "queue_durable": True,
                    "auto_delete": True},
        },
    },
    "kombu": {
        "task_queues": (
            Queue("limited", Exchange("limited"), routing_key="limited", expires=60,
                  message_ttl=2.5, max_length=10, max_length_bytes=2000, max_priority=4),
            Queue("many", [binding(FEEDS, "a.#"), binding(FEEDS, "b.#"),
                           binding(Exchange("spread", type="fanout", durable=False))],
                  routing_key="many"),
            Queue("mine", Exchange("mine"), routing_key="mine", exclusive=True),
            Broadcast("everybody"),
        ),
    },
    "quorum": {
        "task_default_queue_type": "quorum",
        "task_default_exchange": "jobs",
        "task_default_exchange_type": "topic",
        "task_default_routing_key": "job.#",
    },
    "mixed": {
        "broker_native_delayed_delivery_queue_type": "classic",
        "task_queues": {
            "slow": {"exchange": "slow", "exchange_type": "topic", "routing_key": "slow.one",
                     "queue_arguments": {"x-queue-type": "quorum"}},
            "fast": {"exchange": "fast", "routing_key": "fast"},
            "loud": {"exchange": "loud", "exchange_type": "fanout", "routing_key": "loud"},
        },
    },
}

app = Celery("topology", backend="rpc://")
app.conf.update(CASES[os.environ["TOPOLOGY"]])


@app.task(name="example.add")
def add(x: Any, y: Any) -> Any:
    """The sum of two numbers."""
    return x + y
