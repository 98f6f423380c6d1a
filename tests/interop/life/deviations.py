# SPDX-License-Identifier: BSD-3-Clause
"""Where celeriac is not as Celery, on purpose: README.md's table, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Remote control is being built: rows K, M, f and g run when it is there.
CONTROL = True


@dataclass(frozen=True)
class Deviation:
    """`facets` are not compared, in the cases of that name (a pattern) with these workers."""

    cases: str
    facets: tuple[str, ...]
    reason: str
    kinds: tuple[str, ...] = ("native", "Python")
    before: tuple[int, int] = (9, 0)  # only against a Celery older than this


NATIVE = ("native",)
OLD = (5, 3)

DEVIATIONS: tuple[Deviation, ...] = (
    Deviation("E: .*|G: .*|I: .*|Y, Z: .*|a: .*|j: .*", ("log",), "the line names the task"),
    Deviation("H: .*", ("documents", "tracebacks", "log"), "FAILURE InvalidTaskError"),
    Deviation("I: .*", ("status", "settled", "left"), "rejected, and the worker goes on"),
    Deviation("a: .*", ("settled", "messages"),
              "a copy that counts the loss is published, then the message acknowledged"),
    Deviation("c, d: .*", ("repeats",), "stored once"),
    Deviation("h: .*", ("documents", "tracebacks", "log"), "RETRY with words; said at ERROR",
              NATIVE),
    Deviation("h: .*", ("documents", "tracebacks", "log"), "the app is not told; said at ERROR",
              ("Python",)),
    Deviation("i: .*", ("settled", "log"), "given back with basic.nack; said at WARNING"),
    Deviation("S: .*|T: .*|b: .*", ("tracebacks",),
              "a native task has a traceback where it raised something", NATIVE),
    # What Debian's Celery does, and newer ones do not.
    Deviation("O: success, result ignored", ("documents", "tracebacks"),
              "Celery 5.2 stores STARTED although the message says that nothing is stored", NATIVE,
              OLD),
    Deviation("e: .*", ("settled", "documents", "tracebacks", "repeats", "log"),
              "Celery 5.2 does not run it again", before=OLD),
    Deviation("P, Q: .*|U: .*|V, X: .*|W: .*|X: .*", ("log",),
              "Celery 5.2 with billiard 4.1 logs every exception at ERROR", NATIVE, OLD),
)


def deviations_of(name: str, kind: str) -> list[Deviation]:
    """Those that a case has."""
    return [one for one in DEVIATIONS if re.fullmatch(one.cases, name) and kind in one.kinds]
