# SPDX-License-Identifier: BSD-3-Clause
"""A child's life: what Celery's pool does to a new process, the signals that PROTOCOL.md asks for,
jobs, and the end. Imports Celery only in the new process: the forkserver may have none."""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import sys
import traceback
import warnings

from celeriac import wire
from celeriac.claims import Claims
from celeriac.claims import supported as claims_supported
from celeriac.failure import LoadError

__all__ = ["claims_supported", "main"]

_PR_SET_PDEATHSIG = 1
# The highest: libraries use real-time signals from the lowest.
_PARENT_DIED = signal.SIGRTMAX
_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Out of the way of tasks that close descriptors by number.
_SOCKET_FROM = 500

_prctl = ctypes.CDLL(None).prctl


def main(runtime, sock, claims_fd, slot, generation):
    """Live; the exit status. The process has been made ForkPoolWorker-SLOT by the forkserver."""
    os.setsid()
    # Its end tells the main process that we have ended: until then somebody must hold it.
    stream = runtime.stream = wire.Stream(_move(sock))
    try:
        jobs = _begin(runtime, stream, claims_fd)
    except ConnectionError:
        return 0
    except LoadError as error:
        return _report(stream, str(error))
    except Exception:
        return _report(stream, f"ForkPoolWorker-{slot} cannot start:\n{traceback.format_exc()}")
    return _live(jobs, stream)


def _begin(runtime, stream, claims_fd):
    """Up to READY."""
    claims = Claims(claims_fd) if claims_fd >= 0 else None
    if claims is not None:
        os.close(claims_fd)
    if runtime.app is None:
        _silence_security()
        runtime.load()
    from celery.concurrency.prefork import process_initializer

    from celeriac.run import Jobs, resident_kib
    process_initializer(runtime.app, runtime.hostname)
    jobs = Jobs(runtime, stream, claims)
    _set_signals(runtime)
    stream.send(wire.READY, resident_kib())
    return jobs


def _live(jobs, stream):
    """Until there are no more jobs, or a task ends the process; the exit status."""
    status = 0
    try:
        jobs.serve()
    except ConnectionError:
        pass  # the main process is gone
    except wire.ProtocolError as error:
        return _report(stream, f"the main process broke the protocol: {error}")
    except SystemExit as leaving:
        status = _status(leaving.code)
    except KeyboardInterrupt:
        pass  # Celery's child ends so too
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        status = 1
    if jobs.is_here():
        from celery.concurrency.prefork import process_destructor
        process_destructor(os.getpid(), status or jobs.recycled())
    return status


def _silence_security():
    """Whoever described the app has said it: once for all."""
    from celery.exceptions import SecurityWarning
    warnings.simplefilter("ignore", SecurityWarning)


def _status(code):
    """An exit status, as Python makes it of what SystemExit carries."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xff
    print(code, file=sys.__stderr__)
    return 1


def _report(stream, text):
    """ERROR, and the status to leave with."""
    try:
        stream.send(wire.ERROR, text.encode("utf-8", "backslashreplace").decode())
    except OSError:
        print(text, file=sys.__stderr__)
    return 1


def _move(sock):
    """The socket under a number that nobody guesses."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = _SOCKET_FROM if soft == resource.RLIM_INFINITY else min(_SOCKET_FROM, soft // 2)
    with sock:
        number = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, lowest)
    moved = socket.socket(fileno=number)
    moved.setblocking(True)
    return moved


def _set_signals(runtime):
    """After process_initializer, which sets some of them as Celery has them."""
    for number in _DEAF_TO:
        signal.signal(number, _do_nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _watch_parents(runtime.server_pid, runtime.main_pid)


def _do_nothing(_number, _frame):
    """Not SIG_IGN, which the programs that a task starts would inherit."""


def _watch_parents(server_pid, main_pid):
    """Go on without the forkserver, but not without the main process."""
    def judge(_number=None, _frame=None):
        # Whoever is our parent now is so for good: the main process, or nobody of ours.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != main_pid:
            os._exit(0)

    signal.signal(_PARENT_DIED, judge)
    _prctl(_PR_SET_PDEATHSIG, _PARENT_DIED, 0, 0, 0)
    if os.getppid() != server_pid:
        judge()
