# SPDX-License-Identifier: BSD-3-Clause
"""The place of a campaign: a broker, the proxy with its witness, and a worker to do harm to."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import uuid
from pathlib import Path
from typing import Callable, Mapping

from faults.proxy import Proxy
from faults.witness import Witness
from support.process import Timeout, alive, kill_all, start_time, wait_until
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import TESTS, BaseWorker, CeleryWorker, Worker, build_folder

MARK = "CELERIAC_FAULTS_MARK"
LEAN = ("--without-gossip", "--without-mingle", "--without-heartbeat")
DURABLE_RESULTS = ("--set", "result_persistent=true")
LEFTOVER_SECONDS = 2.0
KINDS = ("celeriac", "celeriac-python", "celery", "celery-late")
PYTHON_APP = "faults.celery_tasks"
PYTHON_OPTION = ("--python", os.environ.get("CELERIAC_TEST_PYTHON", "/usr/bin/python3"))
# A process that was forked and has not called exec, in the flags of /proc/PID/stat.
PF_FORKNOEXEC = 0x40
CELERY_SETTINGS: Mapping[str, Mapping[str, bool]] = {
    "celery": {},
    "celery-late": {"task_acks_late": True, "task_reject_on_worker_lost": True},
}


def marked(mark: str) -> dict[int, int]:
    """The living processes with this mark in their environment, as pid: start time."""
    needle = f"{MARK}={mark}".encode()
    found = {}
    for entry in os.listdir("/proc"):
        try:
            if (entry.isdigit() and needle in Path(f"/proc/{entry}/environ").read_bytes()
                    and alive(int(entry))):
                found[int(entry)] = start_time(int(entry))
        except OSError:
            continue
    return found


def _flags_and_parent(pid: int) -> tuple[int, int]:
    """The kernel's flags of a process and its parent; (0, 0) if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[6]), int(fields[1])


def _program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _forked_only(pid: int) -> bool:
    """True for a copy of its parent: it was forked and has started no program."""
    return bool(_flags_and_parent(pid)[0] & PF_FORKNOEXEC)


def children_of(worker: BaseWorker) -> list[int]:
    """The processes that run tasks: copies of the forkserver, or all of Celery's."""
    tree = [pid for pid in worker.tree() if alive(pid)]
    if not isinstance(worker, Worker):
        return sorted(tree)
    main = _program(worker.pid)  # a forkserver is a copy of it for a moment
    return sorted(pid for pid in tree if _forked_only(pid) and _program(pid) not in (main, ""))


def forkserver_of(worker: BaseWorker) -> int:
    """celeriac's forkserver; 0 while there is none, as always with Celery."""
    if not isinstance(worker, Worker):
        return 0
    found = [pid for pid in worker.tree() if alive(pid) and not _forked_only(pid)
             and _flags_and_parent(pid)[1] == worker.pid]
    return max(found, key=start_time) if found else 0


def fault_tasks(build: Path | None = None) -> Path:
    """The shared library with the fault tasks."""
    return (build or build_folder()) / "tests" / "faults" / "libfault_tasks.so"


def python_env() -> dict[str, str]:
    """What makes the Python app importable."""
    return {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}


def make_worker(kind: str, url: str, *args: str, concurrency: int, mark: str = "",
                backend: str = "rpc://", app: Path | None = None,
                build: Path | None = None) -> BaseWorker:
    """A worker of that kind, not started yet; app is celeriac's, the example tasks if left out."""
    env = {MARK: mark}
    if kind == "celeriac":
        return Worker(url, *DURABLE_RESULTS, *args, app=app, concurrency=concurrency,
                      backend=backend, env=env, build=build)
    env |= python_env()
    if kind == "celeriac-python":
        return Worker(url, *DURABLE_RESULTS, *PYTHON_OPTION, *args, app=PYTHON_APP,
                      concurrency=concurrency, backend=backend, env=env, build=build)
    settings = json.dumps({**CELERY_SETTINGS[kind], "result_persistent": True,
                           "result_backend": backend})
    return CeleryWorker(url, *LEAN, *args, app=PYTHON_APP, concurrency=concurrency,
                        env={**env, "FAULTS_CELERY_SETTINGS": settings})


