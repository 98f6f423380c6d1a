# SPDX-License-Identifier: BSD-3-Clause
"""Telling the main process why we cannot go on: ERROR, packed by hand, since msgpack may be what is
missing. No newer syntax than the oldest Python 3 has (__main__.py)."""

import os
import struct
import sys

CHANNEL = 3

_ARRAY_OF_2, _ERROR, _STR32 = b"\x92", b"\x13", b"\xdb"


class LoadError(Exception):
    """The app cannot be loaded, or cannot be run by celeriac: a sentence for its owner."""


def interpreter():
    """Who we are, for a sentence."""
    version = ".".join(map(str, sys.version_info[:3]))
    return "the interpreter " + sys.executable + " (Python " + version + ")"


def report(text):
    """Send ERROR over the channel, or print the text where there is none."""
    data = text.encode("utf-8", "backslashreplace")
    body = _ARRAY_OF_2 + _ERROR + _STR32 + struct.pack(">I", len(data)) + data
    frame = struct.pack(">I", len(body)) + body
    try:
        while frame:
            frame = frame[os.write(CHANNEL, frame):]
    except OSError:
        sys.stderr.write(text + "\n")
