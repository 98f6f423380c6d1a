# SPDX-License-Identifier: BSD-3-Clause
"""Tasks and what they know of themselves: the request, the current task, states, classes."""

from __future__ import annotations

import os
from typing import Any

from celery import Task, current_app, current_task

from interop.parity.app.base import Connected, Remembering, Wrapped
from interop.parity.app.celery import app
from interop.parity.app.journal import note, plain
from interop.parity.app.retries import DELAY


@app.task
def add(x: Any, y: Any) -> Any:
    """The sum of two."""
    return x + y


@app.task
def echo(*args: Any, **kwargs: Any) -> Any:
    """What it was called with."""
    return [args, kwargs]


@app.task
def total(numbers: Any) -> Any:
    """The sum of a list."""
    return sum(numbers)


@app.task
def fail(text: str = "no") -> None:
    """Raise a ValueError."""
    raise ValueError(text)


@app.task(bind=True, resultrepr_maxsize=10)
def request(self: Task, *args: Any, **kwargs: Any) -> Any:
    """Every attribute of the request, whether set or by default."""
    names = {name for name in {*dir(type(self.request)), *vars(self.request)}
             if not name.startswith("_") and not callable(getattr(self.request, name))}
    return {name: plain(getattr(self.request, name)) for name in sorted(names)}


@app.task(bind=True)
def execution_options(self: Task) -> Any:
    """What a retry or replacement would take over."""
    return plain(self.request.as_execution_options())


@app.task(bind=True)
def identity(self: Task) -> Any:
    """The task as it sees itself, and what the process says is current."""
    return {
        "repr": repr(self), "name": self.name, "current": current_task.name,
        "same": current_task.request.id == self.request.id, "app": current_app.main,
        "is_app": current_app._get_current_object() is app, "called": self.request.called_directly,
        "cwd": os.getcwd() != "/", "stack": len(self.request_stack.stack),
    }


@app.task(bind=True)
def call_directly(self: Task) -> Any:
    """Another task as a plain function, in this process."""
    return {"sum": add(1, 2), "direct": request(1)["called_directly"],
            "after": self.request.called_directly}


@app.task(bind=True)
def apply_eagerly(self: Task) -> Any:
    """Another task, run here by apply()."""
    result = request.apply((1,), {"a": 2}, task_id="eager-id")
    return {"state": result.state, "eager": result.get(disable_sync_subtasks=False)["is_eager"],
            "hostname": result.get(disable_sync_subtasks=False)["hostname"]}


@app.task(ignore_result=True)
def ignored() -> str:
    """A result that nobody wants."""
    return "not stored"


@app.task(ignore_result=True)
def ignored_failure() -> None:
    """A failure that is not stored, unless the settings say so."""
    raise ValueError("not stored")


@app.task(ignore_result=True, store_errors_even_if_ignored=True)
def stored_failure() -> None:
    """A failure that is stored although the result is ignored."""
    raise ValueError("stored")


@app.task(ignore_result=False)
def kept(value: Any) -> Any:
    """A result that is kept, whatever the settings say."""
    return value


@app.task(bind=True, track_started=True)
def tracked(self: Task) -> Any:
    """What its result says while it runs."""
    meta = self.backend.get_task_meta(self.request.id)
    return [meta["status"], sorted(meta["result"] or {}), meta["result"]["hostname"]]


@app.task(bind=True)
def progress(self: Task, steps: int) -> Any:
    """Custom states, each as a client would see it."""
    seen = []
    for step in range(steps):
        self.update_state(state="PROGRESS", meta={"step": step, "of": steps})
        meta = self.backend.get_task_meta(self.request.id, cache=False)
        seen.append([meta["status"], meta["result"]])
    return seen


@app.task(bind=True)
def progress_unseen(self: Task, steps: int) -> int:
    """Custom states."""
    for step in range(steps):
        self.update_state(state="PROGRESS", meta={"step": step})
    return steps


@app.task(bind=True)
def update_other(self: Task, task_id: str) -> None:
    """Change the state of another task."""
    self.update_state(task_id=task_id, state="HANDED-OVER", meta=["by", self.name])


@app.task(base=Remembering)
def remembered(how: str) -> str:
    """Runs all handlers of its class; `how` chooses which."""
    if how == "fail":
        raise KeyError(how)
    if how == "retry":
        raise remembered.retry(exc=KeyError("again"), countdown=DELAY, max_retries=1)
    return how


@app.task(base=Wrapped)
def wrapped(value: Any) -> Any:
    """A task whose class overrides __call__."""
    return value


@app.task(base=Connected, bind=True)
def connected(self: Connected) -> str:
    """A task whose instance lives as long as the process."""
    self.connection.append("used")
    return "kept" if self.connection is connected.connection else "lost"


class ClassBased(Task):
    """A task as a class, with a name of its own."""

    name = "parity.ClassBased"

    def __init__(self) -> None:
        self.created = "once"

    def run(self, value: int) -> Any:
        """The body."""
        return [self.created, value, self.request.task]


class_based = app.register_task(ClassBased())


@app.task
def defaults(a: int, b: int = 2, *, c: int = 3) -> Any:
    """Positional, default and keyword-only arguments."""
    return [a, b, c]


@app.task(typing=False)
def untyped(a: int) -> int:
    """Arguments that only the worker checks."""
    return a


@app.task
def leave_note(*args: Any, **kwargs: Any) -> None:
    """Tell the journal only."""
    note("note", args=args, kwargs=kwargs)


@app.task(bind=True)
def trace_of(self: Task, exc_or_request: Any, exc: Any = None, trace: Any = None) -> None:
    """An error callback of the new convention, (request, exc, traceback)."""
    note("errback", request=getattr(exc_or_request, "id", "?"), exc=exc,
         trace=str(trace).strip().splitlines()[-1:])


@app.task
def old_errback(task_id: str) -> None:
    """An error callback of the old convention, called with the id of what failed."""
    note("old errback", failed=task_id)
