# SPDX-License-Identifier: BSD-3-Clause
"""The first moments of a forked process: what Celery's pool would have done to make it one of its
children."""

import itertools
import multiprocessing.process
import multiprocessing.util


def become_child(slot, server_pid):
    """Be ForkPoolWorker-SLOT, and let go of what only the forkserver may use: connections, and what
    was to be done at its exit."""
    import billiard.process
    from billiard.context import ForkProcess
    process = ForkProcess(name=f"ForkPoolWorker-{slot}", daemon=True)
    process.index = slot - 1
    process._identity = (slot,)
    process._parent_pid = server_pid
    for module in (billiard.process, multiprocessing.process):
        module._process_counter = itertools.count(1)
        module._children = set()
    billiard.process._set_current_process(process)
    multiprocessing.util._finalizer_registry.clear()
    multiprocessing.util._run_after_forkers()
