# SPDX-License-Identifier: BSD-3-Clause
"""The forkserver's loop: frames in, forks, reports out. One thread, and nothing open at a fork but
what is closed in the child first."""

import contextlib
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from select import POLLIN, poll  # as they are before an app patches them

from celeriac import child, failure, inherit, system, wire
from celeriac.children import Children

LEAVE_PATIENCE = 3.0  # seconds for children to follow LEAVE before we go


class Forkserver:
    """Serves SPAWN, SIGNAL and LEAVE."""

    def __init__(self, runtime, channel, signals):
        self._runtime = runtime
        self._channel = channel
        self._signals = signals
        self._children = Children()
        self._wakeup = system.notice_children()
        self._deadline = None  # set when we are to leave
        self._handlers = {wire.SPAWN: (self._on_spawn, 2), wire.LEAVE: (self._on_leave, 0),
                          wire.SIGNAL: (self._on_signal, 2)}

    def serve(self):
        """Until LEAVE or the end of the channel; the exit status."""
        try:
            self._serve()
        except ConnectionError:
            pass  # the main process is gone
        except wire.ProtocolError as error:
            failure.report(f"the main process broke the protocol: {error}")
            return 1
        except Exception:
            failure.report(f"the forkserver cannot go on:\n{traceback.format_exc()}")
            return 1
        self._signals.stop()
        return 0

    def _serve(self):
        polled = poll()
        polled.register(self._channel.fileno(), POLLIN)
        polled.register(self._wakeup[0], POLLIN)
        while self._goes_on():
            for descriptor, _ in polled.poll(self._timeout()):
                if descriptor == self._wakeup[0]:
                    self._on_child_signal()
                elif self._channel.fill():
                    self._handle_frames()
                else:
                    polled.unregister(descriptor)
                    self._on_leave()

    def _goes_on(self):
        if self._deadline is None:
            return True
        return len(self._children) > 0 and time.monotonic() < self._deadline

    def _timeout(self):
        """In milliseconds, as poll takes it."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000 + 1

    def _handle_frames(self):
        while True:
            frame = self._channel.pop()
            if frame is None:
                return
            handler, count = self._handlers.get(frame[0], (None, 0))
            if handler is None or len(frame) <= count:
                raise wire.ProtocolError(f"a frame of type {frame[0]}, and {len(frame)} elements")
            handler(*frame[1:1 + count])

    def _on_leave(self):
        if self._deadline is None:
            self._deadline = time.monotonic() + LEAVE_PATIENCE

    def _on_signal(self, name, arguments):
        self._signals.deliver(name, arguments)

    def _on_child_signal(self):
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wakeup[0], 512):
                pass
        for ended in self._children.reap():
            self._channel.send(wire.EXITED, *ended)

    def _on_spawn(self, slot, generation):
        sock = socket.socket(fileno=self._channel.take_descriptor())
        claims = self._channel.take_descriptor() if self._runtime.ahead else -1
        try:
            if self._deadline is None:
                self._spawn(sock, claims, slot, generation)
        finally:
            sock.close()
            if claims >= 0:
                os.close(claims)

    def _spawn(self, sock, claims, slot, generation):
        system.flush_output()
        try:
            pid = _fork()
        except OSError as error:
            self._channel.send(wire.EXITED, slot, generation, 0, error.errno, {})
            return
        if pid == 0:
            os._exit(self._be_child(sock, claims, slot, generation))
        self._children.add(pid, slot, generation)
        pidfd = _pidfd(pid)
        try:
            self._channel.send(wire.SPAWNED, slot, generation, pid, descriptor=pidfd)
        finally:
            if pidfd is not None:
                os.close(pidfd)

    def _be_child(self, sock, claims, slot, generation):
        """In the new process; its exit status."""
        try:
            self._close()
            inherit.become_child(slot, self._runtime.server_pid)
            return child.main(self._runtime, sock, claims, slot, generation)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            return 1
        finally:
            system.flush_output()

    def _close(self):
        """Nothing of the forkserver's stays open in a child."""
        signal.set_wakeup_fd(-1)
        for descriptor in self._wakeup:
            os.close(descriptor)
        self._channel.sock.close()
        self._signals.close()
        with contextlib.suppress(wire.ProtocolError):
            while True:
                os.close(self._channel.take_descriptor())


def _fork():
    with warnings.catch_warnings():
        # Newer Pythons warn of threads at every fork; unsupported.py has done so once.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _pidfd(pid):
    """A descriptor of the process; None where this Python or kernel has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
