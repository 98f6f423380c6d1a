# SPDX-License-Identifier: BSD-3-Clause
"""Starting and ending programs, waiting with a deadline, and reading /proc about them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Callable, Mapping, Sequence, TypeVar

PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2
# Set in the environment of what we start, so that orphans are still known as ours.
MARK = "CELERIAC_TEST_PROCESS"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class Timeout(Exception):
    """A thing that was waited for did not come in time."""


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def leave_on_signals() -> None:
    """Make SIGTERM and SIGHUP an exit that cleans up, as Ctrl-C is one."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has bound at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def wait_until(check: Callable[[], T | None], seconds: float, what: str, pause: float = 0.02) -> T:
    """Call check until it returns something true, and return that; Timeout after seconds."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Timeout(f"no {what} within {seconds:g} s")
        time.sleep(pause)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program in a session of its own, which is killed with us and as a whole group.

    Output goes to a file. The kernel kills the program when the thread that started it ends,
    so start programs from the main thread only.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None,
                 cwd: Path | None = None) -> None:
        self.argv = [str(arg) for arg in argv]
        self.log = log
        self._mark = uuid.uuid4().hex
        environment = {**(os.environ if env is None else env), MARK: self._mark}
        with open(log, "ab") as output:
            self._popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment, cwd=cwd, start_new_session=True,
                preexec_fn=_die_with_parent)

    @property
    def pid(self) -> int:
        """The process id, which stays ours until the process has been waited for."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit status if it has ended (negative: the signal), else None."""
        return self._popen.poll()

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, if it still runs."""
        self._popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit status."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} (pid {self.pid}) still runs after {seconds:g} s") \
                from None

    def kill(self) -> None:
        """Kill the process and all it has started, orphans too, and reap it."""
        if self._popen.returncode is None:
            kill_all(descendants(self.pid))
            self._popen.wait(10)
        kill_all(_marked(self._mark))

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, and after seconds SIGKILL; nothing is left afterwards. The exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except Timeout:
            return -signal.SIGKILL
        finally:
            self.kill()

    def read_log(self) -> str:
        """Everything that the program has printed so far."""
        return self.log.read_text(errors="replace")


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the name may hold spaces."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2:].split()


def start_time(pid: int) -> int:
    """When the process was started, in ticks since boot: tells a reused pid apart. 0: gone."""
    try:
        return int(_stat_fields(pid)[19])
    except (OSError, ValueError):
        return 0


def _parents() -> dict[int, int]:
    result = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                result[int(entry)] = int(_stat_fields(int(entry))[1])
            except (OSError, ValueError):
                continue
    return result


def descendants(pid: int) -> dict[int, int]:
    """The process and all its living descendants, as pid: start time."""
    parents = _parents()
    found, frontier = {pid}, {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return {one: started for one in found if (started := start_time(one))}


def _marked(mark: str) -> dict[int, int]:
    """The living processes that carry the mark, as pid: start time."""
    needle = f"{MARK}={mark}".encode()
    found = {}
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and needle in Path(f"/proc/{entry}/environ").read_bytes():
                found[int(entry)] = start_time(int(entry))
        except OSError:
            continue
    return found


def kill_all(tree: Mapping[int, int]) -> None:
    """SIGKILL each process that still is the one which was seen."""
    for pid, started in tree.items():
        if start_time(pid) == started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def is_zombie(pid: int) -> bool:
    """True for a process that has ended and was not reaped yet."""
    try:
        return _stat_fields(pid)[0] == "Z"
    except OSError:
        return False


def alive(pid: int) -> bool:
    """True while the process exists and is not a zombie."""
    return start_time(pid) != 0 and not is_zombie(pid)


def _cpu_clock(pid: int) -> int:
    """The clock of another process's CPU time, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | CPUCLOCK_SCHED


def cpu_seconds(pid: int) -> float:
    """CPU time of the process, its living descendants and all children they have reaped."""
    total = 0.0
    for one in descendants(pid):
        try:
            reaped = sum(int(field) for field in _stat_fields(one)[13:15])
            total += time.clock_gettime(_cpu_clock(one)) + reaped / TICKS_PER_SECOND
        except OSError:
            continue
    return total


def pss_bytes(pid: int) -> int:
    """Proportional set size of the process and its living descendants."""
    total = 0
    for one in descendants(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024
