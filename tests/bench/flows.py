# SPDX-License-Identifier: BSD-3-Clause
"""Bursts of tasks with results: adds, chains and chords, and what they take with a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from celery import Celery, chain, chord, group

from support import measure
from support.amqp import Client
from support.client import celery_client
from support.process import wait_until
from support.worker import BaseWorker

if TYPE_CHECKING:
    import redis

FLOW_SECONDS = 120.0
CHAIN, CHORD = 10, 100


@dataclass(frozen=True)
class Flow:
    """Canvases, all alike; `send` sends one and returns the id of its last task."""

    name: str
    tasks: int  # that each is made of
    send: Callable[[Celery, str], str]


def _send_chain(app: Celery, queue: str) -> str:
    first = app.signature("example.add", (1, 1), queue=queue)
    rest = [app.signature("example.add", (1,), queue=queue) for _ in range(CHAIN - 1)]
    return str(chain(first, *rest, app=app).apply_async().id)


def _send_chord(app: Celery, queue: str) -> str:
    header = group([app.signature("example.add", (one, one), queue=queue)
                    for one in range(CHORD)], app=app)
    body = app.signature("example.echo", queue=queue)
    return str(chord(header, body, app=app).apply_async().id)


FLOWS = (Flow(f"chain of {CHAIN}", CHAIN, _send_chain),
         Flow(f"chord of {CHORD}", CHORD + 1, _send_chord))


def measure_flow(url: str, queue: str, worker: BaseWorker, flow: Flow, tasks: int,
                 store: redis.Redis, backend: str) -> measure.Rate:
    """Fill the queue with about so many tasks, start the worker on it, and stop it at the end.

    The time is that from the last answer of a warm-up to the last canvas's result in Redis.
    """
    with Client(url, 300) as client, celery_client(url, backend) as app:
        client.declare_task_queue(queue)
        answers = measure.RedisAnswers(client, store)
        warm = [answers.ask(queue) for _ in range(measure.WARM_UP_ANSWERS)]
        count = max(1, tasks // flow.tasks)
        last = [f"celery-task-meta-{flow.send(app, queue)}" for _ in range(count)]
        with worker.launched():
            answers.wait(warm, measure.RUN_SECONDS)
            cpu, first = worker.cpu_seconds(), time.perf_counter()
            wait_until(lambda: store.exists(*last) == count, FLOW_SECONDS, f"{flow.name} to end",
                       pause=0.005)
            took = time.perf_counter() - first
            cpu, pss = worker.cpu_seconds() - cpu, worker.pss_bytes()
    done = count * flow.tasks
    return measure.Rate(done / took, cpu / done * 1e6, pss)
