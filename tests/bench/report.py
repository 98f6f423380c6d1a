# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: building what is measured, and tables for people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
BUSY = 0.7
RELEASE = "build/release"


def run_steps(steps: Sequence[Sequence[str]]) -> None:
    """Run programs in the project's folder; the first that fails ends us with its output."""
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(step)} failed:\n{done.stdout}{done.stderr}")


def build_release() -> None:
    """Bring the release build up to date."""
    run_steps([["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]])


def warn_if_busy() -> None:
    """Say so if others use the machine."""
    if os.getloadavg()[0] > BUSY:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}); the figures will show it",
              file=sys.stderr)


def show(lines: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        print("  ".join(cells).rstrip())
