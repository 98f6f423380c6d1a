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


def _recycled(run: Run) -> Any:
    """Which tasks share a process."""
    pids = [run.noted("pid is", processes.pid.delay().id)["pid"] for _ in range(6)]
    return [pids.index(pid) for pid in pids]


RECYCLE = {
    "pids": _recycled,
    "at exit": lambda run: run.ran(processes.at_exit.delay()),
}

MEMORY = {"pids": _recycled}
