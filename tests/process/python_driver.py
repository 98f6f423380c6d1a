# SPDX-License-Identifier: BSD-3-Clause
"""The main process's side of PROTOCOL.md, to drive the Python runtime without the pool."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Any, Mapping, Sequence

from native_driver import Child, Peer, pack
from native_driver import _inherit as inherit
from support.process import alive, descendants, kill_all, start_time, wait_until
from support.worker import ROOT

SPAWN, JOB, LEAVE, SIGNAL = 1, 2, 3, 4
HELLO, SPAWNED, EXITED, ERROR = 16, 17, 18, 19
READY, STARTED, RESULT = 32, 33, 34
SECONDS = 15.0
CLAIM_PAGE_SIZE = 4096
PACKAGE = Path(os.environ.get("CELERIAC_TEST_PACKAGE", ROOT / "worker/runtime/python/celeriac"))
PYTHON = os.environ.get("CELERIAC_TEST_PYTHON", "/usr/bin/python3")


def write_files(folder: Path, files: Mapping[str, str] | None = None, /,
                **modules: str) -> Path:
    """Write modules, named as files without .py (`package/__init__`); indented as one likes."""
    for name, text in {**(files or {}), **modules}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


class Python:
    """A forkserver with an app, and its children.

    `options` are arguments of the forkserver as celeriac gives them, `environment` is added to
    ours, and what is None there is taken away.
    """

    def __init__(self, app: str, folder: Path, *options: str, loglevel: str = "INFO",
                 environment: Mapping[str, str | None] | None = None,
                 program: Sequence[str] = (PYTHON, str(PACKAGE))) -> None:
        self.log = Path(tempfile.mkdtemp(prefix="celeriac-python-")) / "log"
        ours, theirs = socket.socketpair()
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                [*program, "--parent", str(os.getpid()), "--app", app, "--loglevel", loglevel,
                 "--hostname", "celery@test", *options],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                env=_environment(environment or {}), start_new_session=True,
                preexec_fn=lambda: inherit(theirs.fileno()), close_fds=False)
        theirs.close()
        self.server = Peer(ours)
        self.children: list[Child] = []
        self.description: dict[str, Any] = {}

    def __enter__(self) -> Python:
        try:
            _, self.description = self.server.expect(HELLO, 30)
        except BaseException:
            print(self.read_log())
            self.close()
            raise
        return self

    @property
    def pid(self) -> int:
        """The forkserver's."""
        return self.popen.pid

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in HELLO."""
        return dict(self.description["settings"])

    @property
    def queues(self) -> dict[str, dict[str, Any]]:
        """The queues in HELLO, by name."""
        return {queue["name"]: queue for queue in self.description["queues"]}

    def request_child(self, slot: int = 1, generation: int = 1, *more: int) -> socket.socket:
        """Send SPAWN, with more descriptors behind the socket; our end of that. Without more, a
        runtime that looks ahead gets a claim page that nobody else looks at."""
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as stack:
            if not more and self.description.get("ahead"):
                more = (claim_page(),)
                stack.callback(os.close, more[0])
            socket.send_fds(self.server.sock, [pack(SPAWN, slot, generation)],
                            [theirs.fileno(), *more])
        return ours

    def spawn(self, slot: int = 1, generation: int = 1, *more: int) -> Child:
        """A child that is ready."""
        sock = self.request_child(slot, generation, *more)
        assert (spawned := self.server.expect(SPAWNED))[:2] == [slot, generation]
        child = Child(sock, slot, spawned[2])
        self.children.append(child)
        assert child.expect(READY, SECONDS)[0] > 0
        return child

    def signal(self, name: str, **arguments: Any) -> None:
        """Send SIGNAL."""
        self.server.send(SIGNAL, name, arguments)

    def exited(self, child: Child, seconds: float = SECONDS) -> tuple[int, dict[str, float]]:
        """The wait status and the usage of the child, which must be the next to end."""
        slot, _, pid, status, usage = self.server.expect(EXITED, seconds)
        assert (slot, pid) == (child.slot, child.pid)
        return status, usage

    def error(self, seconds: float = SECONDS) -> str:
        """The text of the ERROR that is all it says; it must leave with status 1."""
        text, = self.server.expect(ERROR, seconds)
        assert self.server.read(seconds) is None
        assert self.wait() == 1
        return str(text)

    def read_log(self) -> str:
        """What was printed so far."""
        return self.log.read_text(errors="replace")

    def wait_log(self, text: str, count: int = 1) -> None:
        """Wait until a text is so many times in the log."""
        wait_until(lambda: self.read_log().count(text) >= count, SECONDS, f"{text!r} in the log")

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit status of the forkserver."""
        return self.popen.wait(seconds)

    def leave(self) -> int:
        """LEAVE for the forkserver; its exit status."""
        self.server.send(LEAVE)
        return self.wait()

    def close(self) -> None:
        """End everything."""
        for peer in [self.server, *self.children]:
            peer.close()
        if self.popen.poll() is None:
            kill_all(descendants(self.pid))
            self.popen.wait(10)
        kill_all({child.pid: start_time(child.pid) for child in self.children
                  if alive(child.pid)})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
        if error is not None:
            print(self.read_log())


def claim_page() -> int:
    """A descriptor of a page that is all zero; the caller closes it."""
    page = os.memfd_create("claims", os.MFD_CLOEXEC)
    os.ftruncate(page, CLAIM_PAGE_SIZE)
    return page


def start_failing(app: str, folder: Path, *options: str, **more: Any) -> str:
    """Start a forkserver that cannot load; the text of its ERROR."""
    runtime = Python(app, folder, *options, **more)
    try:
        return runtime.error(30)
    finally:
        runtime.close()


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Ours, with the changes, and without what a shell may have said to Celery and Python."""
    ours = {key: value for key, value in os.environ.items()
            if not key.startswith("CELERY_") and key != "PYTHONUNBUFFERED"}
    ours["PYTHONDONTWRITEBYTECODE"] = "1"
    ours.update({key: value for key, value in changes.items() if value is not None})
    return {key: value for key, value in ours.items() if changes.get(key, "") is not None}
