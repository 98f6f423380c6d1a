# SPDX-License-Identifier: BSD-3-Clause
"""A Celery app with the tasks of examples/, for running Debian's Celery beside celeriac."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

from celery import Celery

app = Celery("example", backend="rpc://")
app.conf.update(accept_content=["json", "msgpack"])
kept: list[bytearray] = []


@app.task(name="example.add")
def add(x: Any, y: Any) -> Any:
    """The sum of two numbers."""
    return x + y


@app.task(name="example.noop", ignore_result=True)
def noop(*args: Any) -> None:
    """Nothing at all, for benchmarks."""


@app.task(name="example.echo")
def echo(*args: Any, **kwargs: Any) -> Any:
    """What it was called with."""
    return [args, kwargs]


@app.task(name="example.sleep")
def sleep(seconds: float) -> float:
    """Wait without using CPU."""
    time.sleep(seconds)
    return seconds


@app.task(name="example.burn")
def burn(seconds: float) -> float:
    """Wait using CPU."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


@app.task(name="example.alloc")
def alloc(mib: int) -> int:
    """Take memory and keep it."""
    kept.append(bytearray(os.urandom(4096) * (mib * 256)))
    return mib


@app.task(name="example.fail")
def fail(message: str) -> None:
    """Raise a ValueError."""
    raise ValueError(message)


@app.task(name="example.exit")
def leave(status: int) -> None:
    """End the process that runs the task."""
    os._exit(status)


@app.task(name="example.crash")
def crash() -> None:
    """Read from address 0."""
    ctypes.string_at(0)


@app.task(name="example.pid")
def pid() -> int:
    """The process that runs the task."""
    return os.getpid()


@app.task(name="example.append")
def append(path: str, text: str) -> None:
    """Add a line to a file with a single write."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


@app.task(name="example.ignore_usr1")
def ignore_usr1(seconds: float) -> float:
    """Wait, deaf to the soft time limit."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    time.sleep(seconds)
    return seconds
