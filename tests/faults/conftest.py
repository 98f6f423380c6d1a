# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the fault tests: a node that they may harm, a proxy with a witness, held tasks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Callable, Iterator, Mapping

import pytest

from faults.held import Held
from faults.proxy import Proxy
from faults.site import (DURABLE_RESULTS, PYTHON_APP, PYTHON_OPTION, fault_tasks,
                         python_env)
from faults.witness import Witness
from support.rabbitmq import RabbitMQ
from support.worker import Worker


# Celery's: the tests count what a worker holds, which grows by itself otherwise.
WINDOW = ("--prefetch-multiplier", "4")


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A node for this folder only: its tests restart and stop it."""
    with RabbitMQ() as node:
        yield node


@pytest.fixture
def witness() -> Witness:
    """Sees what passes the proxy."""
    return Witness()


@pytest.fixture
def proxy(rabbitmq: RabbitMQ, witness: Witness) -> Iterator[Proxy]:
    """An open proxy in front of the node."""
    with Proxy(rabbitmq.port, witness) as one:
        yield one


@pytest.fixture
def held(broker_url: str, tmp_path: Path) -> Iterator[Held]:
    """Tasks that run until they are let go, and a durable queue for their results."""
    with closing(Held(broker_url, tmp_path / "held")) as one:
        yield one


@pytest.fixture
def fault_worker(request: pytest.FixtureRequest, worker: Callable[..., Worker], proxy: Proxy,
                 broker_url: str) -> Callable[..., Worker]:
    """Start celeriac with fault.hold, behind the proxy unless url= says otherwise.

    The tasks are those in C; with the parameter "python", those of the Celery app.
    """
    python = getattr(request, "param", "native") == "python"

    def start(*args: str, query: str = "", url: str = "", env: Mapping[str, str] | None = None,
              **options: object) -> Worker:
        args = (*WINDOW, *DURABLE_RESULTS, *(PYTHON_OPTION if python else ()), *args)
        return worker(*args, url=(url or proxy.url(broker_url)) + query,
                      app=PYTHON_APP if python else fault_tasks(),
                      env={**(python_env() if python else {}), **(env or {})}, **options)

    return start
