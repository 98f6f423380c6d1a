# SPDX-License-Identifier: BSD-3-Clause
"""The life of the Python runtime's forkserver, as PROTOCOL.md has it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from native_driver import Child
from python_driver import ERROR, EXITED, LEAVE, PACKAGE, PYTHON, READY, Python
from support.process import alive, wait_until

SECONDS = 15.0
APP = """
import gc, os, signal, subprocess, sys, time
from celery import Celery
app = Celery("proj", broker="amqp://")

@app.task
def evaluate(text):
    return repr(eval(text))

@app.task
def hold(folder):
    open(folder + "/held", "w").close()
    time.sleep(100)
"""


def write_app(folder: Path, text: str = "") -> Path:
    """An app with a task that evaluates what it is given, and more."""
    (folder / "proj.py").write_text(APP + text)
    return folder


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Python]:
    """A forkserver with that app."""
    with Python("proj", write_app(tmp_path)) as one:
        yield one


def evaluate(child: Child, text: str) -> Any:
    """What the text means in a task."""
    report = child.run("proj.evaluate", text).report
    assert report["state"] == "SUCCESS", report
    return eval(eval(report["result"]))


def status_field(pid: int, name: str) -> str:
    """A field of /proc/PID/status."""
    match = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert match
    return match[1]


def descriptors(pid: int | str) -> dict[str, str]:
    """The open files of a process."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[number] = os.readlink(f"/proc/{pid}/fd/{number}")
    return found


# --- children ---

def test_spawned_names_slot_generation_pid_and_pidfd(runtime: Python) -> None:
    child = runtime.spawn(slot=3, generation=9)
    assert os.getsid(child.pid) == child.pid
    assert int(status_field(child.pid, "PPid")) == runtime.pid
    pidfd, = runtime.server.fds
    assert f"Pid:\t{child.pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()


def test_a_child_is_one_of_celerys_pool(runtime: Python) -> None:
    child = runtime.spawn(slot=4)
    seen = evaluate(child, "(__import__('billiard').current_process().name, "
                           "__import__('billiard').current_process().index, "
                           "__import__('multiprocessing').current_process().name, "
                           "__import__('multiprocessing').current_process().daemon, "
                           "__import__('billiard').current_process().pid)")
    assert seen == ("ForkPoolWorker-4", 3, "ForkPoolWorker-4", True, child.pid)
    runtime.wait_log("INFO/ForkPoolWorker-4] Task proj.evaluate[")


def test_exited_has_status_and_usage(runtime: Python) -> None:
    child = runtime.spawn()
    child.send(LEAVE)
    status, usage = runtime.exited(child)
    assert status == 0
    assert usage["utime"] >= 0 and usage["stime"] >= 0 and usage["maxrss"] > 1000


def test_what_a_killed_child_has_left_is_ended(runtime: Python) -> None:
    child = runtime.spawn()
    left = evaluate(child, "subprocess.Popen(['sleep', '100']).pid")
    os.kill(child.pid, signal.SIGKILL)
    status, _ = runtime.exited(child)
    assert status == signal.SIGKILL
    wait_until(lambda: not alive(left), SECONDS, "end of the child's child")


def test_children_die_and_come_without_leaving_a_descriptor(runtime: Python) -> None:
    before = descriptors(runtime.pid)
    for generation in range(100):
        child = runtime.spawn(slot=1 + generation % 3, generation=generation)
        child.send(LEAVE)
        assert runtime.exited(child)[0] == 0
        child.close()
    assert descriptors(runtime.pid) == before
    for pidfd in runtime.server.fds:
        os.close(pidfd)
    runtime.server.fds = []


def test_a_child_has_no_descriptor_of_the_forkserver(runtime: Python) -> None:
    inherited = set(descriptors("self").values())
    children = [runtime.spawn(1), runtime.spawn(2)]
    server = set(descriptors(runtime.pid).values()) - inherited
    assert len([name for name in server if name.startswith("socket:")]) == 1
    assert len([name for name in server if name.startswith("pipe:")]) == 1
    for child in children:
        mine = set(descriptors(child.pid).values()) - inherited
        assert not [name for name in mine & server if ":[" in name]
        assert len([name for name in mine if name.startswith("socket:")]) == 1


def test_a_fork_that_fails_is_told(tmp_path: Path) -> None:
    write_app(tmp_path, """
def fail():
    raise BlockingIOError(11, "no more")
os.fork = fail
""")
    with Python("proj", tmp_path) as runtime:
        runtime.request_child(5, 6)
        assert runtime.server.expect(EXITED) == [5, 6, 0, 11, {}]
        assert runtime.leave() == 0


def test_a_childs_end_by_its_own_hand_is_told(runtime: Python) -> None:
    child = runtime.spawn()
    child.send_job("proj.evaluate", "os._exit(7)")
    assert os.waitstatus_to_exitcode(runtime.exited(child)[0]) == 7


def test_children_of_the_app_are_the_apps(tmp_path: Path) -> None:
    write_app(tmp_path, """
from celery.signals import worker_ready
sleeper = subprocess.Popen(["sh", "-c", "exit 9"])
@worker_ready.connect
def ready(**kwargs):
    open("status", "w").write(str(sleeper.wait(5)))
""")
    with Python("proj", tmp_path) as runtime:
        child = runtime.spawn()
        child.send(LEAVE)
        runtime.exited(child)
        runtime.signal("worker_ready")
        wait_until(lambda: (tmp_path / "status").exists()
                   and (tmp_path / "status").read_text() == "9", SECONDS, "exit status")


# --- forking ---

