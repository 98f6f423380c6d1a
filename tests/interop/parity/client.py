# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cases of a configuration against a worker that is ready, several at a time.

python3 -m interop.parity.client CONFIGURATION [CASE ...]: prints a JSON object, case to what it
has returned. --list prints all configurations with their cases. A program of its own, so that
client and worker are of one Celery, and that no test sees the app.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

THREADS = 8
SLOW = 3.0
current = threading.local()


def _claim(headers: Any = None, **arguments: Any) -> None:
    """Whatever a case sends belongs to it."""
    from interop.parity.app import journal
    if headers and headers.get("id") and getattr(current, "case", None):
        journal.note("claim", headers["id"], case=current.case)


def _run(configuration: str, case: str, tail: Any) -> Any:
    from interop.parity.app.celery import app
    from interop.parity.cases import CASES
    from interop.parity.run import Run
    current.case, started = case, time.monotonic()
    run = Run(app, case, tail, configuration == "rpc")
    try:
        return {"value": run.observe(CASES[configuration][case](run))}
    except Exception as error:  # pylint: disable=broad-except
        return {"error": repr(error), "traceback": traceback.format_exc()}
    finally:
        current.case = None
        if time.monotonic() - started > SLOW:
            print(f"{case}: {time.monotonic() - started:.1f} s", file=sys.stderr)


def _run_all(configuration: str, names: list[str]) -> dict[str, Any]:
    from celery._state import _set_task_join_will_block
    from celery.signals import before_task_publish

    from interop.parity.app import journal
    from interop.parity.app.celery import app
    from interop.parity.run import Tail
    app.loader.import_default_modules()
    app.finalize()
    app.set_default()
    before_task_publish.connect(_claim)
    rpc = configuration == "rpc"
    # Several threads may not share the subscriptions of the Redis backend: cases poll.
    _set_task_join_will_block(not rpc)
    tail = Tail(journal.folder() / "journal")
    with ThreadPoolExecutor(1 if rpc else THREADS) as pool:
        return dict(zip(names, pool.map(lambda name: _run(configuration, name, tail), names)))


def main() -> None:
    """Be the program."""
    from interop.parity.cases import CASES
    if sys.argv[1:] == ["--list"]:
        print(json.dumps({name: list(cases) for name, cases in CASES.items()}))
        return
    configuration, *names = sys.argv[1:]
    answers = _run_all(configuration, names or list(CASES[configuration]))
    print(json.dumps(answers, default=repr), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
