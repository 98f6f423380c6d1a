#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Kills everything at random while tasks run, and counts what became of each task.

All tasks are example.append with a text of their own and the same file, published before the
start, so that there is always work when something dies. The moments of the kills are drawn from
the seed as numbers of lines in the file: the harm falls into the work, whatever the worker's
speed. Children, the forkserver and the main process get SIGKILL, RabbitMQ is stopped and started
on the same data (half the time with another kill while it is down), both connections or one of
them are cut with FIN or RST. A killed main process is started again.

A witness reads the wire between broker and worker. A task that ran more than once needs, for each
run beyond the first, a delivery that the broker marked as redelivered or that carries a loss
count (x-worker-lost-count, x-delivery-count). Each task asks for its result, too: in a queue, or
with --redis in a Redis that is stopped and started, too. --harm redis does only that.

Workers: celeriac (tasks in C); celeriac-python (a Celery app; CELERIAC_TEST_PYTHON names its
interpreter, Debian's by default); celery (Debian's, with that app and Celery's defaults);
celery-late (task_acks_late and task_reject_on_worker_lost). The exit status is 1 if a task was
lost or repeated without excuse.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
sys.dont_write_bytecode = True

from faults.ledger import Account, read_lines, settle_accounts  # noqa: E402
from faults.site import KINDS, Site, fault_tasks, make_worker  # noqa: E402
from support.amqp import Client  # noqa: E402
from support.process import Timeout, leave_on_signals  # noqa: E402
from support.rabbitmq import RabbitMQ  # noqa: E402
from support.redis import Redis  # noqa: E402
from support.worker import BaseWorker  # noqa: E402

QUEUE = "celery"
ANSWERS = "answers"
# One harm of each kind in so many tasks.
EVERY = {"child": 70, "forkserver": 250, "main": 250, "broker": 1000, "cut": 250, "redis": 2000}
POLL_SECONDS = 0.0005
STALL_SECONDS = 40.0
QUIET_SECONDS = 3.0


@dataclass(frozen=True)
class Order:
    """What is to be done."""

    worker: str
    tasks: int
    seed: int
    seconds: float
    work: float = 0.0
    quorum: bool = False
    concurrency: int = 4
    build: Path | None = None
    outage: float = 0.0
    redis: Redis | None = None
    harm: tuple[str, ...] = tuple(EVERY)

    def make_worker(self, url: str, mark: str) -> BaseWorker:
        """A worker that is not started yet."""
        backend = self.redis.url if self.redis else "rpc://"
        args = ("--set", "task_default_queue_type=quorum") if self.quorum else ()
        app = fault_tasks(self.build) if self.work else None
        return make_worker(self.worker, url, *args, concurrency=self.concurrency, mark=mark,
                           backend=backend, app=app, build=self.build)

    def send(self, client: Client, path: str, text: str) -> None:
        """Publish the task whose id is its text."""
        name = "fault.slow_append" if self.work else "example.append"
        args = (path, text, self.work) if self.work else (path, text)
        client.send_task(name, args, QUEUE, task_id=text, reply_to=ANSWERS)


@dataclass
class Report:
    """The outcome of one campaign."""

    worker: str
    seed: int
    account: Account
    harm: dict[str, int]
    results: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    left_over: int = 0
    exits: list[int] = field(default_factory=list)
    stalls: int = 0
    left_in_queue: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    sanitizer: str = ""

    def good(self) -> bool:
        """True if the worker has kept its promise."""
        return (self.account.good() and not self.violations and not self.sanitizer
                and self.results == self.account.tasks and not self.exits and not self.stalls
                and not self.left_over and not self.left_in_queue)

    def rows(self) -> list[tuple[str, object]]:
        """For people."""
        return [("worker", self.worker), ("seed", self.seed), *self.account.rows(),
                *((f"harm: {kind}", count) for kind, count in self.harm.items()),
                ("tasks with a result SUCCESS", self.results),
                ("tasks with a result FAILURE only", self.failures or 0),
                ("processes left 2 s after the main one", self.left_over),
                ("worker ended by itself (statuses)", self.exits or 0),
                ("worker stalled and was restarted", self.stalls),
                ("left in the queue at the end", self.left_in_queue),
                ("wrong settlements on the wire", self.violations or 0),
                ("seconds", round(self.seconds, 1)),
                ("promise kept", "yes" if self.good() else "NO")]


def plan(tasks: int, chance: random.Random,
         harm: tuple[str, ...] = tuple(EVERY)) -> list[tuple[int, str]]:
    """When to do what: (number of lines in the file, harm), in order."""
    kinds = [kind for kind in harm for _ in range(max(1, tasks // EVERY[kind]))]
    return sorted((chance.randrange(5, max(6, int(tasks * 0.95))), kind) for kind in kinds)


class Campaign:
    """One run of all tasks through one kind of worker."""

    def __init__(self, broker: RabbitMQ, order: Order, vhost: str = "/") -> None:
        self._order = order
        self._chance = random.Random(order.seed)
        self._plan = plan(order.tasks, self._chance, order.harm)
        self._ids = [str(uuid.UUID(int=self._chance.getrandbits(128))) for _ in range(order.tasks)]
        self._deadline = time.monotonic() + order.seconds
        self._site = Site(broker, order.worker, self._chance, vhost, order.make_worker,
                          order.outage)
        self._site.store = order.redis
        self._url = broker.url_of(vhost)
        self.log = ""
        self._stalls = 0
        self._grown_at = time.monotonic()
        self._lines = 0

    def run(self) -> Report:
        """All of it; the workers are ended afterwards."""
        began = time.monotonic()
        with self._site as site:
            try:
                self._file = site.broker.folder / f"lines-{uuid.uuid4().hex}"
                self._publish()
                site.start_worker()
                for lines, harm in self._plan:
                    self._wait_lines(lines)
                    time.sleep(self._chance.random() * 0.002)
                    site.do(harm)
                left = self._finish()
                return self._report(left, time.monotonic() - began)
            finally:
                self.log = site.log()

    def _publish(self) -> None:
        with Client(self._url, 60) as client:
            client.channel.exchange_declare(QUEUE, "direct", durable=True, auto_delete=False)
            client.declare(QUEUE, arguments={"x-queue-type": "quorum"} if self._order.quorum
                           else None)
            client.channel.queue_bind(QUEUE, QUEUE, QUEUE)
            client.declare(ANSWERS)
            for one in self._ids:
                self._order.send(client, str(self._file), one)
            client.wait_ready(QUEUE, len(self._ids), 60)

    def _count_lines(self) -> int:
        """The lines in the file; all are equally long."""
        size = self._file.stat().st_size if self._file.exists() else 0
        count = size // (len(self._ids[0]) + 1)
        if count > self._lines:
            self._lines, self._grown_at = count, time.monotonic()
        return count

    def _watch_worker(self) -> None:
        """A worker that ends or stalls by itself is started again: that is counted."""
        self._site.ensure_worker()
        if time.monotonic() - self._grown_at > STALL_SECONDS:
            self._stalls += 1
            self._grown_at = time.monotonic()
            self._site.kill_main()
        if time.monotonic() > self._deadline:
            raise Timeout(f"the campaign is not over; lines: {self._lines}\n{self._site.log()}")

    def _wait_lines(self, count: int) -> None:
        self._grown_at = time.monotonic()
        while self._count_lines() < count:
            if self._is_empty():  # what was lost can never come
                return
            self._watch_worker()
            time.sleep(POLL_SECONDS)

    def _ready(self) -> int:
        with Client(self._url) as client:
            return client.counts(QUEUE)[0]

    def _is_empty(self) -> bool:
        """True if nothing has been written for long and nothing is ready in the queue."""
        quiet = time.monotonic() - self._grown_at
        return quiet > STALL_SECONDS / 2 and self._ready() == 0

    def _finish(self) -> int:
        """Let the worker end what is left; what stays in the queue."""
        for _ in range(5):
            self._grown_at = time.monotonic()
            while (self._count_lines() < len(self._ids) or self._ready()
                   or time.monotonic() - self._grown_at < QUIET_SECONDS):
                if self._is_empty():
                    break
                self._watch_worker()
                time.sleep(0.1)
            self._site.worker.stop(30)
            left = self._ready()
            if left == 0:
                return 0
            self._site.start_worker()
        return left

    def _documents(self) -> Iterator[Any]:
        """All results."""
        if self._order.redis:
            with self._order.redis.client() as store:
                for one in self._ids:
                    value = store.get(f"celery-task-meta-{one}")
                    yield from [json.loads(value)] if value else []
            return
        with Client(self._url, 60) as client:
            while (message := client.get(ANSWERS)) is not None:
                yield json.loads(message.body)

    def _answers(self) -> tuple[int, dict[str, int]]:
        """Tasks with a SUCCESS, and those that have only failures, by exception."""
        good: set[str] = set()
        bad: dict[str, str] = {}
        for document in self._documents():
            if document["status"] == "SUCCESS":
                good.add(document["task_id"])
            else:
                bad[document["task_id"]] = document["result"]["exc_type"]
        failures: dict[str, int] = {}
        for task, kind in bad.items():
            if task not in good:
                failures[kind] = failures.get(kind, 0) + 1
        return len(good), failures

    def _report(self, left: int, seconds: float) -> Report:
        site = self._site
        account = settle_accounts(self._ids, read_lines(self._file), site.witness.by_task())
        results, failures = self._answers()
        sanitizer = "".join(worker.sanitizer_report() for worker in site.workers)
        return Report(site.kind, self._order.seed, account, site.harm, results, failures,
                      site.left_over, site.exits, self._stalls, left, site.witness.violations,
                      seconds, sanitizer)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", choices=KINDS, action="append",
                        help="may be repeated (default: celeriac)")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--work", type=float, default=0, metavar="MS",
                        help="tasks that take so long (fault.slow_append), for more hits; for "
                             "celeriac this needs a build with tests")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--queue-type", choices=("classic", "quorum"), default="classic",
                        help="quorum: celeriac only")
    parser.add_argument("--outage", type=float, default=0, metavar="S",
                        help="seconds that the node stays down at each restart")
    parser.add_argument("--redis", action="store_true", help="results in a Redis")
    parser.add_argument("--harm", choices=EVERY, action="append",
                        help="only this; may be repeated (default: all)")
    parser.add_argument("--seconds", type=float, default=600, help="deadline of each worker")
    parser.add_argument("--build", type=Path, default=TESTS.parent / "build" / "release")
    parser.add_argument("--json", action="store_true", help="one JSON object a worker")
    parser.add_argument("--keep-log", type=Path, help="write the worker's logs to this file")
    return parser.parse_args()


def _run_one(options: argparse.Namespace, kind: str, seed: int) -> Report:
    with RabbitMQ() as broker, ExitStack() as stack:
        store = stack.enter_context(Redis()) if options.redis else None
        order = Order(kind, options.tasks, seed, options.seconds, options.work / 1000,
                      options.queue_type == "quorum", options.concurrency,
                      options.build.resolve(), options.outage, store,
                      tuple(options.harm or EVERY))
        campaign = Campaign(broker, order)
        try:
            return campaign.run()
        finally:
            if options.keep_log:
                options.keep_log.write_text(campaign.log)


def main() -> int:
    """Run the campaign for each worker that was asked for."""
    options = _arguments()
    leave_on_signals()
    seed = options.seed if options.seed is not None else random.randrange(1 << 31)
    reports = []
    for kind in options.worker or ["celeriac"]:
        reports.append(_run_one(options, kind, seed))
        if options.json:
            print(json.dumps(dict(reports[-1].rows())), flush=True)
        else:
            print("\n".join(f"{name:40} {value}" for name, value in reports[-1].rows()), "\n",
                  flush=True)
    return 0 if all(report.good() for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