def test_after_fork_hooks_run_in_children_only(tmp_path: Path) -> None:
    write_app(tmp_path, """
from multiprocessing.util import register_after_fork
seen = []
app.pool, app.amqp.producer_pool
@app.on_after_fork.connect
def forked(sender, **kwargs):
    seen.append(("app", os.getpid()))
class Thing: pass
thing = Thing()
register_after_fork(thing, lambda _: seen.append(("multiprocessing", os.getpid())))
""")
    with Python("proj", tmp_path) as runtime:
        first, second = runtime.spawn(1), runtime.spawn(2)
        for child in (first, second):
            assert evaluate(child, "sorted(seen)") == \
                [("app", child.pid), ("multiprocessing", child.pid)]
            assert evaluate(child, "(app._pool, app.amqp._producer_pool)") == (None, None)


def test_what_is_buffered_at_a_fork_is_written_once(tmp_path: Path) -> None:
    write_app(tmp_path, """
app.conf.worker_redirect_stdouts = False
sys.stdout.write("buffered here")
""")
    with Python("proj", tmp_path, environment={"PYTHONUNBUFFERED": None}) as runtime:
        child = runtime.spawn()
        child.send(LEAVE)
        runtime.exited(child)
        assert runtime.leave() == 0
        assert runtime.read_log().count("buffered here") == 1


def test_what_was_loaded_is_frozen(runtime: Python) -> None:
    assert evaluate(runtime.spawn(), "gc.get_freeze_count()") > 10000


def test_a_thread_of_the_app_is_no_hindrance(tmp_path: Path) -> None:
    write_app(tmp_path, """
import logging, threading
def chatter():
    while True:
        logging.getLogger("celery").debug("chatter")
threading.Thread(target=chatter, daemon=True).start()
""")
    with Python("proj", tmp_path) as runtime:
        for generation in range(20):
            child = runtime.spawn(1, generation)
            assert evaluate(child, "1 + 1") == 2
            child.send(LEAVE)
            runtime.exited(child)


# --- signals, ends ---

def test_it_is_deaf_to_signals_for_the_main_process(runtime: Python) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(runtime.pid, number)
        assert not int(status_field(runtime.pid, "SigIgn"), 16) >> (number - 1) & 1
    assert evaluate(runtime.spawn(), "2 + 2") == 4


def test_handlers_of_the_app_do_not_make_it_hear(tmp_path: Path) -> None:
    write_app(tmp_path, """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
    signal.signal(number, lambda *_: os._exit(3))
""")
    with Python("proj", tmp_path) as runtime:
        os.kill(runtime.pid, signal.SIGTERM)
        child = runtime.spawn()
        child.send(LEAVE)
        assert runtime.exited(child)[0] == 0
        assert runtime.leave() == 0


def test_leave_ends_it(runtime: Python) -> None:
    assert runtime.leave() == 0
    assert runtime.server.read() is None


def test_the_end_of_the_channel_ends_it(runtime: Python) -> None:
    runtime.server.sock.close()
    assert runtime.wait() == 0


def test_it_leaves_after_its_children(runtime: Python) -> None:
    child = runtime.spawn()
    runtime.server.send(LEAVE)
    assert evaluate(child, "3 + 3") == 6
    child.send(LEAVE)
    assert runtime.exited(child)[0] == 0
    assert runtime.wait(1.5) == 0


def test_it_does_not_wait_for_ever(runtime: Python, tmp_path: Path) -> None:
    child = runtime.spawn()
    child.send_job("proj.hold", str(tmp_path))
    wait_until((tmp_path / "held").exists, SECONDS, "task")
    begin = time.monotonic()
    assert runtime.leave() == 0
    assert 2.5 < time.monotonic() - begin < 8


def test_a_frame_that_is_none_of_its_ends_it(runtime: Python) -> None:
    runtime.server.send(READY, 1)
    text, = runtime.server.expect(ERROR)
    assert text == "the main process broke the protocol: a frame of type 32, and 2 elements"
    assert runtime.wait() == 1


def test_it_does_not_work_for_a_stranger(tmp_path: Path) -> None:
    write_app(tmp_path)
    program = (PYTHON, "-c", f"""
import os, sys
sys.argv = sys.argv[:2] + ["1"] + sys.argv[3:]
os.execv({PYTHON!r}, [{PYTHON!r}, {str(PACKAGE)!r}] + sys.argv[1:])
""")
    runtime = Python("proj", tmp_path, program=program)
    assert runtime.server.read(SECONDS) is None
    assert runtime.wait() == 1
    runtime.close()


MAIN = """
import os, sys, time
sys.path[:0] = {path!r}
from python_driver import Python
from pathlib import Path
runtime = Python("proj", Path({folder!r}), *{options!r})
runtime.__enter__()
child = runtime.spawn()
runtime.signal("worker_ready")
runtime.wait_log("busy")
print(runtime.pid, child.pid, flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("options", [[], ["--no-preload"]])
def test_nobody_outlives_the_main_process(tmp_path: Path, options: list[str]) -> None:
    write_app(tmp_path, """
from celery.signals import worker_ready
@worker_ready.connect
def ready(**kwargs):
    print("busy", file=sys.__stderr__, flush=True)
    time.sleep(100)
""")
    here = Path(__file__).parent
    text = MAIN.format(path=[str(here), str(here.parent)], folder=str(tmp_path), options=options)
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as main:
        assert main.stdout
        pids = [int(pid) for pid in main.stdout.readline().split()]
        children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split()
        assert len(children) == len(options) + 1
        pids += map(int, children)
        main.kill()
    for pid in pids:
        wait_until(lambda: not alive(pid), SECONDS, f"end of {pid}")


def test_it_is_no_program_for_people(tmp_path: Path) -> None:
    run = subprocess.run([PYTHON, str(PACKAGE), "--parent", "1"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                         close_fds=True, timeout=SECONDS)
    assert run.returncode == 2 and b"descriptor 3 is no socket" in run.stdout
