# SPDX-License-Identifier: BSD-3-Clause
"""Large results and arguments, there and back; 16 MiB under a sanitizer, else 64 MiB."""

from __future__ import annotations

from typing import Callable

import pytest
from celery import Celery

from interop.settings import is_sanitized
from support.amqp import Client
from support.worker import BaseWorker

MIB = 1024 * 1024
LARGE = (16 if is_sanitized() else 64) * MIB


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_072, 131_073, LARGE])
def test_text_comes_back(worker: Callable[..., BaseWorker], client: Celery, size: int) -> None:
    running = worker()
    text = ("0123456789abcdef" * (size // 16 + 1))[:size]
    result = client.send_task("example.echo", (text,), delivery_mode=1).get(timeout=50)
    assert result[1] == {} and len(result[0]) == 1
    assert result[0][0] == text
    assert client.send_task("example.add", (2, 3)).get(timeout=10) == 5
    assert running.stop() == 0


def test_large_bytes_come_back(worker: Callable[..., BaseWorker], msgpack_client: Celery) -> None:
    worker("--set", "accept_content=msgpack", "--set", "result_serializer=msgpack")
    data = bytes(range(256)) * (LARGE // 256)
    result = msgpack_client.send_task("example.echo", (data,), delivery_mode=1).get(timeout=50)
    assert result == [[data], {}]


def test_many_large_results_fit_one_after_the_other(worker: Callable[..., BaseWorker],
                                                    client: Celery, amqp: Client) -> None:
    """Together they are larger than what may wait for confirms (64 MiB)."""
    running = worker(concurrency=2)
    texts = [chr(ord("a") + number) * (LARGE // 4) for number in range(8)]
    results = [client.send_task("example.echo", (text,), delivery_mode=1) for text in texts]
    for text, result in zip(texts, results):
        assert result.get(timeout=50) == [[text], {}]
    assert running.stop() == 0
    assert amqp.counts("celery")[0] == 0
