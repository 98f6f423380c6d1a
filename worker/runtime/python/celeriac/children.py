# SPDX-License-Identifier: BSD-3-Clause
"""The children of the forkserver and their reaping. The app may have children too: those are its
own."""

import os
import signal


class Children:
    """Who was forked and has not been reaped."""

    def __init__(self):
        self._places = {}

    def __len__(self):
        return len(self._places)

    def add(self, pid, slot, generation):
        """A new child."""
        self._places[pid] = (slot, generation)

    def reap(self):
        """For each child that has ended, what EXITED says of it."""
        for pid in list(self._places):
            ended = _reap(pid)
            if ended is not None:
                slot, generation = self._places.pop(pid)
                yield (slot, generation, pid) + ended


def _reap(pid):
    """Wait status and usage of the process if it has ended, else None."""
    try:
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return None
        if info.si_code != os.CLD_EXITED:
            _kill_group(pid)
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:
        return 0, {}  # the app has waited for all children there were
    return status, {"utime": usage.ru_utime, "stime": usage.ru_stime, "maxrss": usage.ru_maxrss}


def _kill_group(pid):
    """End what a killed child has left. Until it is reaped the number is its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
