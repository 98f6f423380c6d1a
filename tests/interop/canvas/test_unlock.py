# SPDX-License-Identifier: BSD-3-Clause
"""celery.chord_unlock, from clients whose own backend counts no chords: as Celery's worker does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from celery import Celery, chord, group

from interop.canvas.side import NATIVE_SETTINGS
from interop.parity.chance import UUID
from support.client import celery_client
from support.process import wait_until
from support.redis import Redis
from support.worker import CeleryWorker, Worker, build_folder

SETTINGS = [word for one in NATIVE_SETTINGS for word in ("--set", one)]
FIELDS = ("status", "result", "parent_id", "children")


def add(app: Celery, *args: Any) -> Any:
    """A signature of a task in the queue one."""
    return app.signature("one.add", args)


def total(app: Celery) -> Any:
    """The body, in the queue two."""
    return app.signature("two.total")


CHORDS: dict[str, Callable[[Celery], Any]] = {
    "done": lambda app: chord([add(app, 1, 1), add(app, 2, 2)])(total(app)),
    "that takes longer": lambda app: chord(
        [add(app, 1, 1), app.signature("two.slow", (1.5, 5))])(total(app)),
    "that fails": lambda app: chord(
        [add(app, 1, 1), app.signature("two.fail")])(total(app)),
    "with an errback": lambda app: chord([app.signature("two.fail")])(
        total(app).on_error(app.signature("one.errback"))),
    "with a group": lambda app: chord(
        [add(app, 1, 1), group(add(app, 2, 2), add(app, 3, 3))])(app.signature("one.echo")),
    "whose body does not fit": lambda app: chord([add(app, 1, 1)])(
        app.signature("one.add", (1, 2))),
    "with a chain behind it": lambda app: chord([add(app, 1, 1), add(app, 2, 2)])(
        total(app) | add(app, 100)),
}


@pytest.fixture(scope="module")
def told(rabbitmq: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """What each of both workers has made of the chords."""
    found = []
    for kind in ("celery", "celeriac"):
        url = rabbitmq.url_of(rabbitmq.new_vhost())
        files = tmp_path_factory.mktemp(kind)
        with Redis() as redis:
            with _worker(kind, url, redis.url) as worker, \
                    celery_client(url, f"file://{files}", task_default_queue="one",
                                  task_routes={"two.*": {"queue": "two"}}) as app:
                found.append(_send_all(app, redis))
                assert not worker.sanitizer_report(), worker.read_log()
    yield found


def _worker(kind: str, url: str, backend: str) -> Any:
    if kind == "celery":
        return CeleryWorker(url, "-Q", "one,two", app="interop.canvas.app",
                            env={"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": backend})
    library = build_folder() / "tests" / "interop" / "libcanvas_tasks.so"
    return Worker(url, "-Q", "one,two", *SETTINGS, app=library, backend=backend)


def _send_all(app: Celery, redis: Redis) -> dict[str, Any]:
    sent = {name: make(app) for name, make in CHORDS.items()}
    with redis.client() as look:
        return {name: wait_until(lambda: _document(look, result.id), 30, f"result of {name}")
                for name, result in sent.items()}


def _document(look: Any, task_id: str) -> Any:
    text = look.get(f"celery-task-meta-{task_id}")
    if not text:
        return None
    document = json.loads(UUID.sub("<id>", text.decode()))
    return {name: document.get(name) for name in FIELDS} | {"parent_id": None}


@pytest.mark.parametrize("name", CHORDS)
def test_chord(told: list[Any], name: str) -> None:
    """What becomes of its body is the same, but that Celery does not find the part to blame."""
    expected, got = (one[name] for one in told)
    if got["status"] == "FAILURE":
        exception = got["result"]
        exception["exc_message"] = [text.removeprefix("Dependency <id> raised ")
                                    for text in exception["exc_message"]]
    assert got == expected


def test_no_results_to_look_up(worker: Callable[..., Worker], client: Celery) -> None:
    """With a backend that cannot tell, the task says so, and the chord ends there."""
    worker(backend="rpc://")
    result = client.send_task("celery.chord_unlock", ("g", dict(client.signature("example.echo"))),
                              {"result": [[["x", None], None]]})
    with pytest.raises(NotImplementedError, match="use redis://"):
        result.get(timeout=10)
