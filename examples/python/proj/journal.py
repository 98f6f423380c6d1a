# SPDX-License-Identifier: BSD-3-Clause
"""A file that tasks write lines to: PROJ_JOURNAL, else one in the temporary folder."""

import os
import tempfile

PATH = os.environ.get("PROJ_JOURNAL") or os.path.join(tempfile.gettempdir(), "proj-journal.txt")


def write(line):
    """Add a line with a single write, so that processes do not mix theirs."""
    file = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def lines():
    """All lines so far."""
    try:
        with open(PATH, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []
