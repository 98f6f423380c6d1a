# SPDX-License-Identifier: BSD-3-Clause
"""All cases: configuration to name to what is called, and what is looked at afterwards.

A case gets a Run. A result that it returns is waited for, and described with its parents and
children; whatever else it returns is compared as it is.
"""

from __future__ import annotations

from typing import Any, Callable

from interop.parity.cases import (calling, canvas, configured, limits, loss, outcomes, processes,
                                  tasks)
from interop.parity.run import Run

Cases = dict[str, Callable[[Run], Any]]

CASES: dict[str, Cases] = {
    "main": {**tasks.CASES, **tasks.RETRIES, **calling.CASES, **canvas.CASES, **outcomes.CASES,
             **outcomes.RESULTS, **processes.CASES, **processes.LOGS},
    "rpc": configured.RPC,
    "extended": configured.EXTENDED,
    "pickle": {**configured.PICKLE, **loss.KILLED},
    "custom": configured.CUSTOM,
    "limits": {**limits.CASES, **loss.CASES},
    "late": {**limits.DEFAULTS, **loss.LATE},
    "recycle": processes.RECYCLE,
    "memory": processes.MEMORY,
}
