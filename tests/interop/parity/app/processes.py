# SPDX-License-Identifier: BSD-3-Clause
"""What a task may do with processes, threads, signals and the world."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import billiard
from celery import Task, current_task

from interop.parity.app.celery import app
from interop.parity.app.journal import note
from interop.parity.app.tasks import add

_kept: list[bytes] = []


def _square(value: int) -> int:
    return value * value


@app.task(ignore_result=True)
def pid() -> None:
    """The process, told to the journal only."""
    note("pid is")


@app.task(ignore_result=True)
def hold(mib: int) -> None:
    """Take memory and keep it."""
    _kept.append(b"x" * (mib << 20))
    note("pid is")


@app.task
def process_facts() -> Any:
    """What a child process is to Python and to the system."""
    process = billiard.current_process()
    plain = multiprocessing.current_process()
    return {
        "name": process.name.rstrip("0123456789"), "daemon": process.daemon,
        "plain daemon": plain.daemon, "index": isinstance(process.index, int),
        "stdin at end": not sys.stdin.read() if sys.stdin and not sys.stdin.closed else True,
        "main thread": threading.current_thread() is threading.main_thread(),
        "threads": threading.active_count(), "argv0": os.path.basename(sys.argv[0]),
        "umask": os.umask(0o022), "gc": gc.isenabled(), "encoding": sys.stdout.encoding,
        "recursion": sys.getrecursionlimit(), "start method": multiprocessing.get_start_method(),
        "main": sys.modules["__main__"] is not None, "path": bool(sys.path),
    }


@app.task
def signal_handlers() -> Any:
    """Which signals a program that the task starts ignores; SIGINT is told apart in the docs."""
    code = ("import signal; print([s.name for s in signal.valid_signals() if hasattr(s, 'name')"
            " and signal.getsignal(s) == signal.SIG_IGN])")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20,
                          check=True).stdout


@app.task
def run_program() -> Any:
    """A program with pipes."""
    done = subprocess.run(["sh", "-c", "read line; echo got $line; echo oops >&2; exit 3"],
                          input="text\n", capture_output=True, text=True, timeout=20, check=False)
    return [done.returncode, done.stdout, done.stderr]


@app.task
def fork_by_hand() -> Any:
    """A fork that ends by itself."""
    child = os.fork()
    if not child:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _report(queue: Any, value: int) -> None:
    queue.put(value * 2)


@app.task
def start_multiprocessing() -> Any:
    """Processes of multiprocessing, which it forbids to daemons."""
    try:
        queue: Any = multiprocessing.Queue()
        process = multiprocessing.Process(target=_report, args=(queue, 21))
        process.start()
        answer = queue.get(timeout=20)
        process.join(20)
        return [answer, process.exitcode]
    except AssertionError as error:
        return str(error)


@app.task
def start_billiard() -> Any:
    """Processes of billiard."""
    try:
        process = billiard.Process(target=_square, args=(3,))
        process.start()
        process.join(20)
        return process.exitcode
    except AssertionError as error:
        return str(error)


@app.task
def process_pool() -> Any:
    """A pool of processes."""
    try:
        with ProcessPoolExecutor(2) as pool:
            return list(pool.map(_square, range(3)))
    except AssertionError as error:
        return str(error)


@app.task
def threads() -> Any:
    """Threads, which know no current task."""
    seen: list[Any] = []

    def look() -> None:
        seen.append([current_task.request.id if current_task else None, app.main])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(20)
    with ThreadPoolExecutor(2) as pool:
        return [seen, list(pool.map(_square, range(3)))]


@app.task
def send_from_thread() -> Any:
    """A task that a thread sends has no parent."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: add.apply_async((40, 2)).parent is None).result(20)


@app.task
def event_loop() -> Any:
    """asyncio, with a program below it."""
    async def run() -> Any:
        await asyncio.sleep(0.01)
        process = await asyncio.create_subprocess_exec("true")
        return [await process.wait(), await asyncio.gather(asyncio.sleep(0, 1))]

    return asyncio.run(run())


@app.task
def own_alarm() -> str:
    """A signal handler and a timer of its own."""
    fired: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: fired.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.sigtimedwait([], 0)
        end = threading.Event()
        end.wait(0.3)
        return f"fired {len(fired)}"
    finally:
        signal.signal(signal.SIGALRM, before)


@app.task
def terminated_by_itself() -> str:
    """SIGINT to its own process."""
    os.kill(os.getpid(), signal.SIGINT)
    return "survived"


@app.task
def change_world() -> Any:
    """Environment, working directory and standard output, for its own process only."""
    os.environ["PARITY_CHANGED"] = "yes"
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        print("captured")
    return [output.getvalue(), os.environ["PARITY_CHANGED"]]


@app.task(bind=True)
def at_exit(self: Task) -> None:
    """Leaves something for the end of the process."""
    atexit.register(note, "atexit", self.request.id, self.request.root_id)


@app.task
def environment() -> Any:
    """What Celery puts into the environment of a child."""
    names = ("CELERY_LOG_LEVEL", "CELERY_LOG_FILE", "CELERY_LOG_REDIRECT",
             "CELERY_LOG_REDIRECT_LEVEL", "FORKED_BY_MULTIPROCESSING", "CELERY_LOADER")
    return {name: os.environ.get(name) for name in names}
