# SPDX-License-Identifier: BSD-3-Clause
"""The client, a program: python3 -m interop.canvas.client list | send SHAPE... | look FILE |
answer SHAPE...

list prints Celery's version and the shapes' names. send sends them and prints what identifies their results. look,
with that in a file, prints what the results say by then. answer sends each and waits for it.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from celery import VERSION
from celery.result import AsyncResult, GroupResult, ResultBase, result_from_tuple
from celery.signals import before_task_publish

from interop.canvas.app import app
from interop.canvas.shapes import SHAPES

MARK = "shape"


def send(names: list[str]) -> dict[str, Any]:
    """Each shape's result as a tuple, or why it could not be sent."""
    current = ""

    def mark(headers: dict[str, Any] | None = None, **_: Any) -> None:
        assert headers is not None
        headers[MARK] = current

    before_task_publish.connect(mark)
    sent: dict[str, Any] = {}
    for current in names:
        try:
            sent[current] = {"result": SHAPES[current]().as_tuple()}
        except Exception:  # pylint: disable=broad-except
            sent[current] = {"error": traceback.format_exc()}
    return sent


def value_of(result: AsyncResult) -> Any:
    """What get() would return or raise."""
    value = result.result
    if isinstance(value, BaseException):
        return {"raises": f"{type(value).__module__}.{type(value).__qualname__}",
                "args": [repr(one) for one in value.args], "text": str(value)}
    return value


def tree(result: ResultBase) -> Any:
    """A result with everything that can be reached from it."""
    parent = {"parent": tree(result.parent)} if result.parent else {}
    if isinstance(result, GroupResult):
        return {"group": [tree(one) for one in result.results], "id": result.id,
                "counted": result.completed_count(), **parent}
    return {"id": result.id, "state": result.state, "value": value_of(result),
            "traceback": result.traceback is not None,
            "children": [tree(one) for one in result.children or []], **parent}


def look(sent: dict[str, Any]) -> dict[str, Any]:
    """What a client sees of each result."""
    return {name: one if "error" in one else tree(result_from_tuple(one["result"], app))
            for name, one in sent.items()}


def answer_of(result: ResultBase) -> Any:
    """What a client that waits gets, of each member of a group."""
    if isinstance(result, GroupResult):
        return [answer_of(one) for one in result.results]
    result.get(timeout=10, propagate=False)
    return [result.state, value_of(result)]


def main(command: str, *args: str) -> Any:
    """What the command says."""
    if command == "list":
        return {"version": list(VERSION[:2]), "shapes": list(SHAPES)}
    if command == "send":
        return send(list(args))
    if command == "answer":
        return {name: answer_of(SHAPES[name]()) for name in args}
    return look(json.loads(Path(args[0]).read_text()))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=repr))
