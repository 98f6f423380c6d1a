# SPDX-License-Identifier: BSD-3-Clause
"""The main process's side of PROTOCOL.md, to drive celeriac-native without the pool."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Sequence

import msgpack

from support.process import Timeout, alive, descendants, kill_all, wait_until
from support.worker import ROOT, build_folder, example_tasks

SPAWN, JOB, LEAVE = 1, 2, 3
HELLO, SPAWNED, EXITED, ERROR = 16, 17, 18, 19
READY, STARTED, RESULT = 32, 33, 34
PUBLISH, STORE, CHORD = 35, 36, 37
WANT_STARTED, WANT_RSS = 1, 2
SECONDS = 10.0

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG = 36, 1


def pack(*elements: Any) -> bytes:
    """One frame."""
    data = msgpack.packb(list(elements), use_bin_type=True)
    return struct.pack(">I", len(data)) + data


def sigqueue(pid: int, number: int, value: int) -> None:
    """kill() with a value."""
    if _libc.sigqueue(pid, number, ctypes.c_void_p(value)) != 0:
        raise OSError(ctypes.get_errno(), "sigqueue")


class Peer:
    """One end of a socket that speaks frames."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fds: list[int] = []
        self._input = bytearray()

    def send(self, *elements: Any) -> None:
        """Send one frame."""
        self.sock.sendall(pack(*elements))

    def _receive(self, deadline: float, want: str) -> bool:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.sock], [], [], left)[0]:
            raise Timeout(f"no {want} in time")
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 20, 4)
        except ConnectionResetError:
            return False
        self.fds += fds
        self._input += data
        return bool(data)

    def read(self, seconds: float = SECONDS) -> list[Any] | None:
        """The next frame; None at the end of the stream."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self._input) >= 4:
                size, = struct.unpack_from(">I", self._input)
                if len(self._input) >= 4 + size:
                    frame = msgpack.unpackb(self._input[4:4 + size], strict_map_key=False)
                    del self._input[:4 + size]
                    assert isinstance(frame, list)
                    return frame
            if not self._receive(deadline, "frame"):
                assert not self._input, "a part of a frame"
                return None

    def expect(self, kind: int, seconds: float = SECONDS) -> list[Any]:
        """The elements behind the type of the next frame, which must be of this kind."""
        frame = self.read(seconds)
        assert frame is not None, "the peer is gone"
        assert frame[0] == kind, frame
        return frame[1:]

    def close(self) -> None:
        """Close the socket and what came over it."""
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Child(Peer):
    """A child, as the main process sees it."""

    def __init__(self, sock: socket.socket, slot: int, pid: int) -> None:
        super().__init__(sock)
        self.slot = slot
        self.pid = pid
        self._number = 0

    def send_job(self, task: str, *args: Any, flags: int = 0, body: bytes | None = None,
                 embed: Any = None, kwargs: Any = None, number: int | None = None,
                 **request: Any) -> int:
        """Send a JOB; the keyword arguments are added to its request. Its number."""
        self._number = number if number is not None else self._number + 1
        serializer = request.pop("serializer", "json")
        if body is None:
            triple = [list(args), {} if kwargs is None else kwargs, embed]
            body = (json.dumps(triple).encode() if serializer == "json"
                    else msgpack.packb(triple))
        self.send(JOB, self._number, flags, request_of(task, serializer, **request), body)
        return self._number

    def result(self, seconds: float = SECONDS) -> Result:
        """The RESULT of the job that was sent last."""
        sent: list[Sent] = []
        while True:
            frame = self.read(seconds)
            assert frame is not None, "the peer is gone"
            assert frame[0] in (RESULT, PUBLISH, STORE, CHORD), frame
            assert frame[1] == self._number
            if frame[0] == RESULT:
                break
            sent.append(Sent(frame))
        _, _, flags, rss, report, document = frame
        assert flags == 0
        return Result(report, document, rss, sent)

    def run(self, task: str, *args: Any, **options: Any) -> Result:
        """Send a JOB and wait for its RESULT."""
        self.send_job(task, *args, **options)
        return self.result()

    def soft_limit(self, number: int | None = None) -> None:
        """What the main process does when the soft time limit has passed."""
        sigqueue(self.pid, signal.SIGUSR1,
                 (self._number if number is None else number) & 0x7fffffff)


def request_of(task: str, serializer: str = "json", **more: Any) -> dict[str, Any]:
    """A request as the consumer makes it."""
    content = {"json": ("application/json", "utf-8"),
               "msgpack": ("application/x-msgpack", "binary")}[serializer]
    request = {
        "task": task, "id": "5a1e6b1c-0000-4000-8000-000000000001",
        "headers": {"task": task, "id": "5a1e6b1c-0000-4000-8000-000000000001", "retries": 0},
        "properties": {"content_type": content[0], "content_encoding": content[1],
                       "correlation_id": "5a1e6b1c-0000-4000-8000-000000000001",
                       "reply_to": None, "priority": None},
        "delivery_info": {"exchange": "", "routing_key": "celery", "redelivered": False,
                          "priority": None},
        "hostname": "w1@test", "timelimit": [None, None], "ignore_result": False,
        "result_serializer": serializer,
        "accept": ["application/json", "application/x-msgpack"],
    }
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(request.get(key), dict):
            value = {**request[key], **value}
        request[key] = value
    return request


def decode(data: bytes) -> Any:
    """A value in JSON or msgpack."""
    return json.loads(data) if data[:1] in b"{[" else msgpack.unpackb(data)


class Sent:
    """A PUBLISH, STORE or CHORD."""

    def __init__(self, frame: list[Any]) -> None:
        self.kind = frame[0]
        self.frame = frame

    @property
    def message(self) -> dict[str, Any]:
        """PUBLISH: its map."""
        return dict(self.frame[2])

    @property
    def headers(self) -> dict[str, Any]:
        """PUBLISH: the message's headers."""
        return dict(self.frame[2]["headers"])

    @property
    def task(self) -> str:
        """PUBLISH: the task that is called."""
        return str(self.headers["task"])

    @property
    def body(self) -> Any:
        """PUBLISH: the decoded body."""
        return decode(self.frame[3])

    @property
    def meta(self) -> dict[str, Any]:
        """STORE: the decoded document."""
        return dict(decode(self.frame[4]))


