# SPDX-License-Identifier: BSD-3-Clause
"""Where celeriac is not as Celery, on purpose: README.md's table, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Remote control is being built: rows K, M, f and g run when it is there.
CONTROL = False


@dataclass(frozen=True)
class Deviation:
    """`facets` are not compared, in the cases of that name (a pattern) with these workers."""

    cases: str
    facets: tuple[str, ...]
    reason: str
    kinds: tuple[str, ...] = ("native", "Python")
    modes: str = ".*"


DEVIATIONS: tuple[Deviation, ...] = (
)


def deviations_of(name: str, mode: str, kind: str) -> list[Deviation]:
    """Those that a case has."""
    return [one for one in DEVIATIONS if re.fullmatch(one.cases, name)
            and re.fullmatch(one.modes, mode) and kind in one.kinds]
