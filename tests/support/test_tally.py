# SPDX-License-Identifier: BSD-3-Clause
"""The closing line of scripts/test: it must count cases and forget no failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tally import Tally, count_ctest, count_pytest

TWO_GROUPS = """\
1: [  PASSED  ] 2 test(s).
1: [  SKIPPED ] 1 test(s), listed below:
1: [  SKIPPED ] skips
1: [  PASSED  ] 1 test(s).
1/1 Test #1: codec/test_a .....................   Passed    0.00 sec
"""
FAILED_CASE = """\
2: [  PASSED  ] 1 test(s).
2: [  FAILED  ] 1 test(s), listed below:
2: [  FAILED  ] bad
2:
2:  1 FAILED TEST(S)
2/5 Test #2: codec/test_b .....................***Failed    0.00 sec
"""
CRASH = """\
3: [       OK ] good
3: [ RUN      ] bad
3/5 Test #3: codec/test_c .....................Subprocess aborted***Exception:   0.00 sec
"""
SANITIZER_AFTER_SUMMARY = """\
4: [  PASSED  ] 7 test(s).
4: ERROR: LeakSanitizer: detected memory leaks
4/5 Test #4: codec/test_d .....................***Failed    0.10 sec
"""
REPLAY = "4/5 Test #4: fuzz/replay_d ....................   Passed    0.00 sec\n"
TIMEOUT = "5/5 Test #5: codec/test_hang ..................***Timeout   1.00 sec\n"


@pytest.mark.parametrize("log, expected", [
    ("", Tally()),
    (TWO_GROUPS, Tally(3, 1, [])),
    (FAILED_CASE, Tally(1, 0, ["codec/test_b: 1 case(s)"])),
    (CRASH, Tally(0, 0, ["codec/test_c: ended badly"])),
    (SANITIZER_AFTER_SUMMARY, Tally(7, 0, ["codec/test_d: ended badly"])),
    (REPLAY, Tally(1, 0, [])),
    (TIMEOUT, Tally(0, 0, ["codec/test_hang: ended badly"])),
], ids=["nothing", "two groups", "failed case", "crash", "sanitizer", "replay", "timeout"])
def test_ctest_log_is_counted_by_case(log: str, expected: Tally) -> None:
    assert count_ctest(log) == expected


def test_pytest_results_are_counted(tmp_path: Path) -> None:
    results = tmp_path / "pytest.xml"
    results.write_text(
        '<testsuites><testsuite><testcase classname="a" name="good"/>'
        '<testcase classname="a" name="bad"><failure/></testcase>'
        '<testcase classname="a" name="broken"><error/></testcase>'
        '<testcase classname="a" name="later"><skipped/></testcase></testsuite></testsuites>')
    assert count_pytest(results) == Tally(1, 1, ["a.bad", "a.broken"])


def test_missing_pytest_results_are_a_failure(tmp_path: Path) -> None:
    assert count_pytest(tmp_path / "none").failed == ["pytest: wrote no results"]
