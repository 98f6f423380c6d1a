# SPDX-License-Identifier: BSD-3-Clause
"""What a run of these tests may change from outside, and what is known of the build."""

from __future__ import annotations

import os

from support.worker import build_folder

# Load tests send this many times as much; the suite's own amount is chosen for a sanitizer build.
SCALE = float(os.environ.get("CELERIAC_INTEROP_SCALE", "1"))
# Runs the tests that a Celery worker can pass against Debian's, to show that they are right.
REFERENCE = bool(os.environ.get("CELERIAC_INTEROP_REFERENCE"))


def scaled(count: int) -> int:
    """An amount of load: count in the suite."""
    return max(1, int(count * SCALE))


def is_sanitized() -> bool:
    """True for a build whose speed says nothing."""
    cache = build_folder() / "CMakeCache.txt"
    return cache.exists() and "CELERIAC_SANITIZE:BOOL=ON" in cache.read_text()
