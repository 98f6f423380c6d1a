# SPDX-License-Identifier: BSD-3-Clause
"""Workers as processes: celeriac from a build folder, and Debian's Celery to compare with."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Mapping, Sequence, TypeVar

from support.process import (Process, Timeout, alive, cpu_seconds, descendants, pss_bytes,
                             wait_until)

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
READY_SECONDS = 30.0
SANITIZER_REPORT = re.compile(r"ERROR: \w*Sanitizer|runtime error: |LeakSanitizer: detected")

W = TypeVar("W", bound="BaseWorker")


def _with_log_level(args: Sequence[str]) -> list[str]:
    """INFO unless the caller says otherwise: below it, no worker says that it is ready."""
    named = any(arg.startswith(("-l", "--loglevel")) for arg in args)
    return [*args] if named else ["-l", "INFO", *args]


def build_folder() -> Path:
    """The build that is tested: CELERIAC_BUILD, else build/asan."""
    return (ROOT / os.environ.get("CELERIAC_BUILD", "build/asan")).resolve()


def example_tasks(build: Path | None = None) -> Path:
    """The shared library with the example tasks."""
    return (build or build_folder()) / "examples" / "libexample_tasks.so"


class BaseWorker:
    """A worker process with its log; it is ended with everything it has started."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.argv = list(argv)
        self._env = {**os.environ, **(env or {})}
        self._folder: Path | None = None
        self._process: Process | None = None
        self._wait_ready = True

    def launch(self: W) -> W:
        """Start the process in a folder of its own and return at once."""
        self._folder = Path(tempfile.mkdtemp(prefix="celeriac-worker-"))
        self._process = Process(self.argv, self._folder / "worker.log", self._env, self._folder)
        return self

    def start(self: W) -> W:
        """Start the process and return when it has logged that it is ready."""
        self.launch()
        try:
            self.wait_log(r" ready\.$", READY_SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def process(self) -> Process:
        """The main process."""
        assert self._process, "the worker was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the main process."""
        return self.process.pid

    def read_log(self) -> str:
        """Everything that was logged so far; nothing if it never ran."""
        return self._process.read_log() if self._process else ""

    def wait_log(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """Wait for a line that the pattern matches."""
        expression = re.compile(pattern, re.MULTILINE)

        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            match = expression.search(self.read_log())
            if ended and not match:
                raise RuntimeError(f"the worker ended with status {self.process.poll()}:\n"
                                   f"{self.read_log()}")
            return match

        try:
            return wait_until(look, seconds, f"log line like {pattern!r}")
        except Timeout as error:
            raise Timeout(f"{error}; the log:\n{self.read_log()}") from None

    def tree(self) -> dict[int, int]:
        """All processes of the worker but the main one, as pid: start time."""
        return {pid: started for pid, started in descendants(self.pid).items()
                if pid != self.pid}

    def signal(self, number: int) -> None:
        """Send a signal to the main process only."""
        self.process.signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for the main process to end; its exit status."""
        return self.process.wait(seconds)

    def stop(self, seconds: float = 20.0) -> int:
        """Ask for a warm shutdown, wait, kill what is left; the exit status."""
        return self.process.stop(seconds)

    def kill(self) -> None:
        """Kill the whole tree."""
        if self._process:
            self._process.kill()

    def running(self) -> bool:
        """True while the main process has not ended."""
        return self._process is not None and alive(self._process.pid)

    def cpu_seconds(self) -> float:
        """CPU time that the whole tree has used, children that have ended included."""
        return cpu_seconds(self.pid)

    def pss_bytes(self) -> int:
        """Memory of the whole tree, shared pages counted once."""
        return pss_bytes(self.pid)

    def sanitizer_report(self) -> str:
        """What a sanitizer has printed, or nothing."""
        text = self.read_log()
        match = SANITIZER_REPORT.search(text)
        return text[match.start():] if match else ""

    def close(self) -> None:
        """End everything and remove the folder."""
        self.kill()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def launched(self: W) -> W:
        """For a with block that does not wait for readiness: with worker.launched(): ..."""
        self._wait_ready = False
        return self

    def __enter__(self: W) -> W:
        return self.start() if self._wait_ready else self.launch()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            if self.running() and kind is None:
                self.stop()
        finally:
            self.close()


class Worker(BaseWorker):
    """celeriac; args follow the worker sub-command, app is the example tasks if left out.

    Results go where backend says; an empty one leaves the option out.
    """

    def __init__(self, url: str, *args: str, app: str | Path | None = None, concurrency: int = 2,
                 backend: str = "rpc://", env: Mapping[str, str] | None = None,
                 build: Path | None = None, config: Path | None = None) -> None:
        folder = build or build_folder()
        program = folder / "celeriac"
        if not program.exists():
            raise RuntimeError(f"{program} does not exist; build it first (scripts/test does)")
        results = ["--result-backend", backend] if backend else []
        if config:
            results += ["--config", str(config)]
        super().__init__([str(program), "-A", str(app or example_tasks(folder)), "-b", url,
                          *results, "worker", "-c", str(concurrency), *_with_log_level(args)], env)


class CeleryWorker(BaseWorker):
    """Celery's worker with support/celery_app.py; program is another celery's path."""

    def __init__(self, url: str, *args: str, app: str = "support.celery_app",
                 concurrency: int = 2, env: Mapping[str, str] | None = None,
                 program: str = "") -> None:
        celery = [program] if program else ["/usr/bin/python3", "-m", "celery"]
        super().__init__([*celery, "-A", app, "-b", url, "worker", "-c", str(concurrency),
                          *_with_log_level(args)],
                         {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1",
                          **(env or {})})
