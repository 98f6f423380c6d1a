# SPDX-License-Identifier: BSD-3-Clause
"""The guide's page on canvas: links, chains, groups, chords, maps, replacements."""

from __future__ import annotations

from typing import Any, Callable

from celery import chain, chord, group
from celery.result import GroupResult

from interop.parity.app import calling, canvas, retries, tasks
from interop.parity.app.celery import app
from interop.parity.run import Run

add, echo, fail, total = tasks.add, tasks.echo, tasks.fail, tasks.total
slow = calling.slow  # the member of a chord that ends last, and starts its body


def _settled(count: int, make: Callable[[], Any]) -> Callable[[Run], Any]:
    """A canvas of which so many tasks run, whether or not their results lead there."""
    return lambda run: run.ran_below(make(), count)


def _graph(run: Run) -> Any:
    result = chain(add.s(1, 2), add.s(4), add.s(8))()
    run.wait(result)
    root = result
    while root.parent is not None:
        root = root.parent
    return {"collected": [value for _, value in root.collect(disable_sync_subtasks=False)],
            "lists": [result.as_list(), result.as_tuple()],
            "edges": sorted([one.id, sorted(other.id for other in others)]
                            for one, others in result.build_graph(intermediate=True).items())}


def _saved_group(run: Run) -> Any:
    result = group(add.s(4, 4), add.s(4, 4)).apply_async()
    result.save()
    run.wait(result)
    restored = GroupResult.restore(result.id, backend=app.backend)
    return [restored.successful(), restored.completed_count(), [r.get(disable_sync_subtasks=False)
                                                                for r in restored.results]]


