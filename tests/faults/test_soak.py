# SPDX-License-Identifier: BSD-3-Clause
"""A short soak: what 30 lost connections leave behind in the main process."""

from __future__ import annotations

import pytest

from faults.soak import Soak
from support.rabbitmq import RabbitMQ


@pytest.mark.timeout(90)
def test_thirty_reconnects_leave_no_descriptor_and_lose_no_task(rabbitmq: RabbitMQ,
                                                                vhost: str) -> None:
    soak = Soak(rabbitmq, "celeriac", tasks=3000, cuts=30, seed=7, vhost=vhost)
    outcome = soak.run()
    assert not soak.worker.sanitizer_report(), soak.worker.sanitizer_report()
    assert outcome.lost == 0
    # Memory says nothing under a sanitizer, which keeps what was freed; it finds leaks itself.
    assert len({row.descriptors for row in outcome.rows}) == 1
