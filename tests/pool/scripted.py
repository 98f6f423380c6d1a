# SPDX-License-Identifier: BSD-3-Clause
"""A runtime written from PROTOCOL.md alone, with nothing of celeriac's: the page suffices.

Its jobs' bodies are shell-like words: `echo TEXT`, `sleep SECONDS`, `soft`, `exit STATUS`, `fields`.
"""

import array
import ctypes
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

import msgpack

SPAWN, JOB, LEAVE = 1, 2, 3
HELLO, SPAWNED, EXITED, ERROR = 16, 17, 18, 19
READY, STARTED, RESULT = 32, 33, 34
WANT_STARTED, WANT_RSS = 1, 2
PR_SET_PDEATHSIG = 1
PARENT_DIED = signal.SIGRTMIN

libc = ctypes.CDLL(None, use_errno=True)
libc.pidfd_open.argtypes = [ctypes.c_int, ctypes.c_uint]
main_pid = os.getppid()


class Channel:
    """Frames over one socket, with the descriptors that come and go with them."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""
        self.descriptors = []

    def send(self, *elements, descriptor=None):
        packed = msgpack.packb(list(elements), use_bin_type=True)
        data = struct.pack(">I", len(packed)) + packed
        if descriptor is None:
            self.sock.sendall(data)
            return
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        sent = self.sock.sendmsg([data], rights)
        self.sock.sendall(data[sent:])

    def _more(self):
        data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16))
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) // numbers.itemsize * numbers.itemsize])
                self.descriptors.extend(numbers)
        self.data += data
        return bool(data)

    def receive(self):
        """The next frame as a list; None at the end."""
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack(">I", self.data[:4])[0]:
            if not self._more():
                return None
        size = struct.unpack(">I", self.data[:4])[0]
        packed, self.data = self.data[4 : 4 + size], self.data[4 + size :]
        return msgpack.unpackb(packed, raw=False, strict_map_key=False)


# --- a child ---

def on_parent_died(*_):
    if os.getppid() != main_pid:
        os._exit(0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def resident_kib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


def wait_for_soft_limit(number):
    """Python hides si_value (the int behind signo, errno, code, pid and uid), so libc is asked."""
    mask = (ctypes.c_ulong * 16)(1 << (signal.SIGUSR1 - 1))
    info = ctypes.create_string_buffer(128)
    value = None
    while value != number & 0x7FFFFFFF:
        libc.sigwaitinfo(mask, info)
        (value,) = struct.unpack_from("i", info, 24)


def run(number, request, body):
    word, _, rest = body.decode().partition(" ")
    if word == "echo":
        return rest
    if word == "sleep":
        time.sleep(float(rest))
        return "slept"
    if word == "soft":
        wait_for_soft_limit(number)
        return "soft"
    if word == "fields":
        return json.dumps(request, sort_keys=True)
    if word == "exit":
        os._exit(int(rest))
    raise ValueError(word)


def child(channel, server_pid):
    os.setsid()
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1})
    signal.signal(PARENT_DIED, on_parent_died)
    libc.prctl(PR_SET_PDEATHSIG, PARENT_DIED)
    if os.getppid() not in (server_pid, main_pid):
        return
    channel.send(READY, resident_kib())
    while (frame := channel.receive()) is not None and frame[0] != LEAVE:
        _, number, flags, request, body = frame[:5]
        if flags & WANT_STARTED:
            channel.send(STARTED, number)
        begin = time.monotonic()
        try:
            result = run(number, request, body)
            report = {"state": "SUCCESS", "result": repr(result)}
        except ValueError as error:
            result = None
            report = {"state": "FAILURE", "exception": repr(error), "traceback": None}
        report["runtime"] = time.monotonic() - begin
        memory = resident_kib() if flags & WANT_RSS else 0
        channel.send(RESULT, number, 0, memory, report, (result or "").encode())


# --- the forkserver ---


def spawn(channel, children, slot, generation):
    sock = socket.socket(fileno=channel.descriptors.pop(0))
    server_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            channel.sock.close()
            child(Channel(sock), server_pid)
            status = 0
        finally:
            os._exit(status)
    sock.close()
    children[pid] = (slot, generation)
    pidfd = libc.pidfd_open(pid, 0)
    channel.send(SPAWNED, slot, generation, pid, descriptor=pidfd)
    os.close(pidfd)


def reap(channel, children):
    while children:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return
        if info.si_code != os.CLD_EXITED:
            try:
                os.killpg(info.si_pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        pid, status, usage = os.wait4(info.si_pid, 0)
        slot, generation = children.pop(pid)
        usage = {"utime": usage.ru_utime, "stime": usage.ru_stime, "maxrss": usage.ru_maxrss}
        channel.send(EXITED, slot, generation, pid, status, usage)


def main():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=3))
    channel.sock.set_inheritable(False)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children = {}
    channel.send(HELLO, 1, {"runtime": "scripted", "tasks": {"t": {}}, "settings": {}})
    while True:
        ready, _, _ = select.select([channel.sock, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            reap(channel, children)
        if channel.sock not in ready:
            continue
        while True:
            frame = channel.receive()
            if frame is None or frame[0] == LEAVE:
                sys.exit(0)
            spawn(channel, children, *frame[1:3])
            if len(channel.data) < 4:
                break


main()
