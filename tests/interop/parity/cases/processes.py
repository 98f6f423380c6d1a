# SPDX-License-Identifier: BSD-3-Clause
"""Processes, threads, signals and logs of tasks; children that are replaced."""

from __future__ import annotations

from typing import Any

from interop.parity.app import logs, processes
from interop.parity.run import Run

CASES = {name.replace("_", " "): (lambda run, task=getattr(processes, name): task.delay())
         for name in ("process_facts", "signal_handlers", "run_program", "fork_by_hand",
                      "start_multiprocessing", "start_billiard", "process_pool", "threads",
                      "send_from_thread", "event_loop", "own_alarm", "terminated_by_itself",
                      "change_world", "environment")}

LOGS = {f"log: {name.replace('_', ' ')}": (lambda run, task=getattr(logs, name): task.delay())
        for name in ("task_logger", "other_logger", "prints", "logs_exception", "warns",
                     "task_names")}


def _pids(run: Run, count: int, task: Any, *args: Any) -> Any:
    """Which tasks share a process."""
    pids = [run.noted("pid is", task.delay(*args).id)["pid"] for _ in range(count)]
    return [pids.index(pid) for pid in pids]


def _recycled(run: Run) -> Any:
    """An odd number of tasks, so that the last child has one to go, and is there at the end."""
    run.ran(processes.at_exit.delay())
    return _pids(run, 6, processes.pid)


RECYCLE = {"pids": _recycled}
MEMORY = {"pids": lambda run: _pids(run, 5, processes.hold, 150)}
