# SPDX-License-Identifier: BSD-3-Clause
"""The life-cycle table, one test a row: what celeriac does is what Celery's worker does."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from interop.life.run import Compared, Sites, all_compared, lines
from support.rabbitmq import RabbitMQ
from support.redis import Redis

COMPARED = {one.name: one for one in all_compared()}


@pytest.fixture(scope="session")
def sites(request: pytest.FixtureRequest, rabbitmq: RabbitMQ, redis: Redis,
          tmp_path_factory: pytest.TempPathFactory) -> Sites:
    """All workers, after they have been given what this test run is about."""
    chosen = {item.callspec.params["name"]: None  # type: ignore[attr-defined]
              for item in request.session.items
              if item.nodeid.partition("::")[0].endswith("life/test_life.py")}
    folder: Path = tmp_path_factory.mktemp("life")
    return Sites([COMPARED[name] for name in chosen], rabbitmq, redis, folder)


def _difference(sites: Sites, one: Compared, kind: str) -> str:
    return "\n".join(difflib.unified_diff(lines(sites.seen(one, "Celery")),
                                          lines(sites.seen(one, kind)), "Celery", kind,
                                          lineterm=""))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("kind", ["native", "Python"])
def test_row(sites: Sites, name: str, kind: str) -> None:
    """Equal, but for deviations that have a reason."""
    one = COMPARED[name]
    if sites.seen(one, kind) is None:
        return
    verdict = sites.verdict(one, kind)
    if not verdict.good:
        pytest.fail(f"{verdict.wrong}\n{_difference(sites, one, kind)}", pytrace=False)
