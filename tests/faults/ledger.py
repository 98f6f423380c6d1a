# SPDX-License-Identifier: BSD-3-Clause
"""Who ran how often, and why: the file that the tasks wrote, held against what the wire shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from faults.witness import Delivery


def read_lines(path: Path) -> list[str]:
    """The lines that tasks have appended so far."""
    return path.read_text().splitlines() if path.exists() else []


@dataclass
class Account:
    """What became of all tasks. The promise: nothing lost, nothing unexcused, nothing ghostly."""

    tasks: int = 0
    lost: list[str] = field(default_factory=list)
    once: int = 0
    repeated_redelivered: int = 0
    repeated_counted: int = 0
    unexcused: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    runs: int = 0
    deliveries: int = 0
    redeliveries: int = 0

    def good(self) -> bool:
        """True if the promise was kept."""
        return not (self.lost or self.unexcused or self.ghosts)

    def rows(self) -> list[tuple[str, int]]:
        """For people."""
        return [("tasks", self.tasks), ("lost (never run)", len(self.lost)),
                ("run once", self.once),
                ("repeated, redelivered by the broker", self.repeated_redelivered),
                ("repeated, with a loss count", self.repeated_counted),
                ("repeated without either", len(self.unexcused)),
                ("lines of unknown tasks", len(self.ghosts)), ("runs", self.runs),
                ("deliveries", self.deliveries), ("of these redeliveries", self.redeliveries)]


def _enter_repeated(account: Account, task: str, runs: int, deliveries: Sequence[Delivery]) -> None:
    """Each run beyond the first needs a delivery of its own that was marked as not the first."""
    excused = [one for one in deliveries if one.excused]
    if runs - 1 > len(excused) or runs > len(deliveries):
        account.unexcused.append(task)
    elif any(one.lost_count or one.delivery_count for one in excused):
        account.repeated_counted += 1
    else:
        account.repeated_redelivered += 1


def settle_accounts(tasks: Iterable[str], lines: Sequence[str],
                    deliveries: Mapping[str, Sequence[Delivery]]) -> Account:
    """Hold the lines against the tasks that were sent and the deliveries that were seen."""
    runs = Counter(lines)
    account = Account(runs=len(lines))
    for task in tasks:
        account.tasks += 1
        seen = deliveries.get(task, [])
        account.deliveries += len(seen)
        account.redeliveries += sum(one.excused for one in seen)
        count = runs.pop(task, 0)
        if count == 0:
            account.lost.append(task)
        elif count == 1:
            account.once += 1
        else:
            _enter_repeated(account, task, count, seen)
    account.ghosts = list(runs)
    return account
