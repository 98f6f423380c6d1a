# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that make other tasks: replacements, subtasks, canvases from inside."""

from __future__ import annotations

from typing import Any

from celery import Task, chain, chord, group
from celery.result import allow_join_result

from interop.parity.app.calling import slow
from interop.parity.app.celery import app
from interop.parity.app.tasks import add, fail, total


@app.task(bind=True)
def replaced(self: Task, how: str) -> Any:
    """Let something else be its result."""
    raise self.replace({
        "task": lambda: add.s(20, 3),
        "chain": lambda: add.s(1, 2) | add.s(10),
        "group": lambda: group(add.s(1, 1), add.s(1, 1)),
        "chord": lambda: chord([add.s(2, 2), add.s(2, 2)], total.s()),
        "replacement": lambda: replaced.s("task"),
        "failure": fail.s,
    }[how]())


@app.task(bind=True)
def added_to_chord(self: Task) -> float:
    """Adds a member to the chord it is in."""
    self.add_to_chord(slow.si(0.5))
    return 0.5


@app.task(bind=True)
def parent(self: Task, count: int) -> Any:
    """Starts subtasks and does not wait for them."""
    return len([add.delay(7, 7) for _ in range(count)])


@app.task(bind=True)
def parent_without_trail(self: Task) -> Any:
    """A subtask that is no child."""
    with_parent = add.apply_async((8, 8), add_to_parent=False)
    return with_parent.parent is None


@app.task
def waits() -> Any:
    """Waits for a subtask, as one should not."""
    with allow_join_result():
        return add.delay(3, 4).get(timeout=10)


@app.task
def waits_forbidden() -> Any:
    """Waits for a subtask, and is told that this is forbidden."""
    return add.delay(3, 5).get(timeout=10)


@app.task(trail=False)
def no_trail() -> Any:
    """Subtasks that leave no trace in the result."""
    return bool(add.delay(6, 6))


@app.task(bind=True)
def canvas_inside(self: Task, what: str) -> Any:
    """Starts a canvas; what it returns is its shape."""
    made = {
        "chain": lambda: chain(add.s(1, 2), add.s(3), add.s(4)),
        "group": lambda: group(add.s(5, 5), add.s(5, 5)),
        "chord": lambda: chord((add.s(6, 6), add.s(6, 6)), total.s()),
    }[what]()
    made.apply_async()
    return type(made).__name__


@app.task(bind=True)
def relatives(self: Task, *args: Any) -> Any:
    """Its own place in a canvas."""
    request = self.request
    return [request.root_id == request.id, request.parent_id is None, request.group is None,
            request.group_index, request.chain and len(request.chain),
            request.chord is None, list(args)]


@app.task(bind=True)
def collect(self: Task, *args: Any, **kwargs: Any) -> Any:
    """All arguments, sorted."""
    return [sorted(map(repr, args)), sorted(kwargs)]
