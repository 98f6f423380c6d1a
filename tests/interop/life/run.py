# SPDX-License-Identifier: BSD-3-Clause
"""All rows with all workers: runs them and holds the workers against each other."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from interop.life.deviations import CONTROL, Deviation, deviations_of
from interop.life.observe import FACETS, broken_order, observe
from interop.life.rows import CASES, Case
from interop.life.site import KINDS, MODES, PYTHON, Site, run_all
from support.rabbitmq import RabbitMQ
from support.redis import Redis
from support.worker import ROOT

AT_ONCE = 6
TASKS = Path(__file__).with_name("life_tasks.c")


@dataclass(frozen=True)
class Compared:
    """A case with one set of settings and one backend."""

    case: Case
    mode: str
    backend: str

    @property
    def name(self) -> str:
        """For tests."""
        return f"{self.case.name}, {self.mode}, {self.backend}"


@cache
def celery_version() -> tuple[int, int]:
    """Of the interpreter that the workers run with."""
    code = "import celery; print(*celery.VERSION[:2])"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60,
                          check=True)
    major, minor = done.stdout.split()
    return int(major), int(minor)


def all_compared() -> list[Compared]:
    """What there is; both backends where settings are common to most rows."""
    return [Compared(case, mode, backend) for case in CASES for mode in case.modes
            if (CONTROL or mode != "control") and case.since <= celery_version()
            for backend in (("redis", "rpc") if mode in ("early", "late") else ("redis",))]


class Sites:
    """The workers of all that is compared, after they have run."""

    def __init__(self, compared: list[Compared], broker: RabbitMQ, redis: Redis,
                 folder: Path) -> None:
        self._sites = {(kind, mode, backend): Site(kind, mode, backend, cases)
                       for (mode, backend), cases in _by_worker(compared).items()
                       for kind in KINDS}
        library = _compile(folder)
        run_all([site.steps(broker.url_of(broker.new_vhost()), redis.url, library)
                 for site in self._sites.values()], AT_ONCE)

    def keep_logs(self, folder: Path) -> None:
        """Write each worker's log to a file."""
        folder.mkdir(parents=True, exist_ok=True)
        for names, site in self._sites.items():
            (folder / "-".join(names)).write_text(site.log)

    def site(self, one: Compared, kind: str) -> Site:
        """The worker of that kind that has run it."""
        return self._sites[kind, one.mode, one.backend]

    def seen(self, one: Compared, kind: str) -> dict[str, Any] | None:
        """What was observed; None where there is no such case."""
        if kind == "native" and one.case.python_only:
            return None
        return observe(self.site(one, kind), one.case.name)

    def verdict(self, one: Compared, kind: str) -> "Verdict":
        """celeriac against Celery."""
        expected, got = self.seen(one, "Celery"), self.seen(one, kind)
        assert expected is not None and got is not None
        for found in (expected, got):
            if "failure" in found:
                return Verdict([], [], found["failure"])
        different = [facet for facet in FACETS if expected[facet] != got[facet]]
        known = [deviation for deviation in deviations_of(one.case.name, kind)
                 if celery_version() < deviation.before
                 and set(deviation.facets) & set(different)]
        excused = {facet for deviation in known for facet in deviation.facets}
        return Verdict([facet for facet in different if facet not in excused], known,
                       broken_order(self.site(one, kind), one.case.name))


@dataclass
class Verdict:
    """What differs without a reason, what has one, and what went wrong."""

    different: list[str]
    deviations: list[Deviation]
    wrong: str

    @property
    def good(self) -> bool:
        """True if everything is as it should be."""
        return not self.different and not self.wrong


def _by_worker(compared: list[Compared]) -> dict[tuple[str, str], list[Case]]:
    found: dict[tuple[str, str], list[Case]] = {}
    for one in compared:
        found.setdefault((one.mode, one.backend), []).append(one.case)
    # The longest first, so that they do not run alone at the end.
    return dict(sorted(found.items(), key=lambda pair: list(MODES).index(pair[0][0])))


def _compile(folder: Path) -> Path:
    library = folder / "life_tasks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-I", str(ROOT / "include"), "-o", str(library),
                    str(TASKS)], check=True, timeout=60)
    return library


def lines(value: Any) -> list[str]:
    """For differences."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