CASES = {
    "link": lambda run: add.apply_async((2, 2), link=add.s(16)),
    "several links": lambda run: add.apply_async((2, 2), link=[add.s(16), add.s(32)]),
    "immutable link": lambda run: add.apply_async((2, 2), link=add.si(1, 1)),
    "link to a group": lambda run: add.apply_async(
        (2, 2), link=group(add.s(5), add.s(5))),
    "link_error": _settled(2, lambda: fail.apply_async(("x",), link_error=tasks.trace_of.s())),
    "link_error, old convention": _settled(
        2, lambda: fail.apply_async(("x",), link_error=tasks.old_errback.s())),
    "link_error, immutable": _settled(
        2, lambda: fail.apply_async(("x",), link_error=tasks.old_errback.si("failed"))),
    "several link_errors": _settled(3, lambda: fail.apply_async(
        ("x",), link_error=[tasks.trace_of.s(), tasks.old_errback.s()])),
    "link_error of a retry": _settled(4, lambda: retries.with_exception.apply_async(
        (2,), link_error=tasks.old_errback.s())),
    "chain": lambda run: chain(add.s(2, 2), add.s(4), add.s(8))(),
    "chain with |": lambda run: (add.s(1, 1) | add.s(2) | echo.s(k=1)).delay(),
    "chain that fails": _settled(3, lambda: chain(
        add.s(1, 1), fail.si("middle").on_error(tasks.old_errback.s()), add.s(1)).apply_async()
        .parent),
    "chain with link_error": _settled(3, lambda: chain(add.s(1, 1), fail.si("x"), add.s(1))
                                      .apply_async(link_error=tasks.trace_of.s()).parent),
    "chain with options": lambda run: chain(
        canvas.relatives.s().set(queue="odd"),
        canvas.relatives.s().set(priority=2)).apply_async(),
    "chain in a chain": lambda run: chain(add.s(1, 1), chain(add.s(2), add.s(3)), add.s(4))(),
    "graph": _graph,
    "partial": lambda run: add.s(2).delay(3),
    "clone and replace": lambda run: add.s(2).clone((4,)).apply_async(countdown=0),
    "group": lambda run: group(add.s(4, 4), add.s(4, 4))(),
    "group of one": lambda run: group([add.s(4, 4)])(),
    "group with a failure": lambda run: group(add.s(4, 4), fail.s("one"))(),
    "group that is saved": _saved_group,
    "relatives in a group": lambda run: group(canvas.relatives.s(0), canvas.relatives.s(1))(),
    "chord": _settled(4, lambda: chord([add.s(2, 2), add.s(2, 2), add.s(2, 2)])(total.s())),
    "chord of one": lambda run: chord([add.s(2, 2)])(total.s()),
    "group and then": _settled(3, lambda: (group(add.s(2, 2), add.s(2, 2)) | total.s())()),
    "chord in a chain": _settled(5, lambda: chain(
        add.s(1, 1), group(add.s(2), add.s(2)), total.s(), add.s(100))()),
    "chord of chains": _settled(5, lambda: chord(
        [chain(add.s(1, 1), add.s(1)), chain(add.s(1, 1), add.s(1))])(total.s())),
    "chord of chords": _settled(7, lambda: chord(
        [chord([add.s(1, 1), add.s(1, 1)], total.s()),
         chord([add.s(1, 1), add.s(1, 1)], total.s())])(total.s())),
    "group of groups": lambda run: group(group(add.s(1, 1), add.s(1, 1)), add.s(1, 1))(),
    "group of chains": lambda run: group(add.s(1, 1) | add.s(1), add.s(1, 1) | add.s(1))(),
    "chord whose header fails": lambda run: chord([slow.s(0.5), fail.s("header")])(total.s()),
    "chord error callback": lambda run: run.failed_over(
        chord([slow.s(0.5), fail.s("header")])(total.s().on_error(tasks.old_errback.s()))),
    "chord whose body fails": _settled(3, lambda: chord([add.s(2, 2), add.s(2, 2)])(fail.si("b"))),
    "chord with retries": _settled(6, lambda: chord(
        [retries.until.s(1), retries.until.s(2)])(total.s())),
    "chord with options": _settled(3, lambda: chord(
        [add.s(2, 2), add.s(2, 2)], total.s().set(queue="odd")).apply_async(queue="ranked")),
    "map": lambda run: echo.map(["a", ["b"]]).delay(),
    "starmap": lambda run: add.starmap([(1, 2), (3, 4)]).delay(),
    "starmap that fails": lambda run: add.starmap([(1, 2), (3, "4")]).delay(),
    "chunks": lambda run: add.chunks([(1, 1)] * 6, 3)(),
    "chunks as a group": lambda run: add.chunks([(1, 1)] * 4, 2).group()(),
    "replace": lambda run: canvas.replaced.delay("task"),
    "replace by a chain": lambda run: canvas.replaced.delay("chain"),
    "replace by a group": lambda run: canvas.replaced.delay("group"),
    "replace by a chord": lambda run: canvas.replaced.delay("chord"),
    "replace twice": lambda run: canvas.replaced.delay("replacement"),
    "replace by a failure": lambda run: canvas.replaced.delay("failure"),
    "replace in a chain": lambda run: chain(canvas.replaced.si("chain"), add.s(100))(),
    "replace in a chord": _settled(4, lambda: chord(
        [canvas.replaced.si("task"), slow.si(0.5)])(total.s())),
    "replace with a link_error": _settled(3, lambda: canvas.replaced.apply_async(
        ("failure",), link_error=tasks.old_errback.s())),
    "add to a chord": _settled(3, lambda: chord([canvas.added_to_chord.s()])(total.s())),
    "subtasks are children": lambda run: canvas.parent.delay(2),
    "subtask that is no child": _settled(2, canvas.parent_without_trail.delay),
    "no trail": _settled(2, canvas.no_trail.delay),
    "waiting for a subtask": lambda run: canvas.waits.delay(),
    "waiting is forbidden": _settled(2, canvas.waits_forbidden.delay),
    "chain from inside": _settled(4, lambda: canvas.canvas_inside.delay("chain")),
    "group from inside": lambda run: canvas.canvas_inside.delay("group"),
    "chord from inside": _settled(4, lambda: canvas.canvas_inside.delay("chord")),
    "stamps": lambda run: _stamped(),
}


def _stamped() -> Any:
    """A visitor of stamps, where Celery has it (5.3)."""
    signature = chain(add.s(1, 1), tasks.request.s())
    if hasattr(signature, "stamp"):
        signature.stamp(batch="b1")
    return signature.apply_async()
