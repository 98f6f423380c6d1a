# SPDX-License-Identifier: BSD-3-Clause
"""Chains, groups and chords of native tasks, started by a stock client, with results in Redis."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import ChordError

from support.client import celery_client
from support.process import wait_until
from support.redis import Redis
from support.worker import BaseWorker


@pytest.fixture
def app(worker: Callable[..., BaseWorker], broker_url: str, redis: Redis) -> Iterator[Celery]:
    """A client, and a worker that stores results in Redis."""
    worker(backend=redis.url)
    with celery_client(broker_url, redis.url) as made:
        yield made
        # Results that outlive Redis would complain when they are freed.
        made.backend.result_consumer.cancel_for = lambda task_id: None


def add(app: Celery, *args: Any) -> Any:
    """A signature of the example task."""
    return app.signature("example.add", args)


def test_chain(app: Celery) -> None:
    result = chain(add(app, 1, 1), add(app, 2), add(app, 3)).apply_async()
    assert result.get(timeout=10) == 7
    assert result.parent.get(timeout=10) == 4


def test_links_of_success_and_failure(app: Celery) -> None:
    linked = add(app, 10).clone()
    linked.set(task_id="linked-id")
    result = add(app, 1, 2).apply_async(link=linked)
    assert result.get(timeout=10) == 3
    assert app.AsyncResult("linked-id").get(timeout=10) == 13
    errback = app.signature("example.echo").clone()
    errback.set(task_id="errback-id")
    failed = app.signature("example.fail", ("oh",)).apply_async(link_error=errback)
    with pytest.raises(ValueError):
        failed.get(timeout=10)


def test_chord_is_in_order_and_leaves_no_keys(app: Celery, redis: Redis) -> None:
    result = chord([add(app, i, i) for i in range(100)])(app.signature("example.echo"))
    assert result.get(timeout=30) == [[[2 * i for i in range(100)]], {}]
    with redis.client() as look:
        left = f"celery-taskset-meta-{result.parent.id}.*"
        wait_until(lambda: not look.keys(left), 10, "the keys to go")


def test_chord_with_a_failing_part(app: Celery, redis: Redis) -> None:
    header = [add(app, 1, 1), app.signature("example.fail", ("bad thing",)), add(app, 2, 2)]
    result = chord(header)(app.signature("example.echo"))
    with pytest.raises(ChordError, match="raised ValueError"):
        app.AsyncResult(result.id).get(timeout=20)
    with redis.client() as look:
        assert look.exists(f"celery-taskset-meta-{result.parent.id}.j")


def test_chord_with_groups_in_its_header(app: Celery) -> None:
    header = [add(app, 1, 1), group(add(app, i, 10) for i in range(3)), add(app, 4, 4)]
    result = chord(header)(app.signature("example.echo"))
    (numbers,), _ = result.get(timeout=20)
    assert numbers == [2, 12, 11, 10, 8]  # the order in which Celery 5.2's client numbers them


def test_chord_of_chords(app: Celery) -> None:
    inner = [chord([add(app, i, 1), add(app, i, 2)], app.signature("example.echo"))
             for i in range(3)]
    result = chord(inner)(app.signature("example.echo"))
    (parts,), _ = result.get(timeout=20)
    assert parts == [[[[i + 1, i + 2]], {}] for i in range(3)]


def test_failing_chain_tells_all_that_will_not_run(app: Celery) -> None:
    result = chain(app.signature("example.fail", ("bad",)), add(app, 1), add(app, 2)).apply_async()
    for one in (result, result.parent, result.parent.parent):
        with pytest.raises(ValueError, match="bad"):
            one.get(timeout=10)
