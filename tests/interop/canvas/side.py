# SPDX-License-Identifier: BSD-3-Clause
"""One mix of workers with its own virtual host and database: all shapes, and what they left."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import amqp
from redis import Redis

from interop.parity.side import PYTHON, TRACE_EXCHANGE, _until
from support.amqp import Client
from support.process import Process, Timeout
from support.rabbitmq import RabbitMQ
from support.worker import SANITIZER_REPORT, TESTS, build_folder

APP = "interop.canvas.app"
TAP = "tap"
QUEUES = ("one", "two")
READY_SECONDS = 60.0
CLIENT_SECONDS = 60.0
QUIET_SECONDS = 60.0
# Nothing is published and nothing stored for so long, and no message is on its way: it is over.
STILL_SECONDS = 0.8
STOP_SECONDS = 30.0

# The workers of a mix: what runs the tasks of each queue.
MIXES = {
    "celery": {"one,two": "celery"},
    "native": {"one,two": "native"},
    "python": {"one,two": "python"},
    "native+celery": {"one": "native", "two": "celery"},
    "python+native": {"one": "python", "two": "native"},
}
MORE_MIXES = {
    "celery+native": {"one": "celery", "two": "native"},
    "native+python": {"one": "native", "two": "python"},
    "celery again": {"one,two": "celery"},
}
NATIVE_SETTINGS = ("task_default_queue=one", "task_routes=two.*=two", "result_extended=true",
                   "task_inherit_parent_priority=true", "accept_content=json,msgpack",
                   "result_expires=600")


class Side:
    """A mix; everything it has done is in the attributes afterwards."""

    def __init__(self, mix: dict[str, str], shapes: list[str], rabbitmq: RabbitMQ, vhost: str,
                 backend: str) -> None:
        self.failure = ""
        self.returned: dict[str, Any] = {}
        self.published: list[amqp.Message] = []
        self.stored: dict[str, Any] = {}
        self.queues: dict[str, tuple[int, int]] = {}
        self._mix = mix
        self._shapes = shapes
        self._rabbitmq = rabbitmq
        self._vhost = vhost
        self._broker = rabbitmq.url_of(vhost)
        self._backend = backend
        self._folder = Path(tempfile.mkdtemp(prefix="celeriac-canvas-"))
        self._workers: dict[str, Process] = {}

    def steps(self) -> Iterator[None]:
        """Everything, from the start to the end; yields when it waits."""
        try:
            with Client(self._broker) as tap:
                tap.declare(TAP)
                tap.channel.queue_bind(TAP, TRACE_EXCHANGE, "publish.#")
                tap.consume(TAP, self.published.append)
                yield from self._run(tap)
        except (Timeout, RuntimeError, OSError, ValueError, amqp.exceptions.AMQPError) as error:
            self.failure = f"{type(error).__name__}: {error}\n{self._logs()[-6000:]}"
        finally:
            for worker in self._workers.values():
                worker.kill()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, tap: Client) -> Iterator[None]:
        for queues, kind in self._mix.items():
            self._workers[queues] = Process(self._command(kind, queues), self._log_of(queues),
                                            self._environment(), self._folder)
        yield from _until(self._ready, READY_SECONDS, "ready workers")
        yield from self._client("sent", "send", *self._shapes)
        yield from self._settle(tap)
        yield from self._client("returned", "look", str(self._folder / "sent"))
        self.returned = json.loads((self._folder / "returned").read_text())
        self.stored = self._everything()
        yield from self._stop()

    def _command(self, kind: str, queues: str) -> list[str]:
        worker = ["worker", "-c", "2", "-l", "INFO", "-Q", queues, "-n", f"{queues}@canvas",
                  "--without-mingle", "--without-gossip", "--without-heartbeat"]
        if kind == "celery":
            return [PYTHON, "-m", "celery", "-A", APP, *worker]
        native = kind == "native"
        tasks = build_folder() / "tests" / "interop" / "libcanvas_tasks.so"
        settings = [word for one in NATIVE_SETTINGS for word in ("--set", one)]
        return [str(build_folder() / "celeriac"), "-A", str(tasks) if native else APP,
                "-b", self._broker, "--result-backend", self._backend, *worker,
                *(settings if native else ["--python", PYTHON])]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1",
                "C_FORCE_ROOT": "yes", "CELERY_BROKER_URL": self._broker,
                "CELERY_RESULT_BACKEND": self._backend}

    def _log_of(self, queues: str) -> Path:
        return self._folder / f"{queues}.log"

    def _logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))

    def _ready(self) -> bool:
        for queues, worker in self._workers.items():
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended with status {worker.poll()}")
            if " ready." not in self._log_of(queues).read_text(errors="replace"):
                return False
        return True

    def _client(self, output: str, *args: str) -> Iterator[None]:
        """Run the client; its last line becomes a file of that name."""
        log = self._folder / f"{output}.log"
        client = Process([PYTHON, "-m", "interop.canvas.client", *args], log,
                         self._environment(), self._folder)
        try:
            yield from _until(lambda: client.poll() is not None, CLIENT_SECONDS, "end of client")
        finally:
            client.kill()
        lines = log.read_text().splitlines()
        if client.poll() != 0 or not lines:
            raise RuntimeError("the client said: " + "\n".join(lines[-40:]))
        (self._folder / output).write_text(lines[-1])

    def _settle(self, tap: Client) -> Iterator[None]:
        """Wait until nothing happens any more."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            yield from self._still(tap, deadline)
            queues = self._rabbitmq.queues(self._vhost)
            self.queues = {name: queues[name] for name in QUEUES}
            if not any(unacked for _, unacked in self.queues.values()):
                return
            if time.monotonic() > deadline:
                raise Timeout(f"messages are held for ever: {self.queues}")

    def _still(self, tap: Client, deadline: float) -> Iterator[None]:
        seen: Any = None
        since = time.monotonic()
        with self._redis() as redis:
            while time.monotonic() - since < STILL_SECONDS:
                while tap.drain(0):
                    pass
                stats = redis.info("commandstats")
                now = [len(self.published), redis.dbsize(),
                       {name: one["calls"] for name, one in stats.items()
                        if name in ("cmdstat_setex", "cmdstat_zadd", "cmdstat_del")}]
                if now != seen:
                    seen, since = now, time.monotonic()
                if time.monotonic() > deadline:
                    raise Timeout("the canvas does not come to an end")
                yield

    def _redis(self) -> Redis:
        return Redis.from_url(self._backend, socket_timeout=10)

    def _everything(self) -> dict[str, Any]:
        """Each key with its value; of those that count, with their texts."""
        read: dict[bytes, Callable[[Redis, bytes], Any]] = {
            b"string": lambda redis, key: redis.get(key).decode(),
            b"zset": lambda redis, key: [[one.decode(), score] for one, score in
                                         redis.zrange(key, 0, -1, withscores=True)],
            b"list": lambda redis, key: sorted(one.decode() for one in redis.lrange(key, 0, -1)),
            b"set": lambda redis, key: sorted(one.decode() for one in redis.smembers(key)),
        }
        with self._redis() as redis:
            return {key.decode(): read[redis.type(key)](redis, key) for key in redis.keys()}

    def _stop(self) -> Iterator[None]:
        for worker in self._workers.values():
            worker.signal(15)
        for queues, worker in self._workers.items():
            yield from _until(lambda: worker.poll() is not None, STOP_SECONDS, "end of a worker")
            if worker.poll() != 0:
                raise RuntimeError(f"the worker of {queues} ended with {worker.poll()}")
        report = SANITIZER_REPORT.search(self._logs())
        if report:
            raise RuntimeError(f"sanitizer report: {report.string[report.start():][:3000]}")
