# SPDX-License-Identifier: BSD-3-Clause
"""--no-preload: nothing of the app is in the forkserver."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from native_driver import Child
from python_driver import ERROR, LEAVE, SPAWNED, Python, write_files
from support.process import alive, wait_until

SECONDS = 15.0
APP = """
import os, sys
from celery import Celery
app = Celery("proj", broker="amqp://")

@app.task
def evaluate(text):
    return repr(eval(text))
"""


def write_app(folder: Path, text: str = "") -> None:
    """An app with a task that evaluates what it is given, and more."""
    (folder / "proj.py").write_text(APP + text)


def evaluate(child: Child, text: str) -> Any:
    """What the text means in a task."""
    report = child.run("proj.evaluate", text).report
    assert report["state"] == "SUCCESS", report
    return eval(eval(report["result"]))


IMPORTS = """
with open("imports", "a") as file:
    print(os.getpid(), os.getppid(), file=file)
"""


def imports(folder: Path) -> list[tuple[int, int]]:
    """Pid and parent of all processes that have imported the app."""
    lines = (folder / "imports").read_text().splitlines()
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def test_without_preload_every_child_imports_the_app(tmp_path: Path) -> None:
    write_app(tmp_path, IMPORTS)
    with Python("proj", tmp_path, "--no-preload") as runtime:
        assert "proj.evaluate" in runtime.description["tasks"]
        described, = imports(tmp_path)
        assert described[1] == runtime.pid
        wait_until(lambda: not alive(described[0]), SECONDS, "end of the isolated import")
        children = [runtime.spawn(1), runtime.spawn(2)]
        assert imports(tmp_path)[1:] == [(child.pid, runtime.pid) for child in children]
        assert evaluate(children[1], "__import__('billiard').current_process().name") \
            == "ForkPoolWorker-2"
        assert "proj.py" not in Path(f"/proc/{runtime.pid}/maps").read_text()
        for child in children:
            child.send(LEAVE)
            assert runtime.exited(child)[0] == 0
        assert runtime.leave() == 0


def test_without_preload_a_start_may_take_as_long_as_the_import(tmp_path: Path) -> None:
    for text, least, most in (("", 60, 60), ("app.conf.worker_proc_alive_timeout = 70", 70, 70),
                              ("import time; time.sleep(7)", 70, 90)):
        write_app(tmp_path, text)
        with Python("proj", tmp_path, "--no-preload") as runtime:
            assert least <= runtime.description["start_timeout"] <= most
    with Python("proj", tmp_path) as runtime:
        assert "start_timeout" not in runtime.description


def test_without_preload_a_child_does_not_warn_again_of_root(tmp_path: Path) -> None:
    write_app(tmp_path, """
os.getuid = os.geteuid = lambda: 0
import warnings
warnings.warn("of the app")
""")
    with Python("proj", tmp_path, "--no-preload") as runtime:
        runtime.spawn(1)
        log = runtime.read_log()
        assert log.count("SecurityWarning: You're running the worker") == 1
        assert log.count("UserWarning: of the app") == 2


def test_without_preload_signals_are_delivered_all_the_same(tmp_path: Path) -> None:
    write_app(tmp_path, IMPORTS + """
from celery.signals import worker_ready, worker_shutdown
@worker_ready.connect
def ready(sender, **kwargs):
    print("ready", sender.hostname, os.getpid(), file=sys.__stderr__)
@worker_shutdown.connect
def shutdown(sender, **kwargs):
    print("shutdown", sender, os.getpid(), file=sys.__stderr__)
""")
    with Python("proj", tmp_path, "--no-preload") as runtime:
        assert runtime.description["signals"] == ["worker_ready"]
        pid = imports(tmp_path)[0][0]
        child = runtime.spawn()
        runtime.signal("worker_ready")
        runtime.wait_log(f"ready celery@test {pid}\n")
        child.send(LEAVE)
        runtime.exited(child)
        assert runtime.leave() == 0
        assert f"shutdown celery@test {pid}\n" in runtime.read_log()
        assert not alive(pid)


def test_without_preload_a_child_tells_why_it_cannot_import(tmp_path: Path) -> None:
    write_app(tmp_path)
    with Python("proj", tmp_path, "--no-preload") as runtime:
        write_files(tmp_path, proj="1 / 0")
        child = Child(runtime.request_child(), 1, runtime.server.expect(SPAWNED)[2])
        text, = child.expect(ERROR)
        assert text.endswith("ZeroDivisionError: division by zero")
        assert os.waitstatus_to_exitcode(runtime.exited(child)[0]) == 1
        child.close()
