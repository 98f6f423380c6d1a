#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs very many tasks through one child and watches the memory of all three processes.

The tasks are no-ops; one in a hundred is an example.add whose result goes to a queue that keeps
the newest thousand. After each step, with the queue empty, the resident memory of child,
forkserver and main process is printed, and what of the child's is its own alone.

The exit status is 1 if one of them has more resident memory after the last step than after the
second (the first one fills caches) by more than --growth KiB, or if the child was replaced.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Callable, Iterator

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
sys.dont_write_bytecode = True

from faults.site import KINDS, children_of, forkserver_of, make_worker  # noqa: E402
from faults.soak import memory  # noqa: E402
from support import measure  # noqa: E402
from support.amqp import Client  # noqa: E402
from support.process import leave_on_signals  # noqa: E402
from support.rabbitmq import RabbitMQ  # noqa: E402
from support.worker import BaseWorker  # noqa: E402

QUEUE = "celery"
RESULT_EVERY = 100
STEP_SECONDS = 600.0
HEADINGS = ("tasks", "child KiB", "own KiB", "forkserver KiB", "main KiB", "tasks/s")


@dataclass(frozen=True)
class Figures:
    """Resident memory in KiB after a step."""

    tasks: int
    child: int
    own: int
    forkserver: int
    main: int
    rate: int

    def line(self) -> str:
        """A row of the table."""
        return "".join(f"{value:>16,}" for value in astuple(self))

    def growth_since(self, other: Figures) -> int:
        """How much the process that has grown most has grown."""
        return max(self.child - other.child, self.forkserver - other.forkserver,
                   self.main - other.main)


class ChildSoak:
    """One worker with one child."""

    def __init__(self, broker: RabbitMQ, kind: str, tasks: int, step: int, vhost: str = "/",
                 build: Path | None = None, show: Callable[[str], None] = print) -> None:
        self._url = broker.url_of(vhost)
        self._tasks, self._step_size = tasks, step
        self._show = show
        self._child = 0
        self.worker: BaseWorker = make_worker(kind, self._url, "-l", "WARNING", concurrency=1,
                                              build=build)

    def run(self) -> list[Figures]:
        """All steps; the worker is stopped in good order afterwards."""
        self._show("".join(f"{word:>16}" for word in HEADINGS))
        with Client(self._url, STEP_SECONDS) as client:
            client.declare_task_queue(QUEUE)
            measure.declare_sink(client)
            answers = measure.Answers(client)
            self.worker.launch()
            try:
                answers.wait([answers.ask(QUEUE)], 60)
                self._child = children_of(self.worker)[0]
                rows = [self._step(client, answers, done)
                        for done in range(0, self._tasks, self._step_size)]
                if self.worker.stop(30) != 0:
                    raise RuntimeError(f"the worker did not stop:\n{self.worker.read_log()}")
                return rows
            finally:
                self.worker.kill()

    def _loads(self) -> Iterator[tuple[measure.Load, int]]:
        add = measure.Load("example.add", (2, 3), results=True)
        for _ in range(self._step_size // RESULT_EVERY):
            yield measure.Load(), RESULT_EVERY - 1
            yield add, 1

    def _step(self, client: Client, answers: measure.Answers, done: int) -> Figures:
        began = time.monotonic()
        for load, count in self._loads():
            measure.publish(client, QUEUE, load, count)
        answers.wait([answers.ask(QUEUE)], STEP_SECONDS)
        figures = self._measure(done + self._step_size, time.monotonic() - began)
        self._show(figures.line())
        return figures

    def _measure(self, done: int, seconds: float) -> Figures:
        if children_of(self.worker) != [self._child]:
            raise RuntimeError(f"another child has come:\n{self.worker.read_log()}")
        usage = memory(self._child)
        return Figures(done, usage["Rss"], usage["Private_Clean"] + usage["Private_Dirty"],
                       memory(forkserver_of(self.worker))["Rss"], memory(self.worker.pid)["Rss"],
                       int(self._step_size / seconds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", choices=[one for one in KINDS if one.startswith("celeriac")],
                        default="celeriac-python")
    parser.add_argument("--tasks", type=int, default=1000000)
    parser.add_argument("--step", type=int, default=50000)
    parser.add_argument("--growth", type=int, default=512, help="KiB (default 512)")
    parser.add_argument("--build", type=Path, default=TESTS.parent / "build" / "release")
    options = parser.parse_args()
    if options.step % RESULT_EVERY or options.tasks % options.step or options.tasks < 1:
        parser.error(f"--step must be a multiple of {RESULT_EVERY}, --tasks one of --step")
    return options


def main() -> int:
    """Run it against a broker of its own."""
    options = _arguments()
    leave_on_signals()
    with RabbitMQ() as broker:
        soak = ChildSoak(broker, options.worker, options.tasks, options.step,
                         build=options.build.resolve())
        rows = soak.run()
    growth = rows[-1].growth_since(rows[min(1, len(rows) - 1)])
    flat = growth <= options.growth
    print(f"growth {growth} KiB: {'flat' if flat else 'GROWN'}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
