# SPDX-License-Identifier: BSD-3-Clause
"""The example apps under Celery and under celeriac: one client script prints the same twice.

With CELERIAC_INTEROP_REFERENCE Celery is compared with itself, which shows that the output is
the same in every run.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Iterator

import pytest

from interop.settings import REFERENCE
from support.process import Process, Timeout
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import ROOT, BaseWorker, build_folder

EXAMPLES = {"python": "proj", "django": "mysite"}
BACKENDS = ("rpc", "redis")
PYTHON = "/usr/bin/python3"
CELERY = [PYTHON, "-m", "celery"]
CLIENT_SECONDS = 45.0
# In a traceback: the handler that raises SoftTimeLimitExceeded is billiard's or ours.
SOFT_LIMIT_HANDLER = re.compile(
    r'/[^"]*/(?:billiard/pool|celeriac/limits)\.py(\\?)", line \d+, in \w+')


class Run:
    """One example under one worker, with servers' rooms and files of its own, and its client."""

    def __init__(self, program: list[str], example: str, env: dict[str, str], log: Path) -> None:
        self._folder = ROOT / "examples" / example
        self._env = env
        self._log = log
        self._client: Process | None = None
        self.worker = BaseWorker([*program, "-A", EXAMPLES[example], "--workdir",
                                  str(self._folder), "worker", "-c", "2", "-l", "INFO"], env)

    def launch(self) -> None:
        """Start both; tasks that are sent before the worker is ready wait for it."""
        self.worker.launch()
        self._client = Process([PYTHON, "client.py", "--whole"], self._log,
                               {**os.environ, **self._env}, self._folder)

    def output(self) -> list[str]:
        """What the client has printed, once it has ended well."""
        assert self._client
        try:
            status = self._client.wait(CLIENT_SECONDS)
        except Timeout as error:
            status = str(error)
        text = self._client.read_log()
        assert status == 0, f"{status}:\n{text}\n--- worker\n{self.worker.read_log()}"
        return SOFT_LIMIT_HANDLER.sub(r'the handler\1"', text).splitlines()

    def leave(self) -> None:
        """Tell the worker to end."""
        if self._client:
            self._client.kill()
        if self.worker.running():
            self.worker.signal(signal.SIGTERM)

    def check_end(self) -> None:
        """Wait for the worker's end, and look at what it has printed."""
        assert self.worker.wait() == 0, self.worker.read_log()
        assert not self.worker.sanitizer_report(), self.worker.sanitizer_report()


def programs() -> dict[str, list[str]]:
    """The two commands, which differ in one word."""
    celeriac = CELERY if REFERENCE else [str(build_folder() / "celeriac")]
    return {"celery": CELERY, "celeriac": celeriac}


def environment(folder: Path, broker: str, backend: str) -> dict[str, str]:
    """The servers and files of one run; Debian's Python comes first on PATH."""
    return {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": backend,
            "PROJ_JOURNAL": str(folder / "journal"), "SHOP_DATABASE": str(folder / "database"),
            "PATH": f"/usr/bin:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}


Runs = dict[tuple[str, str, str], Run]


def _end(started: Runs) -> None:
    """Stop everything. Celery's own stop hangs at times: it is not what is tested here."""
    try:
        for run in started.values():
            run.leave()
        for (_, _, name), run in started.items():
            if name == "celeriac" and not REFERENCE:
                run.check_end()
    finally:
        for run in started.values():
            run.worker.close()


@pytest.fixture(scope="module")
def runs(rabbitmq: RabbitMQ, redis: Redis, tmp_path_factory: pytest.TempPathFactory,
         ) -> Iterator[Runs]:
    """All runs at the same time, as (example, backend, program): most of it is waiting."""
    started: Runs = {}
    cases = [(example, backend, name) for example in EXAMPLES for backend in BACKENDS
             for name in programs()]
    try:
        for number, case in enumerate(cases, 1):
            folder = tmp_path_factory.mktemp("-".join(case))
            results = "rpc://" if case[1] == "rpc" else redis.url.replace("/0", f"/{number}")
            env = environment(folder, rabbitmq.url_of(rabbitmq.new_vhost()), results)
            started[case] = Run(programs()[case[2]], case[0], env, folder / "client.log")
            started[case].launch()
        yield started
    finally:
        _end(started)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_example_gives_the_same_under_both_workers(runs: Runs, example: str,
                                                   backend: str) -> None:
    expected = runs[example, backend, "celery"].output()
    assert len(expected) > 50
    assert runs[example, backend, "celeriac"].output() == expected
