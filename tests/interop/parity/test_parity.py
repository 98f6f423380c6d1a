# SPDX-License-Identifier: BSD-3-Clause
"""The same app, the same calls, under Celery's worker and under celeriac: the same to see.

CELERIAC_INTEROP_REFERENCE=1 compares Celery with itself, which shows that the suite is
deterministic; CELERIAC_TEST_PYTHON=/path/to/python runs workers and clients with the Celery that
this interpreter has.
"""

from __future__ import annotations

import difflib
import json
import subprocess
from typing import Any

import pytest

from interop.parity.configurations import CONFIGURATIONS
from interop.parity.deviations import deviation_of
from interop.parity.observe import Observations
from interop.parity.side import PYTHON, Side, run_all
from interop.settings import REFERENCE
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import TESTS

# Case "" is the worker itself: its signals, its log, what it leaves.
WORKER = "worker"
AT_ONCE = 6
TRACE = "lists:foreach(fun(V) -> rabbit_trace:start(V) end, [%s])."
LIMIT = 200


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case; the tables live where the app does, in another program."""
    done = subprocess.run([PYTHON, "-m", "interop.parity.client", "--list"], cwd=TESTS,
                          capture_output=True, text=True, timeout=50, check=True)
    rows = [(name, case) for name, cases in json.loads(done.stdout).items()
            for case in [*cases, WORKER]]
    metafunc.parametrize("name, case", rows, ids=[f"{name}-{case}" for name, case in rows])


def _selected(session: pytest.Session) -> dict[str, list[str]]:
    """The cases of this test run, by configuration."""
    found: dict[str, list[str]] = {}
    for item in session.items:
        if item.nodeid.partition("::")[0].endswith("parity/test_parity.py"):
            params = item.callspec.params  # type: ignore[attr-defined]
            cases = found.setdefault(params["name"], [])
            if params["case"] != WORKER:
                cases.append(params["case"])
    return found


@pytest.fixture(scope="session")
def sides(request: pytest.FixtureRequest, rabbitmq: RabbitMQ) -> dict[str, list[Side]]:
    """Both workers of each configuration, after all the cases."""
    selected = _selected(request.session)
    found: dict[str, list[Side]] = {}
    with Redis() as one, Redis() as other:
        vhosts = []
        for number, (name, cases) in enumerate(selected.items()):
            found[name] = []
            for worker, redis in (("celery", one), ("celery" if REFERENCE else "celeriac", other)):
                vhosts.append(rabbitmq.new_vhost())
                found[name].append(Side(
                    worker, name, CONFIGURATIONS[name], cases, rabbitmq.url_of(vhosts[-1]),
                    f"redis://127.0.0.1:{redis.port}/{number}"))
        rabbitmq.ctl("eval", TRACE % ", ".join(f'<<"{vhost}">>' for vhost in vhosts))
        run_all([side for pair in found.values() for side in pair], AT_ONCE)
    return found


@pytest.fixture(scope="session")
def observations(sides: dict[str, list[Side]]) -> dict[str, list[Observations | str]]:
    """What can be compared, or why there is nothing."""
    return {name: [side.failure or Observations(side) for side in pair]
            for name, pair in sides.items()}


def _lines(value: Any) -> list[str]:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    return text.replace("\\n", "\\n\n").splitlines()


def _difference(expected: Any, got: Any) -> str:
    lines = list(difflib.unified_diff(_lines(expected), _lines(got), "celery", "celeriac",
                                      lineterm="", n=6))
    return "\n".join(lines[:LIMIT])


@pytest.mark.timeout(240)
def test_same(observations: dict[str, list[Observations | str]], name: str, case: str) -> None:
    """What a user can observe of a case, or of the worker, is the same."""
    expected, got = (one if isinstance(one, str) else one.of("" if case == WORKER else case)
                     for one in observations[name])
    for worker, found in (("celery", expected), ("celeriac", got)):
        if isinstance(found, str):
            pytest.fail(f"{worker}: {found}", pytrace=False)
        if "error" in (found.get("returned") or {}):
            pytest.fail(f"{worker}: {found['returned']['traceback']}", pytrace=False)
    deviation = deviation_of(f"{name}-{case}")
    if deviation:
        assert deviation.shows in "\n".join(_lines(got))
        expected, got = ({facet: found[facet] for facet in deviation.facets}
                         for found in (expected, got))
    if expected != got:
        pytest.fail(_difference(expected, got), pytrace=False)
