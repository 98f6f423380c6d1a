# SPDX-License-Identifier: BSD-3-Clause
"""The second half of scripts/quickstart: a broker, workers for C and Python, their clients, bursts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from celery import Celery
from celery.exceptions import TimeoutError as NoResult

from support import measure
from support.amqp import Client
from support.client import celery_client
from support.process import Timeout, leave_on_signals
from support.rabbitmq import RabbitMQ
from support.worker import ROOT, BaseWorker, Worker

BUILD = ROOT / "build" / "release"
BURST = 20000
BURST_QUEUE = "burst"
PYTHON = "/usr/bin/python3"
EXAMPLE = ROOT / "examples" / "python"
CLIENT_SECONDS = 60
# A task, its arguments, and what its result must look like (None: anything).
CALLS: list[tuple[str, tuple[object, ...], str | None]] = [
    ("example.add", (2, 3), "5"),
    ("example.add", (0.5, 0.25), "0.75"),
    ("example.echo", ("text", [1, None, True]), "[['text', [1, None, True]], {}]"),
    ("example.sleep", (0.1,), "0.1"),
    ("example.fail", ("on purpose",), "ValueError('on purpose')"),
    ("example.pid", (), None),
]


def shown(worker: BaseWorker) -> str:
    """The worker's command line as one would type it."""
    words = [word.replace(f"{ROOT}/", "") for word in worker.argv]
    return shlex.join(words)


def call(client: Celery, task: str, args: tuple[object, ...], expected: str | None) -> None:
    """Send one task, wait for its result, print both and check it."""
    answer = client.send_task(task, args).get(timeout=10, propagate=False)
    verb = "raised" if isinstance(answer, Exception) else "->"
    print(f"  {task}({', '.join(map(repr, args))}) {verb} {answer!r}", flush=True)
    if expected is not None and repr(answer) != expected:
        raise RuntimeError(f"{task} should have given {expected}")


def burst(broker: RabbitMQ) -> measure.Rate:
    """A second worker on a queue that is already full."""
    worker = Worker(broker.url, "-Q", BURST_QUEUE, "-n", "burst@localhost", "-l", "WARNING",
                    "--prefetch-multiplier", "128", build=BUILD)
    with Client(broker.url, 60) as client:
        return measure.throughput(client, BURST_QUEUE, worker, BURST)


def celery_app(broker: RabbitMQ) -> None:
    """The example app as it is, with its own client."""
    url = broker.url_of(broker.new_vhost())
    env = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": "rpc://",
           "PROJ_JOURNAL": str(broker.folder / "journal"), "PYTHONDONTWRITEBYTECODE": "1"}
    worker = Worker(url, "--workdir", str(EXAMPLE), "--python", PYTHON, app="proj", env=env,
                    build=BUILD)
    print(f"starting a worker for a Celery app:\n  {shown(worker)}")
    with worker:
        print("running its client, examples/python/client.py:", flush=True)
        done = subprocess.run([PYTHON, "client.py"], cwd=EXAMPLE, env={**os.environ, **env},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=CLIENT_SECONDS, check=False)
        for line in done.stdout.splitlines():
            if not line.startswith(" "):  # the indented ones are details
                print(f"  {line}")
        if done.returncode != 0 or "add: SUCCESS 5" not in done.stdout:
            raise RuntimeError(f"its client failed:\n{done.stderr}\n{worker.read_log()}")


def tour() -> None:
    """All of it, in order."""
    print("starting a RabbitMQ of our own ...", flush=True)
    with RabbitMQ() as broker:
        print(f"  {broker.url}")
        worker = Worker(broker.url, build=BUILD)
        print(f"starting a worker for tasks in C:\n  {shown(worker)}")
        with worker, celery_client(broker.url) as client:
            print("sending tasks with the stock Celery client:")
            for task, args, expected in CALLS:
                call(client, task, args, expected)
        print(f"running {BURST:,} no-op tasks, 2 children ...", flush=True)
        rate = burst(broker)
        print(f"  {rate.tasks_per_second:,.0f} tasks/s, "
              f"{rate.cpu_microseconds_per_task:.1f} us of CPU a task")
        celery_app(broker)


def main() -> int:
    """Run the tour; a failure is told in one line or two."""
    if not (BUILD / "celeriac").exists():
        print("quickstart failed: build/release/celeriac does not exist", file=sys.stderr)
        return 1
    leave_on_signals()
    try:
        tour()
    except (RuntimeError, Timeout, NoResult, subprocess.TimeoutExpired) as error:
        print(f"quickstart failed: {error}", file=sys.stderr)
        return 1
    print("everything is stopped; the same for yourself: examples/ and README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