class Result:
    """The RESULT of a job, and what was sent before it."""

    def __init__(self, report: dict[str, Any], document: bytes, rss: int,
                 sent: Sequence[Sent] = ()) -> None:
        self.sent = list(sent)
        self.report = report
        self.document = document
        self.rss = rss

    @property
    def state(self) -> str:
        """SUCCESS, FAILURE, UNDECODABLE or INVALID."""
        return str(self.report["state"])

    @property
    def meta(self) -> dict[str, Any]:
        """The decoded result document."""
        return dict(decode(self.document))

    @property
    def published(self) -> list[Sent]:
        """The messages."""
        return [one for one in self.sent if one.kind == PUBLISH]

    @property
    def stored(self) -> list[Sent]:
        """The states."""
        return [one for one in self.sent if one.kind == STORE]

    @property
    def value(self) -> Any:
        """What the task has returned."""
        assert self.state == "SUCCESS", self.report
        return self.meta["result"]

    @property
    def error(self) -> str:
        """module.Type: message"""
        assert self.state == "FAILURE", self.report
        exception = self.meta["result"]
        return f"{exception['exc_module']}.{exception['exc_type']}: " \
               + ", ".join(map(str, exception["exc_message"]))

    @property
    def part(self) -> list[Any]:
        """The member of a chord that the result is."""
        return list(decode(self.report["chord"]["member"]))


class Native:
    """celeriac-native with a library, and its children."""

    def __init__(self, library: str | Path | None = None, loglevel: str = "INFO",
                 program: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="celeriac-native-"))
        self.log = self.folder / "log"
        ours, theirs = socket.socketpair()
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                [*program, str(build_folder() / "celeriac-native"), "--parent", str(os.getpid()),
                 "--loglevel", loglevel, str(library or example_tasks())],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=lambda: _inherit(theirs.fileno()), close_fds=False)
        theirs.close()
        self.server = Peer(ours)
        self.children: list[Child] = []
        self.description: dict[str, Any] = {}

    def __enter__(self) -> Native:
        _, self.description = self.server.expect(HELLO, 30)
        return self

    @property
    def pid(self) -> int:
        """The forkserver's."""
        return self.popen.pid

    def request_child(self, slot: int = 1, generation: int = 1, *more: int) -> socket.socket:
        """Send SPAWN, with more descriptors behind the socket; our end of that."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.server.sock, [pack(SPAWN, slot, generation)],
                            [theirs.fileno(), *more])
        return ours

    def spawn(self, slot: int = 1, generation: int = 1, *more: int) -> Child:
        """A child that is ready."""
        sock = self.request_child(slot, generation, *more)
        assert (spawned := self.server.expect(SPAWNED))[:2] == [slot, generation]
        child = Child(sock, slot, spawned[2])
        self.children.append(child)
        assert child.expect(READY)[0] > 0
        return child

    def exited(self, child: Child, seconds: float = SECONDS) -> tuple[int, dict[str, float]]:
        """The wait status and the usage of the child, which must be the next to end."""
        slot, _, pid, status, usage = self.server.expect(EXITED, seconds)
        assert (slot, pid) == (child.slot, child.pid)
        return status, usage

    def read_log(self) -> str:
        """What was printed so far."""
        return self.log.read_text(errors="replace")

    def wait_log(self, text: str) -> None:
        """Wait for a text in the log."""
        wait_until(lambda: text in self.read_log(), SECONDS, f"{text!r} in the log")

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit status of the forkserver."""
        return self.popen.wait(seconds)

    def close(self) -> None:
        """End everything."""
        pids = [child.pid for child in self.children if alive(child.pid)]
        for peer in [self.server, *self.children]:
            peer.close()
        if self.popen.returncode is None:
            kill_all(descendants(self.pid))
            self.popen.wait(10)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
        if error is not None:
            print(self.read_log())
        log = self.read_log()
        assert "Sanitizer" not in log and "runtime error" not in log, log


def _inherit(fd: int) -> None:
    """In the new process: the socket becomes descriptor 3; all others are close-on-exec."""
    if fd == 3:
        os.set_inheritable(3, True)
    else:
        os.dup2(fd, 3)


def be_subreaper(flag: bool) -> None:
    """Inherit orphans of our descendants, as the main process does."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, int(flag), 0, 0, 0)


def sanitized() -> bool:
    """True if the build has AddressSanitizer, which makes processes large."""
    return b"__asan_init" in (build_folder() / "celeriac-native").read_bytes()


def compile_library(source: str | Path, folder: Path, *flags: str, compiler: str = "cc") -> Path:
    """Build a task library as a user would; source is a file or C text."""
    if isinstance(source, str):
        path = folder / ("tasks.cpp" if compiler == "c++" else "tasks.c")
        path.write_text(source)
        source = path
    library = folder / f"lib{source.stem}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
                    f"-I{ROOT / 'include'}", *flags, "-o", str(library), str(source)], check=True)
    return library
