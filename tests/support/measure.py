# SPDX-License-Identifier: BSD-3-Clause
"""How fast a worker is, measured from outside and in the same way for every program.

Throughput: the queue is filled before the worker starts. Behind a warm-up lies a task that asks
for an answer, then the no-op tasks without answers, then a second task that asks for one. The
time between the two answers at the client is the time of the tasks between them; starting and
connecting are not in it. CPU is the worker's whole process tree over the same stretch.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from statistics import median, quantiles

import amqp

from support.amqp import Client, task_message
from support.process import wait_until
from support.worker import BaseWorker

WARM_UP_NOOPS = 1000
WARM_UP_ANSWERS = 16
RUN_SECONDS = 300.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class Rate:
    """What a burst of no-op tasks took."""

    tasks_per_second: float
    cpu_microseconds_per_task: float


@dataclass(frozen=True)
class Latency:
    """From publishing a task to its result in the client, in milliseconds."""

    p50: float
    p99: float


class Answers:
    """A reply queue of our own, and when each answer came in."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.queue = client.declare(durable=False, exclusive=True)
        self.times: dict[str, float] = {}
        client.consume(self.queue, self._arrived)

    def _arrived(self, message: amqp.Message) -> None:
        self.times[message.properties["correlation_id"]] = time.perf_counter()
        if '"FAILURE"' in str(message.body):
            raise RuntimeError(f"a task failed: {message.body}")

    def ask(self, queue: str) -> str:
        """Publish a task that answers; its id."""
        return self._client.send_task("example.add", (2, 3), queue, reply_to=self.queue)

    def wait(self, task_ids: list[str], seconds: float) -> None:
        """Wait until all these have answered."""
        self._client.drain_until(lambda: all(one in self.times for one in task_ids), seconds,
                                 f"answer to {len(task_ids)} task(s)")


def wait_consumer(client: Client, queue: str) -> None:
    """Wait until somebody consumes from the queue."""
    wait_until(lambda: client.counts(queue)[1] > 0, START_SECONDS, "consumer", pause=0.001)


def _publish_noops(client: Client, queue: str, count: int) -> None:
    """Like a stock client's messages, but made from one of them: that is much faster."""
    message = task_message("example.noop", ignore_result=True)
    for _ in range(count):
        task_id = str(uuid.uuid4())
        message.properties["correlation_id"] = task_id
        headers = message.properties["application_headers"]
        headers["id"] = headers["root_id"] = task_id
        client.publish(message, queue)


def _require_done(client: Client, queue: str, last: str, worker: BaseWorker) -> None:
    """Nothing may be left in the queue but the last task, whose answer can overtake its ack."""
    left = []
    while message := client.get(queue):
        left.append(message.properties["correlation_id"])
    if left not in ([], [last]):
        raise RuntimeError(f"{worker.argv[0]} left {len(left)} tasks in the queue")


def throughput(client: Client, queue: str, worker: BaseWorker, count: int) -> Rate:
    """Fill the queue with count tasks, start the worker on it, and stop it afterwards."""
    client.declare_task_queue(queue)
    answers = Answers(client)
    _publish_noops(client, queue, WARM_UP_NOOPS)
    warm = [answers.ask(queue) for _ in range(WARM_UP_ANSWERS)]
    _publish_noops(client, queue, count)
    last = answers.ask(queue)
    total = WARM_UP_NOOPS + WARM_UP_ANSWERS + count + 1
    client.wait_ready(queue, total, 60)
    with worker.launched():
        answers.wait(warm, RUN_SECONDS)
        cpu = worker.cpu_seconds()
        answers.wait([last], RUN_SECONDS)
        cpu = worker.cpu_seconds() - cpu
    _require_done(client, queue, last, worker)
    first = max(answers.times[one] for one in warm)
    return Rate(count / (answers.times[last] - first), cpu / count * 1e6)


def start_seconds(client: Client, queue: str, worker: BaseWorker) -> float:
    """Launch the worker; the time until it consumes from the queue."""
    client.declare_task_queue(queue)
    began = time.perf_counter()
    worker.launch()
    wait_consumer(client, queue)
    return time.perf_counter() - began


def idle_pss(client: Client, queue: str, worker: BaseWorker) -> int:
    """Memory of the worker's tree in bytes, after each child had the chance to run a task."""
    client.declare_task_queue(queue)
    answers = Answers(client)
    with worker.launched():
        wait_consumer(client, queue)
        answers.wait([answers.ask(queue) for _ in range(WARM_UP_ANSWERS)], START_SECONDS)
        return worker.pss_bytes()


def latency(client: Client, queue: str, per_second: int, seconds: float) -> Latency:
    """Send tasks at an even pace to a worker that is ready."""
    answers = Answers(client)
    answers.wait([answers.ask(queue) for _ in range(WARM_UP_ANSWERS)], START_SECONDS)
    sent: dict[str, float] = {}
    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        while (left := due - time.perf_counter()) > 0:
            client.drain(left)
        now = time.perf_counter()
        sent[answers.ask(queue)] = now
    answers.wait(list(sent), 30)
    took = [(answers.times[one] - moment) * 1e3 for one, moment in sent.items()]
    return Latency(median(took), quantiles(took, n=100)[98])
