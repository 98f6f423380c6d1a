# SPDX-License-Identifier: BSD-3-Clause
"""The life of the native runtime's processes, as PROTOCOL.md has it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from native_driver import (JOB, LEAVE, READY, RESULT, SPAWNED, STARTED, WANT_STARTED, Child,
                           Native, be_subreaper, compile_library, pack, request_of, sanitized,
                           sigqueue)
from support.process import alive, descendants, wait_until
from support.worker import TESTS, build_folder, example_tasks

API = Path(__file__).with_name("native_api_tasks.c")
SECONDS = 10.0
DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


@pytest.fixture
def native() -> Iterator[Native]:
    """A forkserver with the example tasks."""
    with Native() as one:
        yield one


@pytest.fixture(scope="module")
def api_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tasks of native_api_tasks.c."""
    return compile_library(API, tmp_path_factory.mktemp("api"))


@pytest.fixture
def api(api_library: Path) -> Iterator[Native]:
    """A forkserver with the tasks of native_api_tasks.c."""
    with Native(api_library) as one:
        yield one


@pytest.fixture
def subreaper() -> Iterator[None]:
    """We inherit orphans, as the main process does."""
    be_subreaper(True)
    yield
    be_subreaper(False)


def status_field(pid: int, name: str) -> str:
    """A field of /proc/PID/status."""
    match = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert match
    return match[1]


def ignored(pid: int, number: int) -> bool:
    """True if the process ignores the signal."""
    return bool(int(status_field(pid, "SigIgn"), 16) >> (number - 1) & 1)


def caught(pid: int, number: int) -> bool:
    """True if the process has a handler for the signal."""
    return bool(int(status_field(pid, "SigCgt"), 16) >> (number - 1) & 1)


def stop(native: Native) -> int:
    """LEAVE for the forkserver; its exit status."""
    native.server.send(LEAVE)
    return native.wait()


# --- children ---

def test_spawned_names_slot_generation_pid_and_pidfd(native: Native) -> None:
    child = native.spawn(slot=3, generation=9)
    assert os.getsid(child.pid) == child.pid
    assert int(status_field(child.pid, "PPid")) == native.pid
    pidfd, = native.server.fds
    assert f"Pid:\t{child.pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    assert Path(f"/proc/{child.pid}/cmdline").read_bytes().rstrip(b"\0") == \
        b"celeriac: ForkPoolWorker-3"
    assert Path(f"/proc/{child.pid}/comm").read_text() == "celeriac-w3\n"


def test_several_spawns_in_one_go_get_their_own_sockets(native: Native) -> None:
    socks = [native.request_child(slot, 1) for slot in range(1, 9)]
    for slot, sock in enumerate(socks, 1):
        spawned = native.server.expect(SPAWNED)
        assert spawned[:2] == [slot, 1]
        child = Child(sock, slot, spawned[2])
        native.children.append(child)
        child.expect(READY)
        assert child.run("example.pid").value == child.pid
    assert len({child.pid for child in native.children}) == 8


def test_child_holds_no_descriptor_that_is_not_its_own(native: Native) -> None:
    first, second = native.spawn(1), native.spawn(2)
    inodes = []
    for child in (first, second):
        links = [os.readlink(f"/proc/{child.pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{child.pid}/fd") if int(fd) > 2]
        sockets = [link for link in links if link.startswith("socket:")]
        assert len(sockets) == 1
        assert not [link for link in links if "signalfd" in link or "pidfd" in link]
        inodes += sockets
    assert inodes[0] != inodes[1]


def test_leave_ends_a_child_with_status_0(native: Native) -> None:
    child = native.spawn()
    child.send(LEAVE)
    status, usage = native.exited(child)
    assert status == 0
    assert usage["maxrss"] > 0 and usage["utime"] >= 0 and usage["stime"] >= 0
    assert child.read() is None


def test_end_of_its_socket_ends_a_child_with_status_0(native: Native) -> None:
    child = native.spawn()
    child.sock.close()
    assert native.exited(child)[0] == 0


def test_task_ends_before_its_child_leaves(native: Native, tmp_path: Path) -> None:
    child = native.spawn()
    child.send_job("example.sleep", 0.2)
    child.send(LEAVE)
    assert child.result().value == 0.2
    assert native.exited(child)[0] == 0


def test_usage_counts_cpu_time(native: Native) -> None:
    child = native.spawn()
    child.run("example.burn", 0.2)
    child.send(LEAVE)
    _, usage = native.exited(child)
    assert usage["utime"] + usage["stime"] >= 0.2


