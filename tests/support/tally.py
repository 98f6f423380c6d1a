# SPDX-License-Identifier: BSD-3-Clause
"""Adds up one run of all tests: python3 -m support.tally CTEST_LOG PYTEST_XML...

A C test is one cmocka case. A program that says nothing of cases (a corpus replay, a crash
before the summary) counts as one. The last line is "N passed, N failed".
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

OUTPUT = re.compile(r"^(\d+): (.*)$")
CASES = re.compile(r"\[  (PASSED|FAILED|SKIPPED) *\] (\d+) test\(s\)")
VERDICT = re.compile(r"^ *\d+/\d+ Test +#(\d+): (\S+) \.*(.*)$")


@dataclass
class Tally:
    """What ran, and the names of what failed."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the counts of another."""
        self.passed += other.passed
        self.skipped += other.skipped
        self.failed += other.failed


def _program(name: str, passed: bool, cases: Counter[str]) -> Tally:
    """The tally of one C test program from its verdict and its case counts."""
    failures = [f"{name}: {cases['FAILED']} case(s)"] * cases["FAILED"]
    if not passed and not failures:
        failures = [f"{name}: ended badly"]
    if passed and not cases:
        return Tally(passed=1)
    return Tally(cases["PASSED"], cases["SKIPPED"], failures)


def count_ctest(log: str) -> Tally:
    """Count the cmocka cases in the output of ctest -V."""
    total = Tally()
    cases: dict[str, Counter[str]] = defaultdict(Counter)
    for line in log.splitlines():
        if output := OUTPUT.match(line):
            for kind, number in CASES.findall(output[2]):
                cases[output[1]][kind] += int(number)
        elif verdict := VERDICT.match(line):
            number, name, outcome = verdict.groups()
            total.add(_program(name, "Passed" in outcome, cases[number]))
    return total


def count_pytest(path: Path) -> Tally:
    """Count the test cases of a JUnit file; that there is none means that pytest itself failed."""
    if not path.exists():
        return Tally(failed=["pytest: wrote no results"])
    total = Tally()
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            total.failed.append(f"{case.get('classname')}.{case.get('name')}")
        elif "skipped" in kinds:
            total.skipped += 1
        else:
            total.passed += 1
    return total


def main() -> int:
    """Print the tally; 0 if something ran and nothing failed."""
    if len(sys.argv) < 3:
        print(__doc__.strip())
        return 2
    total = count_ctest(Path(sys.argv[1]).read_text(errors="replace"))
    for path in sys.argv[2:]:
        total.add(count_pytest(Path(path)))
    for name in total.failed:
        print(f"FAILED {name}")
    if total.skipped:
        print(f"{total.skipped} skipped")
    print(f"{total.passed} passed, {len(total.failed)} failed")
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main())
