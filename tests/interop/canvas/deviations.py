# SPDX-License-Identifier: BSD-3-Clause
"""Where celeriac differs on purpose: why, and what is the same all the same."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """Cases (a pattern of mix-shape), and the facets that are compared all the same."""

    why: str
    cases: str
    facets: tuple[str, ...]


DEVIATIONS: tuple[Deviation, ...] = (
)


def deviation_of(case: str) -> Deviation | None:
    """The first that names this case (mix-shape)."""
    return next((one for one in DEVIATIONS if re.fullmatch(one.cases, case)), None)
