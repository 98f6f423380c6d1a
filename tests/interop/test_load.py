# SPDX-License-Identifier: BSD-3-Clause
"""Thousands of mixed tasks by stock clients: every result must be the right one.

3,000 tasks in the suite; CELERIAC_INTEROP_SCALE=7 makes 21,000 of them.
"""

from __future__ import annotations

import math
import random
from typing import Any, Callable

import pytest
from celery import Celery

from interop.conftest import ACCEPT_BOTH
from interop.settings import scaled
from support.amqp import Client
from support.worker import BaseWorker

TEXTS = ["", "plain", "äöü", "日本語", "😀 emoji", "\x00\x01", "quote\" back\\slash", "x" * 3000]
CALL = tuple[str, tuple[Any, ...], dict[str, Any], Any]


def _number(dice: random.Random) -> Any:
    return dice.choice([dice.randint(-10**6, 10**6), dice.randint(-2**61, 2**61),
                        dice.uniform(-1e9, 1e9), float(dice.randint(-5, 5))])


def _leaf(dice: random.Random, wide: bool) -> Any:
    leaves = [None, True, False, dice.choice(TEXTS), _number(dice), math.inf, math.nan]
    if wide:
        leaves += [dice.randint(2**64, 2**200), -dice.randint(2**64, 2**100)]
    return dice.choice(leaves)


def _value(dice: random.Random, wide: bool, depth: int = 0) -> Any:
    kind = dice.randrange(4) if depth < 5 else 0
    if kind < 2:
        return _leaf(dice, wide)
    values = [_value(dice, wide, depth + 1) for _ in range(dice.randrange(5))]
    return values if kind == 2 else {f"k{i} ü": value for i, value in enumerate(values)}


def _call(dice: random.Random, wide: bool) -> CALL:
    """A task, its arguments, and what Python says that the answer is."""
    kind = dice.randrange(10)
    if kind < 4:
        x, y = _number(dice), _number(dice)
        return "example.add", (x, y), {}, x + y
    if kind < 9:
        args = [_value(dice, wide) for _ in range(dice.randrange(4))]
        kwargs = {f"key{i}": _value(dice, wide) for i in range(dice.randrange(3))}
        return "example.echo", tuple(args), kwargs, [args, kwargs]
    text = dice.choice(TEXTS).replace("\x00", "0")
    return "example.fail", (text,), {}, ValueError(text)


@pytest.mark.timeout(300)
def test_every_result_of_a_mixed_load_is_right(
        python_worker: Callable[..., BaseWorker], client: Celery, msgpack_client: Celery,
        amqp: Client) -> None:
    worker = python_worker(*ACCEPT_BOTH)
    dice = random.Random(20261122)
    sent = []
    for number in range(scaled(3000)):
        app = (client, msgpack_client)[number % 2]
        task, args, kwargs, expected = _call(dice, wide=app is client)
        compression = dice.choice([None, None, None, "zlib", "bzip2"])
        protocol_1 = dice.random() < 0.2
        app.conf.task_protocol = 1 if protocol_1 else 2
        sent.append((app.send_task(task, args, kwargs, compression=compression), expected))
    for result, expected in sent:
        value = result.get(timeout=60, propagate=False)
        assert repr(value) == repr(expected)
        assert result.state == ("FAILURE" if isinstance(expected, Exception) else "SUCCESS")
    assert worker.stop() == 0
    assert amqp.counts("celery")[0] == 0
    assert "Traceback" not in worker.read_log().split("raised unexpected")[0]
