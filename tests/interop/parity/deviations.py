# SPDX-License-Identifier: BSD-3-Clause
"""Where celeriac differs on purpose: why, and what is the same all the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = ("returned", "documents", "journal", "log", "dead letters")


@dataclass(frozen=True)
class Deviation:
    """Cases (a pattern of configuration-case), the facets to compare, what celeriac must show."""

    why: str
    cases: str
    facets: tuple[str, ...]
    shows: str = ""


_UNPICKLABLE = "Celery's pool cannot pickle it, and MaybeEncodingError replaces what was stored"
DEVIATIONS = (
    Deviation(_UNPICKLABLE, r".*-exception: odd", (), "odd (7)"),
    Deviation(_UNPICKLABLE, r".*-exception: keyword", (), "Keyword"),
    Deviation(_UNPICKLABLE, r".*-exception: unpicklable", (), "_thread.lock"),
    Deviation(_UNPICKLABLE, r".*-exception: class in class", (), "Nested"),
    Deviation("Celery calls error callbacks twice: at the limit, and when the process is gone",
              r"limits-hard limit with link_error", ("returned",)),
    Deviation("a task's programs must not be deaf to SIGINT", r"main-signal handlers",
              ("delivered", "published"), "SIGPIPE"),
    Deviation("a lost task comes back as a new message, with a count of its losses",
              r"(limits-rejected|late-lost|late-task that is acknowledged late).*", MOST),
    Deviation("only what a child can tell a custom request, it is told; not soft limits",
              r"limits-request class is told", ("returned", "documents", "published")),
    Deviation("a child decodes the body, after the message was received",
              r"main-undecodable body", ("returned", "documents", "published", "delivered")),
    Deviation("the main process writes its lines itself, whatever setup_logging does",
              r"custom-(log.*|ignored.*|kept.*|chord)",
              ("returned", "documents", "journal", "published", "delivered"),
              "own|"),
    Deviation("the main process writes its lines itself, whatever setup_logging does",
              r"custom-worker", ("status", "left", "journal", "log files")),
    Deviation("texts of arguments that a protocol 1 message has not are empty, not None",
              r"main-protocol 1", ("returned", "documents", "published", "delivered", "log")),
    Deviation("children that notice the end of a killed worker", r"pickle-worker",
              ("status", "left", "log")),
    Deviation("the exit codes of children that tasks end, and what a kill finds running",
              r"limits-worker", ("status", "log")),
)


def deviation_of(case: str) -> Deviation | None:
    """The first that names this case (configuration-case)."""
    return next((one for one in DEVIATIONS if re.fullmatch(one.cases, case)), None)
