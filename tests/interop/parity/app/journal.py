# SPDX-License-Identifier: BSD-3-Clause
"""What happened in the app, in the order it happened: one file of JSON lines for all processes."""

from __future__ import annotations

import json
import os
import re
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Iterable

from billiard.process import current_process
from celery import current_task
from celery.app.task import Context, Task
from celery.result import AsyncResult
from celery.worker.request import Request
from kombu.message import Message

# Which task of this process it is: two runs of one task id are told apart by it.
_runs = count()
_run: list[str] = []
PLAIN = (type(None), bool, int, float, str)
# What a Request tells in main process and child alike; the rest is the pool's own affair.
REQUEST_ATTRIBUTES = (
    "id", "name", "root_id", "parent_id", "argsrepr", "kwargsrepr", "args", "kwargs", "eta",
    "expires", "hostname", "delivery_info", "time_limits", "reply_to", "correlation_id",
    "store_errors", "ignore_result", "content_type", "content_encoding", "group", "group_index",
    "utc", "type")
MESSAGE_ATTRIBUTES = ("headers", "properties", "content_type", "content_encoding", "body")
DELIVERY_INFO = ("exchange", "routing_key", "redelivered")


def folder() -> Path:
    """The folder of this run, for the journal and whatever a task writes."""
    return Path(os.environ["PARITY_FOLDER"])


def role() -> str:
    """The kind of process we are in: client, MainProcess, ForkPoolWorker-N."""
    return os.environ.get("PARITY_ROLE") or re.sub(r"\d+", "N", current_process().name)


def qualified_name(value: Any) -> str:
    """A class or function, or the class of an object, with its module."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _attributes(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: plain(getattr(value, name, "missing")) for name in names}


def _plain_request(value: Request) -> Any:
    return {"request": _attributes(value, REQUEST_ATTRIBUTES), "text": str(value),
            "task": plain(value.task)}


def _plain_message(value: Message) -> Any:
    info = {name: value.delivery_info.get(name) for name in DELIVERY_INFO}
    return {"message": _attributes(value, MESSAGE_ATTRIBUTES), "delivery_info": info}


def _plain_traceback(value: TracebackType) -> Any:
    """The functions of the app that the traceback leads through."""
    frames: list[str] = []
    trace: TracebackType | None = value
    while trace is not None:
        code = trace.tb_frame.f_code
        # How deep recursion goes is chance.
        if "interop/parity" in code.co_filename and frames[-1:] != [code.co_name]:
            frames.append(code.co_name)
        trace = trace.tb_next
    return frames


def _plain_einfo(value: Any) -> Any:
    return {"type": plain(value.type), "exception": plain(value.exception),
            "traceback": value.traceback.strip().splitlines()[-1:], "internal": value.internal}


KINDS = (
    (Task, lambda value: f"task {value.name}"),
    (Context, lambda value: {"context": plain(vars(value))}),
    (Request, _plain_request),
    (Message, _plain_message),
    (AsyncResult, lambda value: f"result {value.id}"),
    (BaseException, lambda value: f"{qualified_name(value)}: {_safe_repr(value)}"),
    (TracebackType, _plain_traceback),
    ((set, frozenset), lambda value: sorted(map(repr, value))),
    (bytes, lambda value: value.decode("latin-1")),
)


def plain(value: Any) -> Any:
    """A value as JSON can hold it, without what is by chance."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "exc_info") and hasattr(value, "traceback"):
        return _plain_einfo(value)
    for kind, convert in KINDS:
        if isinstance(value, kind):
            return convert(value)
    return f"<{qualified_name(value)}>"


def begin_run() -> None:
    """Another task begins in this process."""
    _run[:] = [f"{os.getpid()}-{next(_runs)}"]


def _safe_repr(value: BaseException) -> str:
    try:
        return repr(value)
    except Exception as error:  # pylint: disable=broad-except
        return f"no text: {error!r}"


def note(event: str, task_id: str | None = None, root_id: str | None = None,
         **fields: Any) -> None:
    """Add a record; the task that runs is named if the caller names none."""
    request = current_task.request if current_task else None
    record = {"event": event, "role": role(), "pid": os.getpid(),
              "id": task_id or (request and request.id),
              "root": root_id or (request and request.root_id), "run": _run[0] if request else None,
              **{name: plain(value) for name, value in fields.items()}}
    line = json.dumps(record, default=repr) + "\n"
    file = os.open(folder() / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read(path: Path) -> list[dict[str, Any]]:
    """All records so far; a line that is being written is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
