# SPDX-License-Identifier: BSD-3-Clause
"""The life of a Python child, and what tasks may do to it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Iterator

import pytest

from native_driver import (JOB, LEAVE, RESULT, STARTED, WANT_RSS, WANT_STARTED, be_subreaper,
                           pack, request_of)
from python_child import SECONDS, Kid, Runtime
from python_driver import ERROR
from support.process import alive, wait_until
from test_native_process import caught, ignored, status_field

DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(scope="module", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("runtime")) as runtime:
        yield runtime


@pytest.fixture(name="kid")
def _kid(runtime: Runtime) -> Iterator[Kid]:
    kid = runtime.kid()
    yield kid
    if alive(kid.pid):
        kid.send(LEAVE)
        runtime.exited(kid)
    kid.close()


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Iterator[Runtime]:
    """A forkserver to kill; we inherit its children, as the main process does."""
    be_subreaper(True)
    with Runtime(tmp_path) as runtime:
        yield runtime
    be_subreaper(False)


def status_of(runtime: Runtime, kid: Kid) -> int:
    """The exit status, or minus the signal."""
    return os.waitstatus_to_exitcode(runtime.exited(kid)[0])


# --- birth and death ---

def test_child_is_one_of_celerys(runtime: Runtime) -> None:
    kid = runtime.kid(3)
    kid.run("process")
    stored = runtime.stored(kid.id)
    assert stored is not None
    assert stored["result"] == ["ForkPoolWorker-3", 2, kid.pid, kid.pid]
    assert f"process_init {kid.pid}" in runtime.notes()


def test_child_is_a_daemon_without_processes_of_its_own(kid: Kid) -> None:
    assert "daemonic processes are not allowed to have children" in \
        kid.run("children").report["exception"]


def test_child_has_one_socket_and_it_is_close_on_exec(kid: Kid) -> None:
    folder = Path(f"/proc/{kid.pid}/fd")
    sockets = [fd for fd in folder.iterdir() if os.readlink(fd).startswith("socket:")]
    assert len(sockets) == 1
    flags = (folder.parent / "fdinfo" / sockets[0].name).read_text()
    assert int(flags.split("flags:")[1].split()[0], 8) & os.O_CLOEXEC


def test_leave_ends_it_with_status_0(runtime: Runtime) -> None:
    kid = runtime.kid()
    kid.send(LEAVE)
    assert kid.read() is None
    assert status_of(runtime, kid) == 0
    assert f"process_shutdown {kid.pid} 0" in runtime.notes()


def test_end_of_its_socket_ends_it_with_status_0(runtime: Runtime) -> None:
    kid = runtime.kid()
    kid.sock.close()
    assert status_of(runtime, kid) == 0
    assert f"process_shutdown {kid.pid} 0" in runtime.notes()


def test_main_process_that_goes_away_lets_the_task_end(runtime: Runtime) -> None:
    kid = runtime.kid()
    kid.send_job("sleep", 0.2, flags=WANT_STARTED)
    kid.expect(STARTED)
    kid.sock.close()
    assert status_of(runtime, kid) == 0
    stored = runtime.stored(kid.id)
    assert stored is not None and stored["status"] == "SUCCESS"


def test_jobs_before_leave_are_done(runtime: Runtime) -> None:
    kid = runtime.kid()
    kid.send_job("sleep", 0.1)
    kid.send_job("noop")
    kid.send(LEAVE)
    assert kid.expect(RESULT)[0] == 1
    assert kid.expect(RESULT)[0] == 2
    assert status_of(runtime, kid) == 0


@pytest.mark.parametrize("frame", [pack(99), pack(JOB, 1, 0), b"\0\0\0\x01\xc1",
                                   b"\xff\xff\xff\xff"])
def test_broken_protocol_is_told(runtime: Runtime, frame: bytes) -> None:
    kid = runtime.kid()
    kid.sock.sendall(frame)
    text, = kid.expect(ERROR)
    assert "broke the protocol" in text
    assert status_of(runtime, kid) == 1


@pytest.mark.parametrize("task,args,status", [
    ("leave", [3], 3), ("leave", [None], 0), ("leave", ["a reason"], 1), ("leave", [-1], 255),
    ("interrupt", [], 0)])
def test_task_may_end_its_child(runtime: Runtime, task: str, args: list[object],
                                status: int) -> None:
    kid = runtime.kid()
    kid.send_job(task, *args)
    assert kid.read() is None
    assert status_of(runtime, kid) == status
    assert f"process_shutdown {kid.pid} {status}" in runtime.notes()


def test_end_of_the_socket_is_the_end_of_the_process(runtime: Runtime) -> None:
    """Who kills a child at the end of its socket, as the main process does, learns its status."""
    kid = runtime.kid()
    kid.send_job("leave_slowly", 3)
    assert kid.read() is None
    with contextlib.suppress(ProcessLookupError):  # the forkserver may have reaped it
        os.kill(kid.pid, signal.SIGKILL)
    assert status_of(runtime, kid) == 3


@pytest.mark.parametrize("option, jobs, told", [
    ("--max-tasks-per-child=2", 2, 155), ("--max-tasks-per-child=2", 1, 0),
    ("--max-memory-per-child=1000", 1, 155), ("--max-memory-per-child=100000000", 1, 0)])
def test_worn_out_child_is_told_as_celerys(tmp_path: Path, option: str, jobs: int,
                                           told: int) -> None:
    with Runtime(tmp_path, option) as runtime:
        kid = runtime.kid()
        for _ in range(jobs):
            kid.run("noop")
        kid.send(LEAVE)
        assert status_of(runtime, kid) == 0
        assert f"process_shutdown {kid.pid} {told}" in runtime.notes()


# --- signals and parents ---

def test_signals_for_the_group_do_not_reach_tasks(kid: Kid) -> None:
    for number in DEAF_TO:
        assert caught(kid.pid, number)
        assert not ignored(kid.pid, number)
    kid.send_job("sleep", 0.3, flags=WANT_STARTED)
    kid.expect(STARTED)
    for number in DEAF_TO:
        os.kill(kid.pid, number)
    assert kid.result().report["result"] == "'slept'"


def test_program_of_a_task_dies_of_signals(runtime: Runtime, kid: Kid) -> None:
    for number in (*DEAF_TO, signal.SIGUSR1, signal.SIGCHLD):
        kid.run("program", "sleep", "60")
        stored = runtime.stored(kid.id)
        assert stored is not None
        pid = stored["result"]
        assert not ignored(pid, number)
        os.kill(pid, signal.SIGTERM if number == signal.SIGCHLD else number)
        assert kid.run("wait_program").report["result"] == \
            str(-(signal.SIGTERM if number == signal.SIGCHLD else number))


def test_child_outlives_its_forkserver(own: Runtime) -> None:
    kid = own.kid()
    kid.send_job("sleep", 0.3, flags=WANT_STARTED)
    kid.expect(STARTED)
    own.popen.kill()
    own.popen.wait()
    assert kid.result().report["result"] == "'slept'"
    assert kid.run("pdeathsig").report["result"] == str(int(signal.SIGKILL))
    assert int(status_field(kid.pid, "PPid")) == os.getpid()
    kid.send(LEAVE)
    assert os.waitpid(kid.pid, 0)[1] == 0


def test_child_does_not_outlive_forkserver_and_main_process(tmp_path: Path) -> None:
    """Without a subreaper the child's new parent is none of ours, as if we had died too."""
    with Runtime(tmp_path) as runtime:
        kid = runtime.kid()
        kid.send_job("sleep", 60, flags=WANT_STARTED)
        kid.expect(STARTED)
        runtime.popen.kill()
        runtime.popen.wait()
        wait_until(lambda: not alive(kid.pid), SECONDS, "death of the child")


