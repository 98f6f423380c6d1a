# SPDX-License-Identifier: BSD-3-Clause
"""What the forkserver asks of the process and the kernel: whose death it shares, which signals it is
deaf to, what is still to be written."""

import contextlib
import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NAME = b"celeriac-python"

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent):
    """Be killed when the parent dies. False if it has died already."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def be_own_session():
    """Be out of reach of signals to the main process's group and terminal."""
    try:
        os.setsid()
    except PermissionError:
        pass  # the main process has seen to it
    _libc.prctl(_PR_SET_NAME, _NAME, 0, 0, 0)


def be_deaf():
    """Do nothing on signals that are meant for the main process. Not SIG_IGN: what a task starts
    would inherit that."""
    for number in _DEAF_TO:
        signal.signal(number, _do_nothing)


def notice_children():
    """A descriptor that becomes readable when a child has ended."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, _do_nothing)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader, writer


def other_threads():
    """How many threads there are beside this one, and the names of those that Python knows."""
    count = len(os.listdir("/proc/self/task")) - 1
    names = [thread.name for thread in threading.enumerate()
             if thread is not threading.current_thread()]
    return count, names


def _do_nothing(_number, _frame):
    pass


def flush_output():
    """What an app has printed so far is read now, and what is buffered at a fork would be written
    twice."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()
