# SPDX-License-Identifier: BSD-3-Clause
"""How fast a worker is, measured from outside and in the same way for every program.

Throughput: the queue is filled before the worker starts. Behind a warm-up lies a task that asks
for an answer, then the load's tasks without answers, then a second task that asks for one. The
time between the two answers at the client is the time of the tasks between them; starting and
connecting are not in it. CPU is the worker's whole process tree over the same stretch.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Callable, Sequence

import amqp
import redis

from support.amqp import Client, task_message
from support.process import Timeout, wait_until
from support.worker import BaseWorker

WARM_UP_SHARE = 20
WARM_UP_ANSWERS = 16
STRAGGLERS = 8
RUN_SECONDS = 60.0
START_SECONDS = 60.0
# Results that nobody reads: of those in a queue, the newest are kept.
SINK = "measure.results"
SINK_LENGTH = 1000


@dataclass(frozen=True)
class Load:
    """The tasks of a burst, all alike; with results, each stores one that nobody reads."""

    task: str = "example.noop"
    args: Sequence[Any] = ()
    results: bool = False


@dataclass(frozen=True)
class Rate:
    """What a burst of tasks took, and the memory of the worker's tree behind it."""

    tasks_per_second: float
    cpu_microseconds_per_task: float
    pss_bytes: int


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
        self._note(message.properties["correlation_id"], str(message.body))

    def _note(self, task_id: str, document: str) -> None:
        self.times[task_id] = time.perf_counter()
        if '"FAILURE"' in document:
            raise RuntimeError(f"a task failed: {document}")

    def ask(self, queue: str) -> str:
        """Publish a task that answers; its id."""
        return self._client.send_task("example.add", (2, 3), queue, reply_to=self.queue)

    def wait(self, task_ids: Sequence[str], seconds: float) -> None:
        """Wait until all these have answered."""
        self._client.drain_until(lambda: all(one in self.times for one in task_ids), seconds,
                                 f"answer to {len(task_ids)} task(s)")


class RedisAnswers(Answers):
    """Answers in Redis: Celery publishes each result on a channel with the name of its key."""

    def __init__(self, client: Client, store: redis.Redis) -> None:
        super().__init__(client)
        self._channels = store.pubsub()

    def ask(self, queue: str) -> str:
        """Publish a task that answers; its id. We listen before it can."""
        task_id = str(uuid.uuid4())
        self._channels.subscribe(f"celery-task-meta-{task_id}")
        self._take_until(lambda kind: kind == "subscribe", START_SECONDS)
        return self._client.send_task("example.add", (2, 3), queue, task_id=task_id,
                                      reply_to=self.queue)

    def wait(self, task_ids: Sequence[str], seconds: float) -> None:
        """Wait until all these have answered."""
        if not all(one in self.times for one in task_ids):
            self._take_until(lambda _: all(one in self.times for one in task_ids), seconds)

    def _take_until(self, enough: Callable[[str], bool], seconds: float) -> None:
        """Take what the channels tell until it is enough, which is asked with its kind."""
        deadline = time.monotonic() + seconds
        kind = ""
        while not enough(kind):
            if time.monotonic() > deadline:
                raise Timeout(f"no answer in Redis within {seconds:g} s")
            message = self._channels.get_message(timeout=1)
            kind = message["type"] if message else ""
            if message and kind == "message":
                channel, data = message["channel"].decode(), message["data"].decode()
                self._note(channel.removeprefix("celery-task-meta-"), data)


def wait_consumer(client: Client, queue: str) -> None:
    """Wait until somebody consumes from the queue."""
    wait_until(lambda: client.counts(queue)[1] > 0, START_SECONDS, "consumer", pause=0.001)


def declare_sink(client: Client) -> None:
    """Declare the queue for results that nobody reads."""
    client.declare(SINK, durable=False, arguments={"x-max-length": SINK_LENGTH})


def publish(client: Client, queue: str, load: Load, count: int) -> None:
    """Publish count tasks, made from one like a stock client's: that is much faster."""
    message = task_message(load.task, load.args, ignore_result=not load.results,
                           reply_to=SINK if load.results else "")
    for _ in range(count):
        task_id = str(uuid.uuid4())
        message.properties["correlation_id"] = task_id
        headers = message.properties["application_headers"]
        headers["id"] = headers["root_id"] = task_id
        client.publish(message, queue)


def _require_done(client: Client, queue: str, worker: BaseWorker) -> None:
    """Next to nothing may be left: the last answers can overtake acks, and Celery drops those."""
    left = client.counts(queue)[0]
    if left > STRAGGLERS:
        raise RuntimeError(f"{worker.argv[0]} left {left} tasks in the queue")


def throughput(client: Client, queue: str, worker: BaseWorker, count: int, load: Load = Load(),
               store: redis.Redis | None = None) -> Rate:
    """Fill the queue with count tasks, start the worker on it, and stop it afterwards.

    store is where the worker's results go if that is Redis.
    """
    client.declare_task_queue(queue)
    declare_sink(client)
    answers = RedisAnswers(client, store) if store else Answers(client)
    publish(client, queue, load, count // WARM_UP_SHARE)
    warm = [answers.ask(queue) for _ in range(WARM_UP_ANSWERS)]
    publish(client, queue, load, count)
    last = answers.ask(queue)
    total = count // WARM_UP_SHARE + WARM_UP_ANSWERS + count + 1
    client.wait_ready(queue, total, 60)
    with worker.launched():
        try:
            answers.wait(warm, RUN_SECONDS)
            cpu = worker.cpu_seconds()
            answers.wait([last], RUN_SECONDS)
        except Timeout as error:
            raise Timeout(f"{error} from {' '.join(worker.argv)}\n{worker.read_log()}") from None
        cpu = worker.cpu_seconds() - cpu
        pss = worker.pss_bytes()
    _require_done(client, queue, worker)
    first = max(answers.times[one] for one in warm)
    return Rate(count / (answers.times[last] - first), cpu / count * 1e6, pss)


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
