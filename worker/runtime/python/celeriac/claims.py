# SPDX-License-Identifier: BSD-3-Clause
"""The claim page (PROTOCOL.md, "Looking ahead"). Python has no atomic operations, but the kernel
has: FUTEX_WAKE_OP sets a bit of a word atomically. A staged word (0) becomes 1, which is ours; a
withdrawn one (2) becomes 3, which nobody takes for begun.

Knows no Celery.
"""

import ctypes
import mmap
import os
import platform

_PAGE_SIZE, _WORDS = 4096, 64
_STAGED, _BEGUN, _WITHDRAWN = 0, 1, 2
_REFUSED = _WITHDRAWN | _BEGUN

_SYS_FUTEX = {"x86_64": 202, "aarch64": 98}
_FUTEX_WAKE_OP_PRIVATE = 5 | 128
_OR_1 = 2 << 28 | _BEGUN << 12  # FUTEX_OP_OR, its argument; whom it wakes does not matter
_MADV_DONTFORK = 10

# PyDLL: no call waits, so there is no reason to let go of the interpreter's lock.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                       ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Claims:
    """The child's side of a claim page."""

    def __init__(self, descriptor):
        """Maps the page; the descriptor stays the caller's. OSError if it is no page."""
        # Not by an mmap.mmap, which would keep a descriptor open.
        self._start = _libc.mmap(None, _PAGE_SIZE, mmap.PROT_READ | mmap.PROT_WRITE,
                                 mmap.MAP_SHARED, descriptor, 0)
        if self._start == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "the claim page cannot be mapped")
        # Processes that a task forks have nothing to do with it.
        _libc.madvise(self._start, _PAGE_SIZE, _MADV_DONTFORK)
        self._addresses = [ctypes.c_void_p(self._start + 4 * number) for number in range(_WORDS)]
        self._words = (ctypes.c_uint32 * _WORDS).from_address(self._start)
        self._set = _bit_setter()
        self._frame = 0

    def close(self):
        """Unmap it; it is of no use any more."""
        _libc.munmap(self._start, _PAGE_SIZE)

    def begin(self):
        """Claim the next frame, in the order of the socket. False: it has been taken back."""
        number = self._frame % _WORDS
        self._frame += 1
        if self._words[number] == _WITHDRAWN:
            return False
        return self._set_bit(number) == _BEGUN

    def _set_bit(self, number):
        """What the word is afterwards, and stays."""
        self._set(self._addresses[number])
        word = self._words[number]
        if word not in (_BEGUN, _REFUSED):
            raise OSError(f"futex: a claim left its word at {word}")
        return word


def supported():
    """True if the kernel does what begin() needs. Tried out, because a sandbox may forbid it."""
    if _bit_setter() is None or not hasattr(os, "memfd_create"):
        return False
    try:
        with open(os.memfd_create("celeriac-claims", os.MFD_CLOEXEC), "r+b") as memory:
            memory.truncate(_PAGE_SIZE)
            claims = Claims(memory.fileno())
            works = _works(claims)
            claims.close()
            return works
    except OSError:
        return False


def _works(claims):
    words = claims._words
    words[1] = _WITHDRAWN
    return (claims._set_bit(0), claims._set_bit(1), words[2]) == (_BEGUN, _REFUSED, _STAGED)


def _bit_setter():
    """A function that makes the kernel set bit 0 of the word at an address; None on machines whose
    number of futex we do not know."""
    number = _SYS_FUTEX.get(platform.machine())
    if number is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    syscall = ctypes.PyDLL(None).syscall
    futex, operation, argument = map(ctypes.c_long, (number, _FUTEX_WAKE_OP_PRIVATE, _OR_1))
    nobody = ctypes.c_long(0)

    def set_bit(address):
        syscall(futex, address, operation, nobody, nobody, address, argument)
    return set_bit
