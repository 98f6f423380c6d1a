# SPDX-License-Identifier: BSD-3-Clause
"""A small campaign, its plan, and the account that it keeps."""

from __future__ import annotations

import random

import pytest

from faults.campaign import Campaign, Order, plan
from faults.ledger import settle_accounts
from faults.witness import Delivery, Frames
from support.rabbitmq import RabbitMQ

FIRST = Delivery(1, 1, False, "q", "a")
AGAIN = Delivery(2, 1, True, "q", "a")
COPY = Delivery(1, 9, False, "q", "a", lost_count=1)


@pytest.mark.timeout(110)
@pytest.mark.parametrize("kind, tasks", [("celeriac", 600), ("celeriac-python", 300)])
def test_random_kills_lose_nothing_and_repeat_nothing_without_excuse(
        kind: str, tasks: int, rabbitmq: RabbitMQ, vhost: str) -> None:
    campaign = Campaign(rabbitmq, Order(kind, tasks, seed=20260, seconds=100, work=0.005), vhost)
    report = campaign.run()
    told = "\n".join(f"{name:40} {value}" for name, value in report.rows())
    print(told)
    assert report.good(), f"{told}\n{report.sanitizer}\n{campaign.log}"


@pytest.mark.parametrize("lines, deliveries, expected", [
    ([], [FIRST], "lost"),
    (["a"], [FIRST], "once"),
    (["a"], [FIRST, AGAIN], "once"),
    (["a", "a"], [FIRST, AGAIN], "redelivered"),
    (["a", "a"], [FIRST, COPY], "counted"),
    (["a", "a"], [FIRST], "unexcused"),
    (["a", "a"], [FIRST, FIRST], "unexcused"),
    (["a", "a", "a"], [FIRST, AGAIN], "unexcused"),
    (["a", "b"], [FIRST], "ghost"),
])
def test_account_tells_excused_repeats_from_others(
        lines: list[str], deliveries: list[Delivery], expected: str) -> None:
    account = settle_accounts(["a"], lines, {"a": deliveries})
    assert {"lost": len(account.lost), "once": account.once,
            "redelivered": account.repeated_redelivered, "counted": account.repeated_counted,
            "unexcused": len(account.unexcused), "ghost": len(account.ghosts)}[expected] == 1
    assert account.good() == (expected in ("once", "redelivered", "counted"))


def test_plan_depends_on_the_seed_only() -> None:
    one, same, other = (plan(5000, random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert [kind for _, kind in one].count("broker") == 5


def test_frames_are_cut_wherever_the_stream_is_split() -> None:
    stream = b"AMQP\x00\x00\x09\x01" + b"\x01\x00\x05\x00\x00\x00\x03abc\xce" * 3
    for step in range(1, len(stream)):
        frames = Frames(skip=8)
        found = [frame for at in range(0, len(stream), step)
                 for frame in frames.feed(stream[at:at + step])]
        assert found == [(1, 5, b"abc")] * 3
