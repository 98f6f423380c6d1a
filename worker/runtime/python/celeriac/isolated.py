# SPDX-License-Identifier: BSD-3-Clause
"""--no-preload: a process of its own imports the app to describe it, so that the forkserver has
nothing of the app when it forks. It stays only where signals are to be delivered to the app."""

import os
import signal
import socket
import sys
import time
import traceback

from celeriac import failure, system, wire
from celeriac.failure import LoadError

_START_SECONDS, _SLOWER = 60.0, 10


class RemoteSignals:
    """Signals for the process that has the app, if it has stayed."""

    def __init__(self, channel, pid):
        self._channel = channel
        self._pid = pid

    def deliver(self, name, arguments):
        """Pass it on."""
        if self._channel is not None:
            try:
                self._channel.send(wire.SIGNAL, name, arguments)
            except OSError:
                self.close()

    def stop(self):
        """Let the app's process end, and wait until it has."""
        self.close()
        os.waitpid(self._pid, 0)

    def close(self):
        """Forget that process."""
        if self._channel is not None:
            self._channel.sock.close()
            self._channel = None


def describe(runtime):
    """The description of the app, and who delivers signals to it. LoadError if it has none."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.close(failure.CHANNEL)
        os._exit(_run(runtime, wire.Channel(theirs)))
    theirs.close()
    channel = wire.Channel(ours)
    frame = channel.receive()
    if frame is None:
        raise LoadError("the process that imported the app died: " + _how(os.waitpid(pid, 0)[1]))
    if frame[0] == wire.ERROR:
        raise LoadError(frame[1])
    return frame[2], RemoteSignals(channel, pid)


def _how(status):
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.WEXITSTATUS(status)}"


def _run(runtime, channel):
    """The life of that process; its exit status."""
    try:
        if not system.die_with(runtime.server_pid):
            return 1
        _serve(runtime, channel)
    except LoadError as error:
        channel.send(wire.ERROR, str(error))
    except Exception:
        traceback.print_exc(file=sys.__stderr__)
        return 1
    return 0


def _start_timeout(app, seconds):
    """For a child, which has to import the app too, perhaps at the same time as many others."""
    return max(float(app.conf.worker_proc_alive_timeout or 0), _START_SECONDS,
               _SLOWER * seconds)


def _serve(runtime, channel):
    began = time.monotonic()
    runtime.load()
    seconds = time.monotonic() - began
    from celeriac import describe as description
    from celeriac import signals
    system.be_deaf()
    described = runtime.describe()
    described["start_timeout"] = _start_timeout(runtime.app, seconds)
    system.flush_output()
    channel.send(wire.HELLO, wire.PROTOCOL, described)
    if not any(map(description.has_receivers, description.DELIVERED + ("worker_shutdown",))):
        return
    delivery = signals.Signals(runtime.worker)
    while True:
        frame = channel.receive()
        if frame is None:
            break
        delivery.deliver(*frame[1:3])
    delivery.stop()
