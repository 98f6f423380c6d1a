# SPDX-License-Identifier: BSD-3-Clause
"""The life of a throwaway server: what RabbitMQ and Redis have in common."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Callable, Mapping, TypeVar

from support.process import Process, Timeout, leave_on_signals, wait_until

START_SECONDS = 60.0
STOP_SECONDS = 20.0

S = TypeVar("S", bound="Server")


class Server(ABC):
    """A server of our own in a temporary folder, which goes away with everything it wrote."""

    name = "server"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"celeriac-{self.name}-"))
        self.log = self.folder / "server.log"
        self._process: Process | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect to."""

    @abstractmethod
    def _launch(self) -> Process:
        """Start the program."""

    @abstractmethod
    def _accepts(self) -> bool:
        """True if a client can log in now."""

    def start(self: S) -> S:
        """Start the server and return when a client has logged in to it."""
        try:
            self._process = self._launch()
            wait_until(self._runs_and_accepts, START_SECONDS, f"{self.name} to log in to")
        except (Timeout, OSError, RuntimeError) as error:
            reason = f"{self.name} did not start: {error}\n{self._log_tail()}"
            self.close()
            raise RuntimeError(reason) from None
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """Shut the server down in good order; its data stays for start()."""
        if self._process:
            self._process.stop(STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End the server as a power cut would; its data stays for start()."""
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """stop() and start(): same port, same data."""
        self.stop()
        self.start()

    def signal(self, number: int) -> None:
        """Send the server a signal: SIGSTOP makes it hang, SIGCONT wakes it up."""
        assert self._process
        self._process.signal(number)

    def close(self) -> None:
        """End everything that was started and remove the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def commands(self) -> Mapping[str, Callable[[], object]]:
        """The command lines that serve() obeys."""
        return {"restart": self.restart, "kill": self.kill, "stop": self.stop,
                "start": self.start}

    def __enter__(self: S) -> S:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _runs_and_accepts(self) -> bool:
        assert self._process
        status = self._process.poll()
        if status is not None:
            raise RuntimeError(f"it ended with status {status} (is {self.url} taken?)")
        return self._accepts()

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else ""


def _obey(commands: Mapping[str, Callable[[], object]], line: str) -> str:
    if line not in commands:
        return f"error unknown command: {line}"
    try:
        commands[line]()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return "error " + " ".join(str(error).split())
    return "ok"


def serve(make: Callable[[], Server], usage: str) -> int:
    """Be a program: print the URL, obey stdin line by line, end at its end; the exit status."""
    if len(sys.argv) > 1:
        print(usage.strip())
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    leave_on_signals()
    try:
        with make() as server:
            print(server.url, flush=True)
            for line in sys.stdin:
                print(_obey(server.commands(), line.strip()), flush=True)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