class Site:
    """One broker and one worker, which is started again whenever its main process is killed."""

    def __init__(self, broker: RabbitMQ, kind: str, chance: random.Random, vhost: str,
                 make: Callable[[str, str], BaseWorker], outage: float) -> None:
        """make(url, mark) gives a worker not started yet; outage is how long the node is down."""
        self.broker = broker
        self.kind = kind
        self.witness = Witness()
        self.proxy = Proxy(broker.port, self.witness)
        self.store: Redis | None = None
        self.harm = {"child": 0, "forkserver": 0, "main": 0, "broker": 0, "cut": 0, "redis": 0}
        self.left_over = 0
        self.exits: list[int] = []
        self.workers: list[BaseWorker] = []
        self._url = broker.url_of(vhost)
        self._make = make
        self._outage = outage
        self._chance = chance
        self._mark = ""

    @property
    def worker(self) -> BaseWorker:
        """The one that works now."""
        return self.workers[-1]

    def start_worker(self, ready: bool = True) -> None:
        """Start a worker; wait until it consumes if ready."""
        self._mark = uuid.uuid4().hex
        worker = self._make(self.proxy.url(self._url), self._mark)
        self.workers.append(worker)
        worker.launch()
        if ready:
            worker.wait_log(r" ready\.$", 60)

    def ensure_worker(self) -> None:
        """Start it again if it has ended by itself, and remember that."""
        status = self.worker.process.poll()
        if status is not None:
            self.exits.append(status)
            self.start_worker(ready=False)

    def kill_child(self) -> None:
        """SIGKILL one of the processes that run tasks."""
        self._kill_one("child", children_of(self.worker))

    def kill_forkserver(self) -> None:
        """SIGKILL the forkserver; a child where there is none."""
        forkserver = forkserver_of(self.worker)
        if forkserver:
            self._kill_one("forkserver", [forkserver])
        else:
            self.kill_child()

    def kill_main(self) -> None:
        """SIGKILL the main process, count who outlives it, start the next worker."""
        self.worker.signal(signal.SIGKILL)
        self.worker.wait(10)
        self.harm["main"] += 1
        self._count_leftovers()
        self.start_worker(ready=False)

    def cut(self) -> None:
        """End all connections of the worker, or one of them."""
        reset = self._chance.random() < 0.5
        if self._chance.random() < 0.5 or not self.proxy.cut_one(self._chance.randrange(2), reset):
            self.proxy.cut(reset)
        self.harm["cut"] += 1

    def restart_broker(self) -> None:
        """Stop and start the node on the same data; often do more harm while it is down."""
        self.harm["broker"] += 1
        self.broker.stop()
        time.sleep(self._outage)
        if self._chance.random() < 0.5:
            self.do(self._chance.choice(["child", "forkserver", "main"]))
        self.broker.start()

    def restart_redis(self) -> None:
        """Stop and start the server of the results on the same data."""
        if self.store:
            self.harm["redis"] += 1
            self.store.stop()
            time.sleep(self._outage)
            self.store.start()

    def do(self, what: str) -> None:
        """Do one harm by name."""
        {"child": self.kill_child, "forkserver": self.kill_forkserver, "main": self.kill_main,
         "broker": self.restart_broker, "cut": self.cut, "redis": self.restart_redis}[what]()

    def log(self) -> str:
        """The logs of all workers, one behind the other."""
        return "".join(worker.read_log() for worker in self.workers)

    def __enter__(self) -> "Site":
        self.proxy.open()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.close()
        self.proxy.shut()
        self.proxy.cut()

    def _kill_one(self, what: str, pids: list[int]) -> None:
        if pids:
            pid = self._chance.choice(pids)
            kill_all({pid: start_time(pid)})
            self.harm[what] += 1

    def _count_leftovers(self) -> None:
        try:
            wait_until(lambda: not marked(self._mark), LEFTOVER_SECONDS, "end of the orphans")
        except Timeout:
            self.left_over += len(marked(self._mark))
