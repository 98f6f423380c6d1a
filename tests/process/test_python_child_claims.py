# SPDX-License-Identifier: BSD-3-Clause
"""Jobs that are sent ahead to a Python child."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from native_driver import JOB, LEAVE, RESULT, STARTED, WANT_STARTED, pack, request_of
from python_child import EMBED, Kid, Runtime
from python_driver import ERROR, PACKAGE
from test_native_ahead import BEGUN, STAGED, WITHDRAWN, WORDS, Page

REFUSED = WITHDRAWN | BEGUN
UNDER_WAY = 16
JOBS = 20_000


@pytest.fixture(scope="module", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("runtime"), loglevel="WARNING") as runtime:
        yield runtime


@pytest.fixture(name="kid")
def _kid(runtime: Runtime) -> Iterator[Kid]:
    kid = runtime.kid()
    yield kid
    kid.send(LEAVE)
    runtime.exited(kid)
    kid.close()


@pytest.fixture(name="claims")
def _claims(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module under test, in this process."""
    monkeypatch.syspath_prepend(str(PACKAGE.parent))
    yield importlib.import_module("celeriac.claims")


def test_hello_says_that_children_look_ahead(runtime: Runtime) -> None:
    assert runtime.description["ahead"] is True


def test_each_job_is_claimed(kid: Kid) -> None:
    for frame in range(WORDS + 2):
        assert kid.run("add", frame, 1).report["result"] == str(frame + 1)
        assert kid.page[frame] == BEGUN


def test_what_was_withdrawn_is_dropped_in_silence(kid: Kid) -> None:
    body = json.dumps([[], {}, EMBED]).encode()
    request = request_of("python_child_app.noop")
    for frame in range(6):
        kid.page[frame] = WITHDRAWN if frame in (1, 2, 4) else STAGED
    kid.sock.sendall(b"".join(pack(JOB, number, WANT_STARTED, request, body)
                              for number in range(6)))
    for number in (0, 3, 5):
        assert kid.expect(STARTED) == [number]
        assert kid.expect(RESULT)[0] == number
    for frame in range(6):
        assert kid.page[frame] in ((WITHDRAWN, REFUSED) if frame in (1, 2, 4) else (BEGUN,))


def test_staged_job_is_not_claimed_before_its_turn(kid: Kid) -> None:
    kid.send_job("sleep", 0.2, flags=WANT_STARTED)
    number = kid.send_job("noop")
    kid.expect(STARTED)
    assert [kid.page[0], kid.page[1]] == [BEGUN, STAGED]
    assert [kid.expect(RESULT)[0], kid.expect(RESULT)[0]] == [number - 1, number]


def test_page_leaves_no_descriptor_open(runtime: Runtime, kid: Kid) -> None:
    for pid in (kid.pid, runtime.pid):
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [link for link in links if "claims" in link]


def test_process_that_a_task_forks_has_no_page(kid: Kid) -> None:
    line = next(line for line in Path(f"/proc/{kid.pid}/smaps").read_text().split("\n")
                if "claims" in line)
    smaps = Path(f"/proc/{kid.pid}/smaps").read_text().split(line)[1]
    assert " dc" in smaps.split("VmFlags:")[1].split("\n")[0]


def test_child_whose_page_is_none_does_not_serve(tmp_path: Path) -> None:
    with Runtime(tmp_path) as runtime, open(os.devnull, "rb") as none:
        child = Kid.__new__(Kid)
        sock = runtime.request_child(1, 1, none.fileno())
        super(Kid, child).__init__(sock, 1, 0)
        child.page = None
        text, = child.expect(ERROR)
        assert "the claim page cannot be mapped" in text
        child.close()


def test_machine_without_the_operation_is_told(claims: Any,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    assert claims.supported() is True
    monkeypatch.setattr(claims.platform, "machine", lambda: "riscv64")
    assert claims.supported() is False


def test_kernel_that_refuses_is_told(claims: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_FUTEX_WAKE_OP_PRIVATE", 99)
    assert claims.supported() is False
    page = Page()
    refused = claims.Claims(page.fd)
    with pytest.raises(OSError, match="futex"):
        refused.begin()
    refused.close()
    page.close()


def test_sandbox_without_futex_is_told() -> None:
    """A process that may have no more memory files, like one in a sandbox."""
    code = ("import resource, sys; sys.path.insert(0, sys.argv[1]);"
            "from celeriac import claims;"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); print(claims.supported())")
    assert subprocess.check_output([sys.executable, "-c", code, str(PACKAGE.parent)],
                                   text=True) == "False\n"


WITHDRAWER = """
#include <stdatomic.h>
#include <stdint.h>
int withdraw(void *page, unsigned frame)
{
    _Atomic uint32_t *word = (_Atomic uint32_t *)page + frame % 64;
    uint32_t staged = 0;
    return atomic_compare_exchange_strong(word, &staged, 2);
}
"""


@pytest.fixture(scope="module", name="withdrawer")
def _withdrawer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("withdrawer")
    (folder / "withdraw.c").write_text(WITHDRAWER)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder / "withdraw.so",
                    folder / "withdraw.c"], check=True)
    return ctypes.CDLL(str(folder / "withdraw.so")).withdraw


class Racer:
    """Stages jobs and tries to take them back while the child claims them."""

    def __init__(self, kid: Kid, withdraw: Any) -> None:
        self._kid = kid
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(kid.page._map))
        self._withdraw = withdraw
        self._body = json.dumps([[], {}, EMBED]).encode()
        self._request = request_of("python_child_app.quiet", "json")
        self._chance = random.Random(5)
        self._open: list[int] = []  # sent, neither answered nor skipped
        self._sent = 0
        self.withdrawn: set[int] = set()
        self.answered: list[int] = []

    def _stage(self) -> None:
        frames = []
        while len(self._open) < UNDER_WAY and self._sent < JOBS:
            self._kid.page[self._sent] = STAGED
            frames.append(pack(JOB, self._sent, 0, self._request, self._body))
            self._open.append(self._sent)
            self._sent += 1
        self._kid.sock.sendall(b"".join(frames))

    def _take_back(self) -> None:
        """Now and then one of those at the front, where the child is at it too; never the last,
        whose answer tells that the others have been dropped."""
        for frame in self._open[:-1][:3]:
            if self._chance.random() < 0.3 \
                    and self._withdraw(ctypes.c_void_p(self._address), frame):
                self.withdrawn.add(frame)

    def run(self) -> None:
        """All jobs."""
        while self._sent < JOBS or self._open:
            self._stage()
            self._take_back()
            number = self._kid.expect(RESULT)[0]
            self.answered.append(number)
            del self._open[:self._open.index(number) + 1]


@pytest.mark.timeout(120)
def test_no_job_is_both_withdrawn_and_answered(kid: Kid, withdrawer: Any) -> None:
    racer = Racer(kid, withdrawer)
    racer.run()
    assert len(racer.withdrawn) > JOBS / 100
    assert racer.answered == sorted(set(range(JOBS)) - racer.withdrawn)
    kid.frames = JOBS
    assert kid.run("add", 2, 3).report["result"] == "5"
