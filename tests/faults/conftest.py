# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the fault tests: a node that they may harm, a proxy with a witness, held tasks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Callable, Iterator

import pytest

from faults.held import Held
from faults.proxy import Proxy
from faults.site import fault_tasks
from faults.witness import Witness
from support.rabbitmq import RabbitMQ
from support.worker import Worker


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
def fault_worker(worker: Callable[..., Worker], proxy: Proxy,
                 broker_url: str) -> Callable[..., Worker]:
    """Start celeriac with fault.hold, behind the proxy unless url= says otherwise."""

    def start(*args: str, query: str = "", url: str = "", **options: object) -> Worker:
        return worker("--result-backend", "rpc://", "--set", "result_persistent=true", *args,
                      url=(url or proxy.url(broker_url)) + query, app=fault_tasks(), **options)

    return start
