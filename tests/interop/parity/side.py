# SPDX-License-Identifier: BSD-3-Clause
"""One worker with one configuration: started, given all cases, stopped, and what it left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib.parse import urlsplit

import amqp
from redis import Redis

from interop.parity.configurations import COMMON, Configuration
from support.amqp import Client
from support.process import Process, Timeout
from support.worker import SANITIZER_REPORT, TESTS, build_folder

PYTHON = os.environ.get("CELERIAC_TEST_PYTHON", "/usr/bin/python3")
GRAVEYARD = "graveyard"
TAP = "tap"
OUTPUT = "worker.log"
READY_SECONDS = 60.0
CLIENT_SECONDS = 150.0
QUIET_SECONDS = 10.0
STOP_SECONDS = 30.0
# Where RabbitMQ publishes a copy of each message it takes or hands out, once told to.
TRACE_EXCHANGE = "amq.rabbitmq.trace"


class Side:
    """Celery or celeriac; everything it has done is in the attributes afterwards."""

    def __init__(self, worker: str, name: str, configuration: Configuration, cases: list[str],
                 broker: str, redis: str) -> None:
        self.worker = worker
        self.name = name
        self.cases = cases
        self.failure = ""
        self.answers: dict[str, Any] = {}
        self.logs: dict[str, str] = {}
        self.records: list[dict[str, Any]] = []
        self.trace: list[amqp.Message] = []
        self.dead: list[amqp.Message] = []
        self.left: dict[str, int] = {}
        self.documents: dict[str, bytes] = {}
        self.status: int | None = None
        self._configuration = configuration
        self._broker = broker
        self._backend = {"redis": redis, "rpc": "rpc://"}.get(configuration.backend, "")
        self._folder = Path(tempfile.mkdtemp(prefix=f"celeriac-parity-{worker}-{name}-"))

    def steps(self) -> Iterator[None]:
        """Everything, from the start to the end; yields when it waits."""
        try:
            with Client(self._broker) as tap:
                self._prepare(tap)
                yield from self._run(tap)
                self._collect(tap)
        except (Timeout, RuntimeError, OSError, ValueError, amqp.exceptions.AMQPError) as error:
            self.failure = f"{type(error).__name__}: {error}\n{self._read(OUTPUT)[-4000:]}"
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self, tap: Client) -> None:
        tap.declare(TAP)
        tap.channel.queue_bind(TAP, TRACE_EXCHANGE, "#")
        tap.declare(GRAVEYARD)

    def _run(self, tap: Client) -> Iterator[None]:
        worker = Process(self._command(), self._folder / OUTPUT, self._environment(),
                         self._folder)
        client: Process | None = None
        try:
            yield from _until(lambda: self._ready(worker), READY_SECONDS, "ready worker")
            client = Process([PYTHON, "-m", "interop.parity.client", self.name, *self.cases],
                             self._folder / "client.log",
                             self._environment(PARITY_ROLE="client"), self._folder)
            yield from _until(lambda: client.poll() is not None, CLIENT_SECONDS, "end of client")
            yield from _until(lambda: not any(self._waiting(tap).values()), QUIET_SECONDS,
                              "empty queues")
            if self._configuration.killed:
                worker.kill()
            else:
                worker.signal(signal.SIGTERM)
            yield from _until(lambda: worker.poll() is not None, STOP_SECONDS, "end of worker")
            self.status = worker.poll()
        finally:
            worker.kill()
            if client:
                client.kill()

    def _ready(self, worker: Process) -> bool:
        status = worker.poll()
        if status is not None:
            raise RuntimeError(f"the worker ended with status {status}")
        return any(" ready." in log for log in self._read_logs().values())

    def _command(self) -> list[str]:
        one = self._configuration
        backend = ["--result-backend", self._backend] if self._backend else []
        options = ["-A", one.app, "-b", self._broker, *backend]
        worker = ["worker", "-c", str(one.concurrency), "-l", "INFO", *COMMON, *one.args]
        if self.worker == "celery":
            return [PYTHON, "-m", "celery", *options, *worker]
        return [str(build_folder() / "celeriac"), *options, *worker, "--python", PYTHON,
                *one.celeriac_args]

    def _environment(self, **more: str) -> dict[str, str]:
        backend = {"CELERY_RESULT_BACKEND": self._backend} if self._backend else {}
        return {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1",
                "PARITY_FOLDER": str(self._folder), "C_FORCE_ROOT": "yes",
                "PARITY_WORKER": self.worker,
                "PARITY_SETTINGS": self._configuration.settings, **self._configuration.env,
                **({"CELERY_BROKER_URL": self._broker, **backend} if more else {}), **more}

    def _collect(self, tap: Client) -> None:
        self.logs = self._read_logs()
        report = SANITIZER_REPORT.search(self.logs[OUTPUT])
        if report:
            raise RuntimeError(f"sanitizer report: {report.string[report.start():][:2000]}")
        self.answers = self._read_answers()
        self.records = [json.loads(line) for line in self._read("journal").splitlines()]
        self.trace = _drain(tap, TAP)
        self.dead = _drain(tap, GRAVEYARD)
        self.left = self._waiting(tap)
        self.documents = self._stored()

    def _read(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _read_logs(self) -> dict[str, str]:
        """What the worker prints, and its log files."""
        return {path.name: path.read_text(errors="replace")
                for path in sorted(self._folder.glob("*.log")) if path.name != "client.log"}

    def _read_answers(self) -> dict[str, Any]:
        lines = self._read("client.log").splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise RuntimeError("the client said: " + "\n".join(lines[-40:]))
        answers: dict[str, Any] = json.loads(lines[-1])
        return answers

    def _queues(self) -> list[str]:
        if self._configuration.settings == "Main":
            return ["celery", "orders", "audit", "odd", "ranked"]
        return ["celery"]

    def _waiting(self, tap: Client) -> dict[str, int]:
        """How many messages each queue of the worker has ready."""
        return {queue: tap.counts(queue)[0] for queue in self._queues()}

    def _stored(self) -> dict[str, bytes]:
        """What the result backend holds: key to value."""
        if self._configuration.backend == "redis":
            parts = urlsplit(self._backend)
            with Redis("127.0.0.1", parts.port, int(parts.path[1:])) as client:
                return {key.decode(): client.get(key) if client.type(key) == b"string" else b""
                        for key in client.keys()}
        return {path.name: path.read_bytes() for path in self._folder.glob("celery-*")}


def _until(check: Callable[[], bool], seconds: float, what: str) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise Timeout(f"no {what} within {seconds:g} s")
        yield


def _drain(client: Client, queue: str) -> list[amqp.Message]:
    """All messages of a queue that nobody writes to any more."""
    found: list[amqp.Message] = []
    count = client.counts(queue)[0]
    client.consume(queue, found.append)
    client.drain_until(lambda: len(found) >= count, 20, f"{count} messages of {queue}")
    return found


def run_all(sides: list[Side], at_once: int) -> None:
    """Run them side by side; programs are started by this thread alone."""
    waiting = list(sides)
    running: list[Iterator[None]] = []
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0).steps())
        for one in list(running):
            try:
                next(one)
            except StopIteration:
                running.remove(one)
        time.sleep(0.02)