# --- what tasks do ---

@pytest.mark.parametrize("status", [None, 5])
def test_forked_process_that_comes_back_is_silent(runtime: Runtime, kid: Kid,
                                                  status: int | None) -> None:
    before = [line for line in runtime.notes() if line.startswith("process_shutdown")]
    assert kid.run("fork", status).report["result"] == str(status or 0)
    assert kid.run("add", 2, 3).report["result"] == "5"
    assert [line for line in runtime.notes() if line.startswith("process_shutdown")] == before


def test_task_may_make_a_mess(runtime: Runtime, tmp_path: Path) -> None:
    kid = runtime.kid()
    assert kid.run("make_a_mess", str(tmp_path)).state == "SUCCESS"
    assert kid.run("add", 2, 3, flags=WANT_RSS).report["result"] == "5"
    kid.send(LEAVE)
    assert status_of(runtime, kid) == 0


def test_task_may_close_what_it_did_not_open(kid: Kid) -> None:
    assert kid.run("close_files").state == "SUCCESS"
    assert kid.run("add", 2, 3).report["result"] == "5"


# --- an app that is imported in each child ---

def test_child_imports_the_app_itself_if_told_to(tmp_path: Path) -> None:
    with Runtime(tmp_path, "--no-preload") as runtime:
        kid = runtime.kid()
        assert kid.run("add", 2, 3).report["result"] == "5"
        stored = runtime.stored(kid.id)
        assert stored is not None and stored["result"] == 5
        runtime.wait_log(f"[{kid.id}] succeeded in")


# --- long life ---

@pytest.mark.timeout(300)
def test_memory_stays_flat_over_100_000_jobs(tmp_path: Path) -> None:
    with Runtime(tmp_path, loglevel="WARNING") as runtime:
        kid = runtime.kid()
        run_many(kid, 20_000)
        begin = kid.run("noop", flags=WANT_RSS).rss
        run_many(kid, 100_000)
        assert kid.run("noop", flags=WANT_RSS).rss - begin < 512


def run_many(kid: Kid, count: int) -> None:
    """So many jobs, sixteen at a time."""
    body = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
    frame = pack(JOB, 1, 0, request_of("python_child_app.quiet"), body)
    for _ in range(count // 16):
        for _ in range(16):
            kid.stage()
        kid.sock.sendall(frame * 16)
        answers = b""
        while answers.count(b"\xa7SUCCESS") < 16:
            assert (more := kid.sock.recv(65536))
            answers += more
