# SPDX-License-Identifier: BSD-3-Clause
"""Every shape under every mix of workers: what becomes of it is what Celery's own makes of it.

CELERIAC_CANVAS_ALL=1 adds more mixes, and Celery against itself, which shows that the suite is
deterministic; CELERIAC_TEST_PYTHON=/path/to/python runs workers and clients with the Celery that
this interpreter has. -k "native-chord" selects MIX-SHAPE.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

import pytest

from interop.canvas.deviations import deviation_of
from interop.canvas.observe import Observations
from interop.canvas.side import MIXES, MORE_MIXES, PYTHON, Side
from interop.parity.side import run_all
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import TESTS

REFERENCE = "celery"
EVERYTHING = "everything"
AT_ONCE = 3
TRACE = "lists:foreach(fun(V) -> rabbit_trace:start(V) end, [%s])."
LIMIT = 160
ALL = MIXES | (MORE_MIXES if os.environ.get("CELERIAC_CANVAS_ALL") else {})


@lru_cache
def _known() -> dict[str, Any]:
    """The shapes, and which Celery it is; they live where the app does, in another program."""
    done = subprocess.run([PYTHON, "-m", "interop.canvas.client", "list"], cwd=TESTS,
                          capture_output=True, text=True, timeout=50, check=True)
    known: dict[str, Any] = json.loads(done.stdout)
    return known


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a shape and mix."""
    rows = [(mix, shape) for mix in ALL if mix != REFERENCE
            for shape in [*_known()["shapes"], EVERYTHING]]
    metafunc.parametrize("mix, shape", rows, ids=[f"{mix}-{shape}" for mix, shape in rows])


def _selected(session: pytest.Session) -> dict[str, list[str]]:
    """The shapes of this test run, by mix; the reference has all of them."""
    found: dict[str, list[str]] = {REFERENCE: []}
    for item in session.items:
        if item.nodeid.partition("::")[0].endswith("canvas/test_canvas.py"):
            params = item.callspec.params  # type: ignore[attr-defined]
            for mix in (REFERENCE, params["mix"]):
                shapes = found.setdefault(mix, [])
                if params["shape"] not in (EVERYTHING, *shapes):
                    shapes.append(params["shape"])
    return found


@pytest.fixture(scope="session")
def observations(request: pytest.FixtureRequest,
                 rabbitmq: RabbitMQ) -> dict[str, Observations | str]:
    """What each mix has left, or why there is nothing."""
    selected = _selected(request.session)
    with ExitStack() as servers:
        vhosts = {mix: rabbitmq.new_vhost() for mix in selected}
        sides = {mix: Side(ALL[mix], shapes, rabbitmq, vhosts[mix],
                           servers.enter_context(Redis()).url)
                 for mix, shapes in selected.items()}
        rabbitmq.ctl("eval", TRACE % ", ".join(f'<<"{vhost}">>' for vhost in vhosts.values()))
        run_all(list(sides.values()), AT_ONCE)
    return {mix: side.failure or Observations(side, _known()["version"])
            for mix, side in sides.items()}


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _difference(expected: Any, got: Any) -> str:
    lines = list(difflib.unified_diff(_lines(expected), _lines(got), "celery", "celeriac",
                                      lineterm="", n=6))
    return "\n".join(lines[:LIMIT])


@pytest.mark.timeout(240)
def test_same(observations: dict[str, Observations | str], mix: str, shape: str) -> None:
    """What becomes of a shape is the same, and so is what is left when all are done."""
    pair = (observations[REFERENCE], observations[mix])
    found = []
    for one in pair:
        if isinstance(one, str):
            pytest.fail(one, pytrace=False)
        found.append(one.left() if shape == EVERYTHING else one.of(shape))
    expected, got = found
    error = (expected.get("returned") or {}).get("error")
    if error:
        pytest.fail(error, pytrace=False)
    deviation = deviation_of(f"{mix}-{shape}", _known()["version"] < [5, 3])
    if deviation:
        assert deviation.shows in "\n".join(_lines(got))
        expected, got = ({facet: one[facet] for facet in deviation.facets} for one in found)
    if expected != got:
        pytest.fail(_difference(expected, got), pytrace=False)
