# SPDX-License-Identifier: BSD-3-Clause
"""Shapes without chords with results over rpc://: a client that waits gets what Celery's worker
would have sent it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from interop.canvas.shapes import CHAIN_ERRORS, CHAINS, GROUPS, MAPS
from interop.canvas.side import APP, NATIVE_SETTINGS
from interop.parity.side import PYTHON
from support.rabbitmq import RabbitMQ
from support.worker import TESTS, BaseWorker, CeleryWorker, Worker, build_folder

# Those that need a chord, or that nobody answers.
CHORDS = ("group of chords", "group of one between tasks", "map in a chord", "chunks with a body")
SILENT = ("chain whose middle ignores", "chain with a call that does not fit",
          "chain that fails before a chord", "chain that fails before a group",
          "chunks", "empty group")
SHAPES = [name for name in [*CHAINS, *CHAIN_ERRORS, *GROUPS, *MAPS]
          if name not in CHORDS + SILENT]
SETTINGS = [word for one in NATIVE_SETTINGS for word in ("--set", one)]


def _worker(kind: str, url: str) -> BaseWorker:
    if kind == "celery":
        return CeleryWorker(url, "-Q", "one,two", app=APP,
                            env={"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": "rpc://"})
    library = build_folder() / "tests" / "interop" / "libcanvas_tasks.so"
    return Worker(url, "-Q", "one,two", *SETTINGS, app=library)


@pytest.fixture(scope="module")
def answers(rabbitmq: RabbitMQ) -> list[dict[str, Any]]:
    """What a client of each worker gets."""
    found = []
    for kind in ("celery", "celeriac"):
        url = rabbitmq.url_of(rabbitmq.new_vhost())
        with _worker(kind, url) as worker:
            done = subprocess.run(
                [PYTHON, "-m", "interop.canvas.client", "answer", *SHAPES], cwd=TESTS,
                env={**os.environ, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": "rpc://"},
                capture_output=True, text=True, timeout=50, check=False)
            assert done.returncode == 0, done.stderr
            found.append(json.loads(done.stdout.splitlines()[-1]))
            assert not worker.sanitizer_report(), worker.read_log()
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_same(answers: list[dict[str, Any]], shape: str) -> None:
    """The answer is the same."""
    expected, got = (one[shape] for one in answers)
    assert got == expected
