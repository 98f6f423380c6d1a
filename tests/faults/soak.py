#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Cuts the worker's connections again and again under load, and watches its main process.

In each of ten steps a tenth of the tasks is published and a tenth of the cuts is made while they
run, each as soon as both connections are up again. After each step, with the queue empty, the
descriptors and the memory of the main process are printed: they must not grow. Each task (an
example.append) asks for its result, whose queue keeps the newest thousand only.

The exit status is 1 if, after the last step, there are more descriptors than after the first one
or more than --growth KiB of resident memory above it, or if a task was lost.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
sys.dont_write_bytecode = True

from faults.ledger import read_lines  # noqa: E402
from faults.proxy import Proxy  # noqa: E402
from faults.site import KINDS, make_worker  # noqa: E402
from support.amqp import Client, task_message  # noqa: E402
from support.process import leave_on_signals, wait_until  # noqa: E402
from support.rabbitmq import RabbitMQ  # noqa: E402
from support.worker import BaseWorker  # noqa: E402

QUEUE = "celery"
ANSWERS = "answers"
STEPS = 10
STEP_SECONDS = 300.0
# Connections live at most so long; a few of the cuts fall into their login.
LIFE_SECONDS = 0.1
SETTLE_SECONDS = 0.5
CONNECTIONS = {"celeriac": 2, "celeriac-python": 2, "celery": 1, "celery-late": 1}
HEADINGS = ("tasks", "runs", "cuts", "fds", "RSS KiB", "PSS KiB", "children", "seconds")


@dataclass(frozen=True)
class Figures:
    """The state after a step."""

    tasks: int
    runs: int
    cuts: int
    descriptors: int
    rss: int
    pss: int
    children: int
    seconds: float

    def line(self) -> str:
        """A row of the table."""
        values = (self.tasks, self.runs, self.cuts, self.descriptors, self.rss, self.pss,
                  self.children, f"{self.seconds:.1f}")
        return "".join(f"{value:>10}" for value in values)


@dataclass
class Outcome:
    """All rows, and the tasks that never ran."""

    rows: list[Figures]
    lost: int

    def flat(self, growth: int) -> bool:
        """True if neither descriptors nor memory (KiB) have grown since the first step."""
        first, last = self.rows[0], self.rows[-1]
        return last.descriptors <= first.descriptors and last.rss - first.rss <= growth


def memory(pid: int) -> dict[str, int]:
    """KiB of one process, as in smaps_rollup: Rss, Pss ..."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


class Soak:
    """One worker, many cuts."""

    def __init__(self, broker: RabbitMQ, kind: str, tasks: int, cuts: int, seed: int,
                 vhost: str = "/", build: Path | None = None, concurrency: int = 2,
                 show: Callable[[str], None] = print) -> None:
        self._broker = broker
        self._url = broker.url_of(vhost)
        self._proxy = Proxy(broker.port)
        self._tasks, self._cuts = tasks, cuts
        self._chance = random.Random(seed)
        self._links = CONNECTIONS[kind]
        self._show = show
        self._file = broker.folder / f"soak-{uuid.uuid4().hex}"
        self._ids: list[str] = []
        self._cut = 0
        with self._proxy:
            url_of_worker = self._proxy.url(self._url)
        self._worker = make_worker(kind, url_of_worker, "-l", "WARNING", concurrency=concurrency,
                                   build=build)

    @property
    def worker(self) -> BaseWorker:
        """For its log."""
        return self._worker

    def run(self) -> Outcome:
        """All steps; the worker is stopped in good order afterwards."""
        self._show("".join(f"{word:>10}" for word in HEADINGS))
        with self._proxy, Client(self._url, 60) as client:
            client.declare_task_queue(QUEUE)
            client.declare(ANSWERS, arguments={"x-max-length": 1000})
            self._worker.launch()
            try:
                rows = [self._step(client, number, time.monotonic())
                        for number in range(1, STEPS + 1)]
                if self._worker.stop(30) != 0:
                    raise RuntimeError(f"the worker did not stop:\n{self._worker.read_log()}")
                return Outcome(rows, len(set(self._ids) - set(read_lines(self._file))))
            finally:
                self._worker.kill()

    def _step(self, client: Client, number: int, began: float) -> Figures:
        self._publish(client, self._tasks * number // STEPS - len(self._ids))
        while self._cut < self._cuts * number // STEPS:
            self._wait_links()
            time.sleep(self._chance.random() * LIFE_SECONDS)
            self._proxy.cut(reset=self._chance.random() < 0.5)
            self._cut += 1
        self._wait_done(client)
        return self._measure(began)

    def _publish(self, client: Client, count: int) -> None:
        """Like a stock client's messages, but made from one of them: that is much faster."""
        for _ in range(count):
            one = str(uuid.UUID(int=self._chance.getrandbits(128)))
            self._ids.append(one)
            client.publish(task_message("example.append", (str(self._file), one), task_id=one,
                                        reply_to=ANSWERS), QUEUE)

    def _wait_links(self) -> None:
        wait_until(lambda: self._proxy.links() >= self._links, 60, "connections", pause=0.002)

    def _stays_up(self) -> bool:
        """True if all connections were up for a while: none is just logging in."""
        accepted = self._proxy.accepted
        time.sleep(SETTLE_SECONDS)
        return self._proxy.accepted == accepted and self._proxy.links() >= self._links

    def _wait_done(self, client: Client) -> None:
        """Until the queue is empty and as many lines as tasks are there."""
        size = len(self._ids[0]) + 1
        wait_until(lambda: client.counts(QUEUE)[0] == 0
                   and self._file.stat().st_size // size >= len(self._ids), STEP_SECONDS,
                   "end of the step", pause=0.1)
        wait_until(self._stays_up, 60, "connections that stay up")

    def _measure(self, began: float) -> Figures:
        pid = self._worker.pid
        usage = memory(pid)
        figures = Figures(len(self._ids), len(read_lines(self._file)), self._cut,
                          len(os.listdir(f"/proc/{pid}/fd")), usage["Rss"], usage["Pss"],
                          len(self._worker.tree()), time.monotonic() - began)
        self._show(figures.line())
        return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", choices=KINDS, default="celeriac")
    parser.add_argument("--tasks", type=int, default=100000)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth", type=int, default=1024, help="KiB (default 1024)")
    parser.add_argument("--build", type=Path, default=TESTS.parent / "build" / "release")
    return parser.parse_args()


def main() -> int:
    """Run it against a broker of its own."""
    options = _arguments()
    leave_on_signals()
    with RabbitMQ() as broker:
        soak = Soak(broker, options.worker, options.tasks, options.cuts, options.seed,
                    build=options.build.resolve())
        outcome = soak.run()
    flat = outcome.flat(options.growth)
    print(f"{outcome.lost} tasks lost, {'flat' if flat else 'GROWN'}")
    return 0 if flat and not outcome.lost else 1


if __name__ == "__main__":
    sys.exit(main())
