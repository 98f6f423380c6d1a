# SPDX-License-Identifier: BSD-3-Clause
"""Jobs that are sent ahead: celeriac-native and its claim pages."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Iterator

import pytest

from native_driver import RESULT, STARTED, WANT_STARTED, Native

STAGED, BEGUN, WITHDRAWN = 0, 1, 2
SIZE, WORDS = 4096, 64


class Page:
    """A claim page, as the main process has it."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("claims")
        os.ftruncate(self.fd, SIZE)
        self._map = mmap.mmap(self.fd, SIZE)

    def __getitem__(self, frame: int) -> int:
        return int(struct.unpack_from("=I", self._map, frame % WORDS * 4)[0])

    def __setitem__(self, frame: int, word: int) -> None:
        struct.pack_into("=I", self._map, frame % WORDS * 4, word)

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()
        os.close(self.fd)


@pytest.fixture(name="native")
def _native() -> Iterator[Native]:
    with Native() as native:
        yield native


@pytest.fixture(name="page")
def _page() -> Iterator[Page]:
    page = Page()
    yield page
    page.close()


def test_hello_says_that_children_look_ahead(native: Native) -> None:
    assert native.description["ahead"] is True


def test_child_claims_each_job_before_it_runs_it(native: Native, page: Page) -> None:
    child = native.spawn(1, 1, page.fd)
    for frame in range(WORDS + 2):
        page[frame] = STAGED
        assert child.run("example.add", 2, 3).value == 5
        assert page[frame] == BEGUN


def test_child_drops_what_was_withdrawn(native: Native, page: Page, tmp_path: Path) -> None:
    child = native.spawn(1, 1, page.fd)
    out = tmp_path / "out"
    page[1] = page[3] = WITHDRAWN
    numbers = [child.send_job("example.append", str(out), f"{number} ", flags=WANT_STARTED)
               for number in range(6)]
    for index in (0, 2, 4, 5):
        assert child.expect(STARTED) == [numbers[index]]
        assert child.expect(RESULT)[0] == numbers[index]
    assert out.read_text().split() == ["0", "2", "4", "5"]
    assert [page[frame] for frame in range(6)] == [BEGUN, WITHDRAWN, BEGUN, WITHDRAWN, BEGUN, BEGUN]


def test_staged_job_waits_unclaimed_behind_another(native: Native, page: Page) -> None:
    child = native.spawn(1, 1, page.fd)
    child.send_job("example.sleep", 0.2, flags=WANT_STARTED)
    number = child.send_job("example.pid")
    child.expect(STARTED)
    assert [page[0], page[1]] == [BEGUN, STAGED]
    page[1] = WITHDRAWN
    assert child.expect(RESULT)[0] == number - 1
    assert child.run("example.pid").value == child.pid


def test_every_child_has_its_own_page(native: Native, page: Page) -> None:
    other = Page()
    first, second = native.spawn(1, 1, page.fd), native.spawn(2, 2, other.fd)
    assert first.run("example.pid").value == first.pid
    assert [page[0], other[0]] == [BEGUN, STAGED]
    assert second.run("example.pid").value == second.pid
    assert other[0] == BEGUN
    other.close()


def test_page_leaves_no_descriptor_open(native: Native, page: Page) -> None:
    child = native.spawn(1, 1, page.fd)
    for pid in (child.pid, native.pid):
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [link for link in links if "claims" in link]


def test_child_whose_page_is_none_does_not_serve(native: Native) -> None:
    with open(os.devnull, "rb") as none:
        sock = native.request_child(1, 1, none.fileno())
        with sock:
            sock.settimeout(10)
            assert b"out of memory for a child" in sock.recv(4096)
