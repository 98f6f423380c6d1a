# SPDX-License-Identifier: BSD-3-Clause
"""The guide's pages on calling and routing."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from kombu import Connection, Exchange

from interop.parity.app import calling, tasks
from interop.parity.app.celery import app
from interop.parity.run import Run


def _soon(seconds: float = 0.5) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def _two_orders(run: Run) -> Any:
    """An order that was paid gets into both topic queues."""
    result = calling.order.delay("paid")
    run.noted("task_postrun", result.id, 2)
    return run.tree(result)


def _encoded(serializer: str, compression: str | None = None) -> Any:
    return lambda run: tasks.echo.apply_async(
        ([1, "ä", None, 1.5] * 100,), {"k": True}, serializer=serializer, compression=compression)


def _publish(run: Run, body: Any, headers: dict[str, Any], **properties: Any) -> str:
    """A message that no Celery client would send."""
    task_id = run.claim(str(uuid.uuid4()))
    with Connection(app.conf.broker_url) as connection:
        producer = connection.Producer(exchange=Exchange("odd"), routing_key="odd")
        producer.publish(body, headers={**headers, "id": task_id}, correlation_id=task_id,
                         **properties)
    return task_id


def _unknown(run: Run) -> Any:
    result = app.send_task("no.such.task", (1,), queue="odd")
    run.wait(result)
    run.noted("task_unknown", result.id)
    return run.tree(result)


def _no_task(run: Run) -> Any:
    """Something that is no task message at all."""
    mark = f"mark-{uuid.uuid4()}"
    with Connection(app.conf.broker_url) as connection:
        connection.Producer(exchange=Exchange("odd"), routing_key="odd").publish(
            {"hello": mark}, correlation_id=run.claim(mark), headers={"to": "somebody"})
    return run.tree(tasks.add.apply_async((1, 2), queue="odd"))


def _protocol_1(run: Run) -> Any:
    task_id = run.claim(str(uuid.uuid4()))
    body = {"task": tasks.add.name, "id": task_id, "args": [4, 5], "kwargs": {}, "retries": 0,
            "eta": None, "expires": None, "utc": True, "callbacks": None, "errbacks": None,
            "timelimit": [None, None], "taskset": None, "chord": None}
    with Connection(app.conf.broker_url) as connection:
        connection.Producer(exchange=Exchange("odd"), routing_key="odd").publish(
            body, serializer="json", correlation_id=task_id)
    return app.AsyncResult(task_id)


def _undecodable(run: Run) -> Any:
    """A body that is not what its content type says; the next task of the queue runs."""
    _publish(run, b"{not json", {"task": tasks.add.name}, content_type="application/json",
             content_encoding="utf-8")
    return run.tree(tasks.add.apply_async((1, 2), queue="odd"))


def _expired(run: Run, **options: Any) -> Any:
    result = calling.slow.apply_async((0,), **options)
    run.wait(result)
    run.noted("task_revoked", result.id)
    return run.tree(result)


def _lean(run: Run) -> Any:
    """A message with just what it must have."""
    body = json.dumps([[4, 6], {}, {}])
    task_id = _publish(run, body, {"task": tasks.add.name, "lang": "py"},
                       content_type="application/json", content_encoding="utf-8")
    return app.AsyncResult(task_id)


CASES = {
    "countdown": lambda run: calling.waited.apply_async(countdown=0.5),
    "eta": lambda run: calling.waited.apply_async(eta=_soon()),
    "eta in another zone": lambda run: calling.waited.apply_async(
        eta=_soon().astimezone(timezone(timedelta(hours=-7)))),
    "eta in the past": lambda run: calling.waited.apply_async(eta=_soon(-3600)),
    "expires later": lambda run: tasks.add.apply_async((1, 2), expires=600),
    "expires at a time": lambda run: tasks.request.apply_async(expires=_soon(600)),
    "expired": lambda run: _expired(run, expires=1.5, countdown=2),
    "custom headers": lambda run: calling.headers_of.apply_async(headers={"custom": "ä",
                                                                          "n": 5}),
    "shadow": lambda run: calling.shadowed.apply_async(shadow="other.name"),
    "shadow by a function": lambda run: calling.shadowed_by_function.delay("x"),
    "argsrepr": lambda run: tasks.request.apply_async((1,), argsrepr="(hidden)",
                                                      kwargsrepr="{hidden}"),
    "priority": lambda run: calling.delivery.apply_async(queue="ranked", priority=4),
    "queue": lambda run: calling.delivery.apply_async(queue="odd"),
    "exchange and key": lambda run: calling.delivery.apply_async(
        exchange="events", routing_key="order.made.here"),
    "router": lambda run: calling.order.delay("made"),
    "two topic queues": _two_orders,
    "route by name": lambda run: calling.routed_by_name.delay(),
    "route by pattern": lambda run: calling.routed_by_pattern.delay(),
    "route by option": lambda run: calling.routed_by_option.delay(),
    "call beats route": lambda run: calling.routed_by_name.apply_async(queue="ranked",
                                                                       priority=1),
    "annotations": lambda run: calling.annotated.delay(),
    "json": _encoded("json"), "msgpack": _encoded("msgpack"), "pickle": _encoded("pickle"),
    "yaml": _encoded("yaml"),
    "gzip": _encoded("json", "gzip"), "bzip2": _encoded("msgpack", "bzip2"),
    "lzma": _encoded("pickle", "lzma"), "zlib": _encoded("yaml", "zlib"),
    "encoded by the task": lambda run: calling.encoded_by_option.delay({"a": [1]}),
    "task id": lambda run: tasks.request.apply_async(task_id=f"own-{run.app.thread_oid}"),
    "group id": lambda run: tasks.request.apply_async(group_id="own-group", group_index=3),
    "root and parent": lambda run: tasks.request.apply_async(root_id="own-root",
                                                             parent_id="own-parent"),
    "limits of the call": lambda run: tasks.request.apply_async(time_limit=40,
                                                                soft_time_limit=30),
    "send_task": lambda run: app.send_task(tasks.add.name, kwargs={"x": 1, "y": 2}),
    "reply_to": lambda run: tasks.request.apply_async(reply_to="nobody",
                                                      correlation_id="ignored"),
    "properties": lambda run: tasks.request.apply_async(
        delivery_mode=1, expiration=60, message_id="m", user_id=None, type="t", app_id="a"),
    "cut representation": lambda run: calling.short_repr.delay(500),
    "unknown task": _unknown,
    "no task": _no_task,
    "undecodable body": _undecodable,
    "protocol 1": _protocol_1,
    "lean message": _lean,
}
