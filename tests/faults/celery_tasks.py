# SPDX-License-Identifier: BSD-3-Clause
"""The Celery app of the comparisons: example and fault tasks, and settings from outside."""

from __future__ import annotations

import json
import os
import subprocess
import time

from support.celery_app import app, append

app.conf.update(json.loads(os.environ.get("FAULTS_CELERY_SETTINGS", "{}")))


@app.task(name="fault.hold")
def hold(path: str, text: str) -> str:
    """Write "start TEXT" to the file, wait until PATH.go exists, write "end TEXT"."""
    append(path, f"start {text}")
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{path}.go"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {path}.go")
        time.sleep(0.02)
    append(path, f"end {text}")
    return text


@app.task(name="fault.slow_append")
def slow_append(path: str, text: str, seconds: float) -> None:
    """Append the text in the middle of so many seconds."""
    time.sleep(seconds / 2)
    append(path, text)
    time.sleep(seconds / 2)


@app.task(name="fault.descendant")
def descendant(path: str) -> None:
    """Start a program that outlives its task, write its process id to the file, and wait."""
    with subprocess.Popen(["sleep", "60"]) as program:
        append(path, str(program.pid))
        time.sleep(60)