def test_exit_and_crash_are_reported_as_they_are(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.exit", 3)
    assert os.waitstatus_to_exitcode(native.exited(child)[0]) == 3
    assert child.read() is None
    child = native.spawn(generation=2)
    child.send_job("example.crash")
    assert os.WTERMSIG(native.exited(child)[0]) == signal.SIGSEGV


def test_exit_of_the_c_library_ends_the_child_only(api: Native) -> None:
    child = api.spawn()
    child.send_job("api.exit")
    assert os.waitstatus_to_exitcode(api.exited(child)[0]) == 7
    assert api.spawn(generation=2).run("api.silent").state == "FAILURE"


def test_broken_frame_ends_the_child_with_an_error(native: Native) -> None:
    child = native.spawn()
    child.sock.sendall(b"\0\0\0\x01\xc0")
    assert child.read()[0] == 19
    assert os.waitstatus_to_exitcode(native.exited(child)[0]) == 1


def test_started_comes_first_and_only_when_asked_for(native: Native) -> None:
    child = native.spawn()
    number = child.send_job("example.sleep", 0.1, flags=WANT_STARTED)
    assert child.expect(STARTED) == [number]
    assert child.result().value == 0.1
    child.send_job("example.add", body=b"broken", flags=WANT_STARTED)
    assert child.result().state == "UNDECODABLE"


def test_jobs_in_pieces_are_put_together(native: Native) -> None:
    child = native.spawn()
    frame = pack(JOB, 1, 0, request_of("example.add"), b"[[20, 22], {}, null]")
    for start in range(0, len(frame), 97):
        child.sock.sendall(frame[start:start + 97])
    assert child.expect(RESULT)[0] == 1


# --- signals ---

def test_signals_for_the_group_do_not_reach_tasks(native: Native) -> None:
    child = native.spawn()
    for number in DEAF_TO:
        assert caught(child.pid, number) and caught(native.pid, number)
        os.kill(child.pid, number)
        os.kill(native.pid, number)
    assert child.run("example.add", 1, 2).value == 3
    assert native.spawn(2).run("example.pid").state == "SUCCESS"


def test_signals_for_the_group_do_not_end_a_system_call(api: Native) -> None:
    child = api.spawn()
    child.send_job("api.read", flags=WANT_STARTED)
    child.expect(STARTED)
    wait_until(lambda: status_field(child.pid, "State").startswith("S"), SECONDS, "read")
    for number in DEAF_TO:
        os.kill(child.pid, number)
    assert child.result().value == "read"


def test_a_sleep_of_ours_goes_on_after_a_signal(native: Native) -> None:
    child = native.spawn()
    begin = time.monotonic()
    child.send_job("example.sleep", 0.5, flags=WANT_STARTED)
    child.expect(STARTED)
    wait_until(lambda: status_field(child.pid, "State").startswith("S"), SECONDS, "sleep")
    for number in DEAF_TO:
        os.kill(child.pid, number)
    assert child.result().value == 0.5
    assert time.monotonic() - begin >= 0.5


def test_programs_that_a_task_starts_die_of_signals(api: Native) -> None:
    child = api.spawn()
    for number in DEAF_TO:
        assert child.run("api.program", f"kill -{int(number)} $$; exit 5").value == -number


def test_a_write_to_nobody_is_an_error(api: Native) -> None:
    assert api.spawn().run("api.pipe").value == "Broken pipe"


def test_inherited_dispositions_and_masks_are_reset() -> None:
    shell = ["/usr/bin/python3", "-c",
             "import os, signal, sys\n"
             "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
             "signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n"
             "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n"
             "os.execv(sys.argv[1], sys.argv[1:])"]
    with Native(program=shell) as native:
        child = native.spawn()
        assert int(status_field(child.pid, "SigBlk"), 16) == 0
        assert not ignored(child.pid, signal.SIGCHLD)
        assert not ignored(child.pid, signal.SIGUSR2)
        child.send(LEAVE)
        assert native.exited(child)[0] == 0


def test_soft_limit_ends_a_sleep(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.sleep", 60, flags=WANT_STARTED)
    child.expect(STARTED)
    child.soft_limit()
    result = child.result()
    assert result.error == "billiard.exceptions.SoftTimeLimitExceeded: "
    assert result.meta["result"]["exc_message"] == []
    assert result.report["exception"] == "SoftTimeLimitExceeded()"


def test_soft_limit_ends_a_loop_that_asks(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.burn", 60, flags=WANT_STARTED)
    child.expect(STARTED)
    child.soft_limit()
    assert child.result().error.startswith("billiard.exceptions.SoftTimeLimitExceeded")


def test_soft_limit_ends_a_system_call(api: Native) -> None:
    child = api.spawn()
    child.send_job("api.wait", flags=WANT_STARTED)
    child.expect(STARTED)
    wait_until(lambda: status_field(child.pid, "State").startswith("S"), SECONDS, "sleep")
    child.soft_limit()
    assert child.result().value == "interrupted"


def test_soft_limit_comes_between_started_and_sleep_without_a_gap(native: Native) -> None:
    child = native.spawn()
    for _ in range(200):
        child.send_job("example.sleep", 60, flags=WANT_STARTED)
        child.expect(STARTED)
        child.soft_limit()
        assert child.result().state == "FAILURE"


def test_soft_limit_of_another_job_is_ignored(native: Native) -> None:
    child = native.spawn()
    number = child.send_job("example.sleep", 0.3, flags=WANT_STARTED)
    child.expect(STARTED)
    child.soft_limit(number + 1)
    child.soft_limit(number - 1)
    os.kill(child.pid, signal.SIGUSR1)
    assert child.result().value == 0.3


def test_soft_limit_for_an_idle_child_is_ignored(native: Native) -> None:
    child = native.spawn()
    child.run("example.noop")
    child.soft_limit()
    os.kill(child.pid, signal.SIGUSR1)
    sigqueue(child.pid, signal.SIGUSR1, -1)
    assert child.run("example.sleep", 0.05).value == 0.05


def test_soft_limit_compares_the_low_31_bits(native: Native) -> None:
    child = native.spawn()
    number = 0x5_8000_0007
    child.send_job("example.sleep", 60, flags=WANT_STARTED, number=number)
    child.expect(STARTED)
    child.soft_limit()
    assert child.result().state == "FAILURE"


def test_task_may_survive_its_soft_limit(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.ignore_usr1", 0.3, flags=WANT_STARTED)
    child.expect(STARTED)
    child.soft_limit()
    result = child.result()
    assert result.value == 0.3 and result.report["runtime"] >= 0.3


# --- the forkserver ---

def test_killed_child_takes_its_process_group_along(api: Native) -> None:
    child = api.spawn()
    child.send_job("api.forever", flags=WANT_STARTED)
    child.expect(STARTED)
    family = wait_until(lambda: len(tree := descendants(child.pid)) == 2 and tree, SECONDS,
                        "grandchild")
    os.kill(child.pid, signal.SIGKILL)
    assert os.WTERMSIG(api.exited(child)[0]) == signal.SIGKILL
    wait_until(lambda: not any(alive(pid) for pid in family), SECONDS, "end of the group")


def test_leave_waits_for_the_children(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.sleep", 0.3)
    native.server.send(LEAVE)
    assert child.result().value == 0.3
    child.send(LEAVE)
    assert native.exited(child)[0] == 0
    assert native.wait() == 0


def test_leave_without_children_ends_at_once(native: Native) -> None:
    assert stop(native) == 0
    assert native.server.read() is None


def test_end_of_its_socket_ends_the_forkserver(native: Native) -> None:
    child = native.spawn()
    native.server.sock.close()
    child.send(LEAVE)
    assert native.wait() == 0


def test_spawn_without_a_socket_breaks_the_protocol(native: Native) -> None:
    native.server.send(1, 1, 1)
    assert native.server.read() == [19, "SPAWN came without a socket"]
    assert native.wait() == 1


@pytest.mark.parametrize("frame", [b"\0\0\0\x01\xc0", b"\xff\xff\xff\xff", b"\0\0\0\x02\x91\x63"])
def test_broken_frame_ends_the_forkserver_with_an_error(native: Native, frame: bytes) -> None:
    native.server.sock.sendall(frame)
    error = native.server.read()
    assert error and error[0] == 19 and error[1]
    assert native.wait() == 1


def test_output_before_the_fork_is_written_once(tmp_path: Path) -> None:
    library = compile_library("""
        #include <celeriac/task.h>
        #include <stdio.h>
        static int run(struct celeriac_task *task) { return celeriac_return_none(task); }
        __attribute__((constructor)) static void loaded(void) { printf("loaded once;"); }
        CELERIAC_TASKS({.name = "t", .run = run})""", tmp_path)
    with Native(library) as native:
        for slot in (1, 2):
            child = native.spawn(slot)
            child.run("t")
            child.send(LEAVE)
            native.exited(child)
        stop(native)
        assert native.read_log().count("loaded once;") == 1


def test_forkserver_is_slim(native: Native) -> None:
    child = native.spawn()
    child.run("example.noop")
    rollup = Path(f"/proc/{child.pid}/smaps_rollup").read_text()
    private = sum(int(number) for number in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.M))
    assert private < 2048 or sanitized()
    assert len(os.listdir(f"/proc/{native.pid}/task")) == 1


# --- deaths ---

def test_child_ends_with_its_forkserver_if_nobody_inherits_it(native: Native) -> None:
    child = native.spawn()
    child.send_job("example.sleep", 60, flags=WANT_STARTED)
    child.expect(STARTED)
    os.kill(native.pid, signal.SIGKILL)
    assert child.read() is None
    wait_until(lambda: not alive(child.pid), SECONDS, "end of the child")


def test_child_goes_on_when_only_the_forkserver_dies(native: Native, subreaper: None) -> None:
    child = native.spawn()
    child.send_job("example.ignore_usr1", 0.5, flags=WANT_STARTED)
    child.expect(STARTED)
    os.kill(native.pid, signal.SIGKILL)
    native.wait()
    assert child.result().value == 0.5
    assert int(status_field(child.pid, "PPid")) == os.getpid()
    assert child.run("example.add", 1, 2).value == 3
    child.send(LEAVE)
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0


LATE = """
#include <celeriac/task.h>
#include <pthread.h>
#include <unistd.h>
static pid_t forkserver;
static int run(struct celeriac_task *task) { return celeriac_return_int(task, getppid()); }
/* Between fork and the first line of the child: as long as the forkserver lives, at most 10 s. */
static void wait_for_its_end(void)
{
    for (int i = 0; i < 10000 && getppid() == forkserver; i++)
        usleep(1000);
}
__attribute__((constructor)) static void loaded(void)
{
    forkserver = getpid();
    pthread_atfork(NULL, NULL, wait_for_its_end);
}
CELERIAC_TASKS({.name = "t", .run = run})"""


def late_child(native: Native) -> Child:
    """A child whose forkserver has died before it could ask for the news of that."""
    sock = native.request_child()
    child = Child(sock, 1, native.server.expect(SPAWNED)[2])
    native.children.append(child)
    os.kill(native.pid, signal.SIGKILL)
    native.wait()
    return child


def test_death_of_the_forkserver_right_after_the_fork_is_not_missed(tmp_path: Path) -> None:
    with Native(compile_library(LATE, tmp_path)) as native:
        child = late_child(native)
        assert child.read() is None
        wait_until(lambda: not alive(child.pid), SECONDS, "end of the child")


def test_child_inherited_right_after_the_fork_goes_on(tmp_path: Path, subreaper: None) -> None:
    with Native(compile_library(LATE, tmp_path)) as native:
        child = late_child(native)
        child.expect(READY)
        assert child.run("t").value == os.getpid()
        child.send(LEAVE)
        assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0


MAIN = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from native_driver import *
be_subreaper(True)
native = Native().__enter__()
child = native.spawn()
if sys.argv[3] == "orphan":
    os.kill(native.pid, signal.SIGKILL)
    native.wait()
child.send_job("example.sleep", 60, flags=WANT_STARTED)
child.expect(STARTED)
print(native.pid, child.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("how", ["family", "orphan"])
def test_everybody_dies_with_the_main_process(how: str) -> None:
    main = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(TESTS), str(Path(__file__).parent), how],
        stdout=subprocess.PIPE, text=True)
    try:
        assert main.stdout
        pids = [int(word) for word in main.stdout.readline().split()]
        assert len(pids) == 2 and alive(pids[1])
        main.send_signal(signal.SIGKILL)
        main.wait(10)
        wait_until(lambda: not any(alive(pid) for pid in pids), SECONDS, "end of the family")
    finally:
        main.kill()
        main.wait(10)


def test_forkserver_whose_parent_is_another_one_leaves() -> None:
    program = subprocess.run(
        ["bash", "-c", 'exec "$@" 3<>/dev/null', "-", str(build_folder() / "celeriac-native"),
         "--parent", "1", str(example_tasks())], timeout=10, check=False)
    assert program.returncode == 1


# --- the command line ---

@pytest.mark.parametrize("arguments", [
    [], ["x.so"], ["--parent", "x", "x.so"], ["--parent", "0", "x.so"],
    ["--parent", "5", "--loglevel", "LOUD", "x.so"], ["--parent", "5"],
    ["--parent", "5", "x.so", "y.so"], ["--parent", "5", "x.so"], ["--nonsense"]])
def test_wrong_use_is_explained(arguments: list[str]) -> None:
    program = subprocess.run([str(build_folder() / "celeriac-native"), *arguments], text=True,
                             capture_output=True, timeout=10, check=False)
    assert program.returncode == 2
    assert "Usage: celeriac-native --parent PID" in program.stderr


def test_start_to_first_result_takes_milliseconds() -> None:
    start = time.monotonic()
    with Native() as native:
        native.spawn().run("example.noop")
        assert time.monotonic() - start < 5
