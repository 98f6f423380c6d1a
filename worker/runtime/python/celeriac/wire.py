# SPDX-License-Identifier: BSD-3-Clause
"""Frames of the pool protocol over one socket, with the descriptors that come and go with them.

Knows no Celery. Errors: OSError from the socket, ProtocolError for what no frame may be.
"""

import array
import socket
import struct

import msgpack

PROTOCOL = 1
FRAME_MAX = 136 * 1024 * 1024
READ_SIZE = 64 * 1024
DESCRIPTORS_MAX = 4

SPAWN, JOB, LEAVE, SIGNAL = 1, 2, 3, 4
HELLO, SPAWNED, EXITED, ERROR = 16, 17, 18, 19
READY, STARTED, RESULT = 32, 33, 34

JOB_WANT_STARTED, JOB_WANT_RSS = 1, 2
RESULT_RETIRING = 1

_length = struct.Struct(">I")


class ProtocolError(Exception):
    """The main process sent what is no frame."""


def pack(*elements):
    """A whole frame: elements are the type and what belongs to it.

    Text that came with lone surrogates (an AMQP header that is not UTF-8) leaves as it came.
    """
    packed = msgpack.packb(elements, use_bin_type=True, unicode_errors="surrogateescape")
    return _length.pack(len(packed)) + packed


def _unpack(data):
    try:
        frame = msgpack.unpackb(data, raw=False, strict_map_key=False,
                                unicode_errors="surrogateescape",
                                max_bin_len=FRAME_MAX, max_str_len=FRAME_MAX)
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"a frame of {len(data)} bytes: {error}") from error
    if type(frame) is not list or not frame:
        raise ProtocolError("a frame that is no array with a type")
    return frame


class Channel:
    """Whole frames over a blocking stream socket."""

    def __init__(self, sock):
        self.sock = sock
        self._data = bytearray()
        self._descriptors = []

    def fileno(self):
        """For select."""
        return self.sock.fileno()

    def send(self, *elements, descriptor=None):
        """Write one frame, with a descriptor beside its first byte if there is one."""
        data = pack(*elements)
        if descriptor is not None:
            rights = array.array("i", [descriptor])
            sent = self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            data = data[sent:]
        self.sock.sendall(data)

    def receive(self):
        """The next frame as a list, waiting for it; None at the end of the stream."""
        while True:
            frame = self.pop()
            if frame is not None:
                return frame
            if not self.fill():
                return None

    def pop(self):
        """The next frame if all of it has been read, else None."""
        if len(self._data) < _length.size:
            return None
        (size,) = _length.unpack_from(self._data)
        if size > FRAME_MAX:
            raise ProtocolError(f"a frame of {size} bytes")
        end = _length.size + size
        if len(self._data) < end:
            return None
        with memoryview(self._data) as view:
            frame = _unpack(view[_length.size:end])
        del self._data[:end]
        return frame

    def fill(self):
        """Read once, waiting if need be. False at the end of the stream."""
        data, ancillary, _, _ = self.sock.recvmsg(
            READ_SIZE, socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize),
            socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[:len(content) - len(content) % numbers.itemsize])
                self._descriptors.extend(numbers)
        self._data += data
        return bool(data)

    def take_descriptor(self):
        """The oldest descriptor that has come and was not taken yet; the caller closes it."""
        if not self._descriptors:
            raise ProtocolError("a descriptor is missing")
        return self._descriptors.pop(0)


class Stream:
    """Whole frames over a child's blocking socket, on which no descriptors come: what Channel does,
    with as little as possible for each of many small frames."""

    def __init__(self, sock):
        self.sock = sock
        self._receive = sock.recv
        self._send = sock.sendall
        self._pack = msgpack.Packer(use_bin_type=True, unicode_errors="surrogateescape").pack
        self._data = b""  # what has been read
        self._begin = 0  # of the next frame in it

    def send(self, *elements):
        """Write one small frame."""
        packed = self._pack(elements)
        self._send(_length.pack(len(packed)) + packed)

    def send_result(self, job, flags, resident_kib, report, document):
        """Write a RESULT. No buffer is kept for a large document."""
        elements = (RESULT, job, flags, resident_kib, report, document)
        if len(document) < READ_SIZE:
            packed = self._pack(elements)
            self._send(_length.pack(len(packed)) + packed)
        else:
            self._send(pack(*elements))

    def receive(self):
        """The next frame as a list, waiting for it; None at the end of the stream."""
        while True:
            begin = self._begin + _length.size
            if begin > len(self._data):
                if not self._fill():
                    return None
                continue
            (size,) = _length.unpack_from(self._data, begin - _length.size)
            end = begin + size
            if end <= len(self._data):
                self._begin = end
                return _unpack(self._data[begin:end])
            if size <= READ_SIZE:
                if not self._fill():
                    return None
                continue
            return self._receive_large(begin, size)

    def _fill(self):
        """Read once, waiting if need be. False at the end of the stream."""
        data = self._receive(READ_SIZE)
        left = self._data[self._begin:]
        self._data = left + data if left else data
        self._begin = 0
        return bool(data)

    def _receive_large(self, begin, size):
        """A frame that has not been read whole, without copying it with every read."""
        if size > FRAME_MAX:
            raise ProtocolError(f"a frame of {size} bytes")
        frame = bytearray(size)
        count = len(self._data) - begin
        with memoryview(frame) as view:
            view[:count] = self._data[begin:]
            self._data, self._begin = b"", 0
            while count < size:
                more = self.sock.recv_into(view[count:])
                if more == 0:
                    return None
                count += more
        return _unpack(frame)
