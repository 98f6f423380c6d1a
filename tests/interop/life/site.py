# SPDX-License-Identifier: BSD-3-Clause
"""One worker with one set of settings and one backend, and all cases that it is given."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping

import amqp

from faults.proxy import Proxy
from interop.life.one import QUEUE, REPLIES, One, until
from interop.life.rows import Case
from interop.life.store import Store
from interop.life.wire import Wire
from support.amqp import Client
from support.client import celery_client
from support.process import Timeout, leave_on_signals
from support.worker import TESTS, BaseWorker, Worker

PYTHON = os.environ.get("CELERIAC_TEST_PYTHON", "/usr/bin/python3")
APP = "interop.life.app"
KINDS = ("Celery", "native", "Python")
LEAN = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO")
READY_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Mode:
    """Settings, and how the cases are run."""

    late: bool = False
    lost: bool = False
    acks_on_failure: bool = True
    one_by_one: bool = False
    concurrency: int = 8

    @property
    def settings(self) -> dict[str, bool]:
        """For a Celery app."""
        return {"task_acks_late": self.late, "task_reject_on_worker_lost": self.lost,
                "task_acks_on_failure_or_timeout": self.acks_on_failure,
                "task_track_started": True}


MODES: Mapping[str, Mode] = {
    "early": Mode(), "late": Mode(late=True), "lost": Mode(late=True, lost=True, concurrency=2),
    "strict": Mode(late=True, acks_on_failure=False, concurrency=2),
    "odd": Mode(one_by_one=True, concurrency=1),
    "fatal-id": Mode(concurrency=1), "fatal-body": Mode(concurrency=1),
    "control": Mode(one_by_one=True, concurrency=1),
    "cold-early": Mode(concurrency=1), "cold-late": Mode(late=True, concurrency=1),
}


class Site:
    """Everything it has done is in `ones` afterwards; `failure` says why there is nothing."""

    def __init__(self, kind: str, mode: str, backend: str, cases: list[Case]) -> None:
        self.kind = kind
        self.mode = mode
        self.backend = backend
        self.settings = MODES[mode].settings
        self.wire = Wire()
        self.store = Store()
        self.folder = Path(tempfile.mkdtemp(prefix="celeriac-life-"))
        self.ones = {case.name: One(self, case.name) for case in cases}
        self.logs: dict[str, str] = {}
        self.failure = ""
        self.log = ""
        self.left = 0
        self.status: int | None = None
        self._cases = cases

    def steps(self, broker: str, redis: str, library: Path) -> Iterator[None]:
        """Start, run, stop; yields while it waits."""
        try:
            with ExitStack() as stack:
                yield from self._run(stack, broker, redis, library)
        except (Timeout, RuntimeError, OSError, amqp.exceptions.AMQPError) as error:
            self.failure = f"{type(error).__name__}: {error}\n{self.log}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, stack: ExitStack, broker: str, redis: str, library: Path) -> Iterator[None]:
        front = stack.enter_context(Proxy(_port(broker), self.wire))
        store = stack.enter_context(Proxy(_port(redis), self.store))
        self.client = stack.enter_context(Client(broker, 30))
        self.client.declare(REPLIES)
        self.client.declare("elsewhere")
        backend = redis if self.backend == "redis" else "rpc://"
        self.app = stack.enter_context(celery_client(broker, backend))
        behind = store.url(redis) if self.backend == "redis" else backend
        self.worker = self._make(front.url(broker), behind, library)
        stack.callback(self.worker.close)
        stack.callback(self._keep_log)
        self.worker.launch()
        yield from until(self._ready, "ready worker", READY_SECONDS)
        if MODES[self.mode].one_by_one:
            yield from self._one_by_one()
        else:
            yield from self._side_by_side()
        yield from self._stop()

    def _make(self, broker: str, backend: str, library: Path) -> BaseWorker:
        children = MODES[self.mode].concurrency
        env = {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1",
               "LIFE_SETTINGS": json.dumps({**self.settings, "result_backend": backend})}
        if self.kind == "Celery":
            return BaseWorker([PYTHON, "-m", "celery", "-A", APP, "-b", broker, "worker",
                               "-c", str(children), *LEAN], env)
        if self.kind == "Python":
            return Worker(broker, "--python", PYTHON, *LEAN, app=APP, backend="",
                          concurrency=children, env=env)
        settings = [f"--set={name}={str(value).lower()}" for name, value in self.settings.items()]
        return Worker(broker, *settings, *LEAN, app=library, backend=backend,
                      concurrency=children)

    def _ready(self) -> bool:
        status = self.worker.process.poll()
        if status is not None:
            raise RuntimeError(f"the worker ended with status {status}")
        return " ready." in self._log()

    def _side_by_side(self) -> Iterator[None]:
        running = [(self.ones[case.name], case.steps(self.ones[case.name]))
                   for case in self._cases]
        while running:
            running = [pair for pair in running if _goes_on(*pair)]
            yield

    def _one_by_one(self) -> Iterator[None]:
        """Each followed by a task that tells when the log of it is complete."""
        for case in self._cases:
            mark, one = len(self._log()), self.ones[case.name]
            steps = case.steps(one)
            while _goes_on(one, steps):
                yield
            probe = One(self, "")
            probe.send("life.add", 1, 1)
            yield from probe.stored("SUCCESS")
            self.logs[case.name] = self._log()[mark:]

    def _stop(self) -> Iterator[None]:
        if self.worker.running():
            self.worker.signal(signal.SIGTERM)
        try:
            yield from until(lambda: not self.worker.running(), "end of the worker", STOP_SECONDS)
        except Timeout:
            if self.kind != "Celery":  # whose pool does not always end after it has lost processes
                raise
            self.worker.kill()
        self.status = self.worker.wait(1)
        entries = re.split(r"^(?=\[\d{4}-\d\d-\d\d )", self._log(), flags=re.MULTILINE)
        for name, one in self.ones.items():
            self.logs.setdefault(name, "".join(entry for entry in entries
                                               if one.task_id in entry))
        if self.worker.sanitizer_report():
            raise RuntimeError(self.worker.sanitizer_report())
        self.left = self.client.counts(QUEUE)[0]

    def _log(self) -> str:
        return self.worker.read_log()

    def _keep_log(self) -> None:
        self.log = self._log()


def _port(url: str) -> int:
    return int(url.rpartition("@")[2].rpartition("//")[2].partition("/")[0].partition(":")[2])


def _goes_on(one: One, steps: Iterator[None]) -> bool:
    try:
        next(steps)
        return True
    except StopIteration:
        return False
    except Timeout as error:
        one.failure = str(error)
        return False


def run_all(sites: list[Iterator[None]], at_once: int) -> None:
    """Run them side by side; programs are started by this thread alone."""
    leave_on_signals()
    waiting, running = list(sites), list[Iterator[None]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0))
        for one in list(running):
            try:
                next(one)
            except StopIteration:
                running.remove(one)
        time.sleep(0.01)
