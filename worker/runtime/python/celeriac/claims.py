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
_MADV_DONTFORK = getattr(mmap, "MADV_DONTFORK", None)


class Claims:
    """The child's side of a claim page."""

    def __init__(self, descriptor):
        """Maps the page; the descriptor stays the caller's."""
        self._page = mmap.mmap(descriptor, _PAGE_SIZE)
        if _MADV_DONTFORK is not None:
            self._page.madvise(_MADV_DONTFORK)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._addresses = [ctypes.c_void_p(start + 4 * number) for number in range(_WORDS)]
        self._words = memoryview(self._page).cast("I")
        self._set = _bit_setter()
        self._frame = 0

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
        descriptor = os.memfd_create("celeriac-claims", os.MFD_CLOEXEC)
    except OSError:
        return False
    try:
        os.ftruncate(descriptor, _PAGE_SIZE)
        return _works(Claims(descriptor))
    except OSError:
        return False
    finally:
        os.close(descriptor)


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
    # PyDLL: the call does not wait, so there is no reason to let go of the interpreter's lock.
    syscall = ctypes.PyDLL(None).syscall
    futex, operation, argument = map(ctypes.c_long, (number, _FUTEX_WAKE_OP_PRIVATE, _OR_1))
    nobody = ctypes.c_long(0)

    def set_bit(address):
        syscall(futex, address, operation, nobody, nobody, address, argument)
    return set_bit
