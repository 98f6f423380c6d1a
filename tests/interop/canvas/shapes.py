# SPDX-License-Identifier: BSD-3-Clause
"""The shapes: each is sent by its function, which returns what a client then waits for."""

from __future__ import annotations

from typing import Any

from celery import chain, chord, group

from interop.canvas.app import app, one, two

# Signatures of tasks that end after their siblings, so that chance does not decide who is last.
last = one.slow.si(0.4, 7)
last_fails = two.late.si(0.4)


def _steps(count: int) -> Any:
    return chain((two if step % 2 else one).add.s(step) for step in range(count))


def _plain(signature: Any) -> Any:
    """A signature as it travels in arguments."""
    return dict(signature)


def _replaced(signature: Any, by: Any = one) -> Any:
    return by.replace.si(_plain(signature))


def _linked(signature: Any, link: Any) -> Any:
    signature.link(link)
    return signature.apply_async()


def _erring(signature: Any, errback: Any) -> Any:
    signature.link_error(errback)
    return signature.apply_async()


def _failing(link_error: Any) -> Any:
    return one.fail.apply_async((), link_error=link_error)


CHAINS = {
    "chain of one": lambda: chain(one.add.s(1, 2))(),
    "chain of two": lambda: (one.add.s(1, 2) | two.add.s(3))(),
    "chain of three": lambda: (one.add.s(1, 2) | two.add.s(3) | one.add.s(4))(),
    "chain of nine": lambda: (two.add.s(1, 1) | _steps(8))(),
    "chain in a chain": lambda: chain(
        one.add.s(1, 1), chain(two.add.s(2), one.add.s(3)), two.add.s(4))(),
    "chain that ends with a chain": lambda: chain(
        one.add.s(1, 1), chain(two.add.s(2), one.add.s(3)))(),
    "chain with keywords": lambda: (one.echo.s(1, a=2) | two.echo.s(b=[3]) | one.echo.s())(),
    "chain with an immutable step": lambda: (
        one.add.s(1, 1) | two.add.si(5, 5) | one.add.s(1))(),
    "chain of immutables": lambda: (one.add.si(1, 1) | two.add.si(2, 2) | one.add.si(3, 3))(),
    "chain with options": lambda: chain(
        one.seen.s().set(priority=4), two.seen.s(), one.seen.s().set(priority=1)).apply_async(),
    "chain with a priority": lambda: chain(one.seen.s(), two.seen.s()).apply_async(priority=3),
    "chain with an ignored result": lambda: (
        one.add.s(1, 1) | two.add.s(1).set(ignore_result=True) | one.add.s(1))(),
    "chain through a task without results": lambda: (
        one.add.s(1, 1) | two.quiet.s() | one.echo.s())(),
    "chain with a step later": lambda: (
        one.add.s(1, 1) | two.add.s(1).set(countdown=0.05) | one.add.s(1))(),
    "chain with msgpack": lambda: (
        one.add.s(1, 1) | two.add.s(1).set(serializer="msgpack") | one.add.s(1))(),
    "chain with a retried step": lambda: (one.add.s(1, 1) | two.retry.s(2) | one.add.s(1))(),
    "chain with a header": lambda: chain(one.add.s(1, 1), two.add.s(2)).apply_async(
        headers={"mine": 5}),
}

CHAIN_ERRORS = {
    "chain whose first fails": lambda: (one.fail.s() | two.add.s(1) | one.add.s(1))(),
    "chain whose middle fails": lambda: (one.add.s(1, 1) | two.fail.s() | one.add.s(1))(),
    "chain whose last fails": lambda: (one.add.s(1, 1) | two.add.s(1) | one.fail.s())(),
    "chain with a call that does not fit": lambda: (
        one.add.s(1, 1) | two.add.s(1, 2) | one.add.s(1))(),
    "chain whose retries run out": lambda: (one.add.s(1, 1) | two.exhaust.s() | one.add.s(1))(),
    "chain whose middle ignores": lambda: (one.add.s(1, 1) | two.ignore.s() | one.add.s(1))(),
    "chain with link_error": lambda: (one.add.s(1, 1) | two.fail.s() | one.add.s(1)).apply_async(
        link_error=two.errback.s()),
    "chain with a step's errback": lambda: chain(
        one.add.s(1, 1), two.fail.s().on_error(one.errback.s()), one.add.s(1))(),
    "chain with an errback of another step": lambda: chain(
        one.fail.s(), two.add.s(1).on_error(one.errback.s()))(),
    "chain that fails before a group": lambda: chain(
        one.fail.s(), group(two.add.s(1), one.add.s(2)))(),
    "chain that fails before a chord": lambda: chain(
        one.fail.s(), group(two.add.s(1), one.add.s(2)), two.total.s())(),
}

LINKS = {
    "link": lambda: one.add.apply_async((1, 2), link=two.add.s(10)),
    "links": lambda: one.add.apply_async((1, 2), link=[two.add.s(10), one.add.s(20)]),
    "immutable link": lambda: one.add.apply_async((1, 2), link=two.add.si(10, 10)),
    "link of a link": lambda: one.add.apply_async(
        (1, 2), link=two.add.s(10).set(link=one.add.s(100))),
    "link to a chain": lambda: one.add.apply_async((1, 2), link=two.add.s(10) | one.add.s(100)),
    "link to a group": lambda: one.add.apply_async(
        (1, 2), link=group(two.add.s(10), one.add.s(20))),
    "link to a chord": lambda: one.add.apply_async(
        (1, 2), link=chord([two.add.s(10), one.add.s(20)], two.total.s())),
    "links to a group and a task": lambda: one.add.apply_async(
        (1, 2), link=[group(two.add.s(10), one.add.s(20)), two.add.s(30)]),
    "link of a chain": lambda: chain(one.add.s(1, 2), two.add.s(3)).apply_async(
        link=one.add.s(100)),
    "link of a step": lambda: chain(
        one.add.s(1, 2).set(link=two.add.s(50)), two.add.s(3))(),
    "link of a group": lambda: _linked(
        group(one.add.s(1, 1), two.add.s(2, 2)), one.add.s(100, 1)),
    "link of a failure": lambda: one.fail.apply_async((), link=two.echo.s()),
    "link of a retried task": lambda: one.retry.apply_async((1, 1), link=two.add.s(10)),
    "errback": lambda: _failing(two.errback.s()),
    "errbacks": lambda: _failing([two.errback.s(), one.errback.s()]),
    "immutable errback": lambda: _failing(two.errback.si("nobody")),
    "errback of an errback": lambda: _failing(
        two.broken.s().set(link_error=one.errback.s())),
    "errback that is a chain": lambda: _failing(two.errback.s() | one.echo.s()),
    "errback with its own process": lambda: _failing(two.handler.s()),
    "errbacks of both kinds": lambda: _failing([one.errback.s(), two.handler.s()]),
    "errback that is not needed": lambda: one.add.apply_async((1, 1), link_error=two.errback.s()),
    "errback of a task whose retries run out": lambda: one.exhaust.apply_async(
        (), link_error=two.errback.s()),
}


GROUPS = {
    "group": lambda: group(one.add.s(1, 1), two.add.s(2, 2), one.add.s(3, 3))(),
    "group of one": lambda: group([one.add.s(1, 1)])(),
    "empty group": lambda: group([])(),
    "group of groups": lambda: group(
        group(one.add.s(1, 1), two.add.s(2, 2)), one.add.s(3, 3))(),
    "group of chains": lambda: group(
        one.add.s(1, 1) | two.add.s(1), two.add.s(2, 2) | one.add.s(1))(),
    "group of chords": lambda: group(
        chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()),
        chord([two.add.s(3, 3), one.add.s(4, 4)], two.total.s()))(),
    "group with a failure": lambda: group(one.add.s(1, 1), two.fail.s())(),
    "group with an errback": lambda: _erring(
        group(one.add.s(1, 1), two.fail.s()), one.errback.s()),
    "group behind a task": lambda: (one.add.s(1, 1) | group(two.add.s(1), one.add.s(2)))(),
    "group of one behind a task": lambda: (one.add.s(1, 1) | group([two.add.s(1)]))(),
    "group of one between tasks": lambda: chain(
        one.add.s(1, 1), group([two.add.s(1)]), one.echo.s())(),
    "group of groups behind a task": lambda: chain(
        one.add.s(1, 1), group(group(two.add.s(1), one.add.s(2)), two.add.s(3)))(),
    "group of chains behind a task": lambda: chain(
        one.add.s(1, 1), group(two.add.s(1) | one.add.s(1), one.add.s(2) | two.add.s(2)))(),
    "group with places": lambda: group(one.seen.s(1), two.seen.s(2))(),
}

CHORDS = {
    "chord": lambda: chord([one.add.s(1, 1), two.add.s(2, 2), one.add.s(3, 3)])(two.total.s()),
    "chord of one": lambda: chord([one.add.s(1, 1)])(two.total.s()),
    "chord of nobody": lambda: chord([])(two.total.s()),
    "chord of a generator": lambda: chord(
        (two if i % 2 else one).add.s(i, i) for i in range(20))(one.echo.s()),
    "chord with an immutable body": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(one.add.si(5, 5)),
    "chord with body arguments": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(one.echo.s("more", key="word")),
    "chord of chains": lambda: chord(
        [one.add.s(1, 1) | two.add.s(1), two.add.s(2, 2) | one.add.s(1)])(one.total.s()),
    "chord with a group in its header": lambda: chord(
        [one.add.s(1, 1), group(two.add.s(2, 2), one.add.s(3, 3)), two.add.s(4, 4)])(
            one.echo.s()),
    "chord of groups": lambda: chord(
        [group(one.add.s(1, 1), two.add.s(2, 2)), group(one.add.s(3, 3))])(two.echo.s()),
    "chord of a chain that ends with a group": lambda: chord(
        [one.add.s(1, 1) | group(one.slow.si(0.4, 3), two.slow.si(0.9, 4)), two.add.s(4, 4)])(
            one.echo.s()),
    "chord of chords": lambda: chord(
        [chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()),
         chord([two.add.s(3, 3), one.add.s(4, 4)], two.total.s())])(one.total.s()),
    "chord of a chord of a chord": lambda: chord(
        [chord([chord([one.add.s(1, 1)], two.total.s()), one.add.s(2, 2)], one.total.s()),
         two.add.s(3, 3)])(one.total.s()),
    "chord whose body is a chain": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(one.total.s() | two.add.s(100)),
    "chord whose body is a group": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(group(one.total.s(), two.echo.s())),
    "chord whose body is a chord": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(
            chord([one.total.s(), two.total.s()], one.echo.s())),
    "chord whose body is a chain with a group": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(
            chain(one.total.s(), group(two.add.s(1), one.add.s(2)), two.total.s())),
    "chord with a retried part": lambda: chord(
        [one.add.s(1, 1), two.retry.s(5, 1)])(one.total.s()),
    "chord with a part without a result": lambda: chord(
        [one.add.s(1, 1), two.quiet.s(3)])(one.echo.s()),
    "chord with a link": lambda: chord([one.add.s(1, 1), two.add.s(2, 2)])(
        one.total.s().set(link=two.add.s(100))),
    "chord that is linked": lambda: _linked(
        chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()), two.add.s(100)),
    "chord with options": lambda: chord(
        [one.seen.s(1), two.seen.s(2)], one.echo.s().set(priority=5)).apply_async(priority=2),
    "chord with places": lambda: chord([one.seen.s(1), two.seen.s(2)])(one.seen.s()),
    "chord with a linked part": lambda: chord(
        [one.add.s(1, 1).set(link=two.add.s(50)), last])(one.total.s()),
}

UPGRADES = {
    "group and a task": lambda: (group(one.add.s(1, 1), two.add.s(2, 2)) | one.total.s())(),
    "group and two tasks": lambda: chain(
        group(one.add.s(1, 1), two.add.s(2, 2)), one.total.s(), two.add.s(100))(),
    "task, group, task": lambda: chain(
        one.add.s(1, 1), group(two.add.s(1), one.add.s(2)), two.total.s())(),
    "task, group, task, task": lambda: chain(
        one.add.s(1, 1), group(two.add.s(1), one.add.s(2)), two.total.s(), one.add.s(100))(),
    "group and a group": lambda: chain(
        group(one.add.s(1, 1), two.add.s(2, 2)), group(one.total.s(), two.echo.s()))(),
    "group, group, task": lambda: chain(
        group(one.add.s(1, 1), two.add.s(2, 2)), group(one.total.s(), two.total.s()),
        one.echo.s())(),
    "task, group, group, task": lambda: chain(
        one.add.s(1, 1), group(two.add.s(1), one.add.s(2)),
        group(one.total.s(), two.total.s()), one.echo.s())(),
    "task and a chord": lambda: chain(
        one.add.s(1, 1), chord([two.add.s(1), one.add.s(2)], two.total.s()))(),
    "chord and a task": lambda: chain(
        chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()), two.add.s(100))(),
    "chord and a group": lambda: chain(
        chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()),
        group(two.add.s(1), one.add.s(2)))(),
    "chord and a chord": lambda: chain(
        chord([one.add.s(1, 1), two.add.s(2, 2)], one.total.s()),
        chord([two.add.s(1), one.add.s(2)], two.total.s()), one.add.s(100))(),
    "chain with a nested group": lambda: chain(
        one.add.s(1, 1), group(two.add.s(1) | one.add.s(1), group(one.add.s(2), two.add.s(3))),
        one.echo.s())(),
}

CHORD_ERRORS = {
    "chord whose first part fails": lambda: chord([one.fail.s(), last])(two.total.s()),
    "chord whose last part fails": lambda: chord([one.add.s(1, 1), last_fails])(two.total.s()),
    "chord of failures": lambda: chord([one.fail.s(), last_fails])(two.total.s()),
    "chord of one failure": lambda: chord([one.fail.s()])(two.total.s()),
    "chord whose body fails": lambda: chord([one.add.s(1, 1), last])(two.fail.s()),
    "chord whose body fails, with an errback": lambda: chord([one.add.s(1, 1), last])(
        two.fail.s().on_error(one.errback.s())),
    "chord with an errback": lambda: chord([one.fail.s(), last])(
        two.total.s().on_error(one.errback.s())),
    "chord with an errback in its own process": lambda: chord([one.fail.s(), last])(
        two.total.s().on_error(one.handler.s())),
    "chord that is linked with an errback": lambda: _erring(
        chord([one.fail.s(), last], two.total.s()), one.errback.s()),
    "chord whose part has an errback": lambda: chord(
        [one.fail.s().on_error(two.errback.s()), last])(two.total.s()),
    "chord whose part's retries run out": lambda: chord([one.exhaust.s(), last])(two.total.s()),
    "chord whose part's chain fails": lambda: chord(
        [one.add.s(1, 1) | two.fail.s() | one.add.s(1), last])(two.total.s()),
    "chord whose part's chain fails at its end": lambda: chord(
        [one.add.s(1, 1) | two.fail.s(), last])(two.total.s()),
    "chord whose inner part fails": lambda: chord(
        [chord([one.fail.s(), two.add.s(1, 1)], one.total.s()), one.slow.si(0.8, 7)])(
            two.total.s()),
    "chord whose inner body fails": lambda: chord(
        [chord([one.add.s(1, 1), two.add.s(1, 1)], one.fail.s()), one.slow.si(0.8, 7)])(
            two.total.s()),
    "chord whose group fails": lambda: chord(
        [one.add.s(1, 1), group(two.fail.s(), last)])(one.total.s()),
    "chord that fails before a task": lambda: chain(
        group(one.fail.s(), last), two.total.s(), one.add.s(100))(),
    "chord that fails before a chord": lambda: chain(
        group(one.fail.s(), last), group(two.total.s(), one.total.s()), one.echo.s())(),
    "chord whose body is a chain that fails": lambda: chord([one.add.s(1, 1), last])(
        one.total.s() | two.fail.s() | one.add.s(1)),
    "chord that fails before a chain": lambda: chord([one.fail.s(), last])(
        one.total.s() | two.add.s(1)),
    "chord that fails before a group": lambda: chord([one.fail.s(), last])(
        group(one.total.s(), two.total.s())),
    "chord whose part ignores": lambda: chord([one.ignore.s(), last])(two.total.s()),
    "failing chord in a chain": lambda: chain(
        one.add.s(1, 1), group(two.fail.s(), one.slow.si(0.4, 1)), two.total.s(),
        one.add.s(1))(),
}

MAPS = {
    "map": lambda: one.echo.map([1, [2], "three"]).delay(),
    "starmap": lambda: two.add.starmap([(1, 2), (3, 4)]).delay(),
    "map of nothing": lambda: one.echo.map([]).delay(),
    "map that fails": lambda: one.fail.map([1, 2]).delay(),
    "starmap with a call that does not fit": lambda: one.add.starmap([(1, 2), (3,)]).delay(),
    "chunks": lambda: two.add.chunks([(i, i) for i in range(5)], 2)(),
    "chunks as a group": lambda: one.add.chunks([(i, i) for i in range(5)], 2).group()(),
    "chunks with a body": lambda: chord(
        one.add.chunks([(i, i) for i in range(5)], 2).group())(two.echo.s()),
    "map in a chain": lambda: chain(one.echo.map([1, 2]), two.echo.s())(),
    "map in a chord": lambda: chord(
        [one.echo.map([1, 2]), two.add.starmap([(1, 2)])])(one.echo.s()),
}

REPLACEMENTS = {
    "replace": lambda: _replaced(two.add.s(3, 4)).delay(),
    "replace by a chain": lambda: _replaced(two.add.s(3, 4) | one.add.s(5)).delay(),
    "replace by a group": lambda: _replaced(group(two.add.s(3, 4), one.add.s(5, 5))).delay(),
    "replace by a chord": lambda: _replaced(
        chord([two.add.s(3, 4), one.add.s(5, 5)], two.total.s())).delay(),
    "replace by a failure": lambda: _replaced(two.fail.s()).delay(),
    "replace twice": lambda: _replaced(_replaced(one.add.s(3, 4), two)).delay(),
    "replace with a link": lambda: _replaced(two.add.s(3, 4)).apply_async(link=one.add.s(10)),
    "replace with an errback": lambda: _replaced(two.fail.s()).apply_async(
        link_error=one.errback.s()),
    "replace first in a chain": lambda: (
        _replaced(two.add.s(3, 4)) | one.add.s(10) | two.add.s(10))(),
    "replace in a chain": lambda: chain(
        one.add.s(1, 1), _replaced(two.add.s(3, 4)), two.add.s(10))(),
    "replace last in a chain": lambda: (one.add.s(1, 1) | _replaced(two.add.s(3, 4)))(),
    "replace by a chain in a chain": lambda: chain(
        _replaced(two.add.s(3, 4) | one.add.s(5)), two.add.s(10))(),
    "replace by a group in a chain": lambda: chain(
        _replaced(group(two.add.s(3, 4), one.add.s(5, 5))), two.echo.s())(),
    "replace by a chord in a chain": lambda: chain(
        _replaced(chord([two.add.s(3, 4), one.add.s(5, 5)], two.total.s())), two.add.s(10))(),
    "replace in a group": lambda: group(
        _replaced(two.add.s(3, 4)), one.add.s(5, 5))(),
    "replace in a chord": lambda: chord([_replaced(two.add.s(3, 4)), last])(two.total.s()),
    "replace by a chain in a chord": lambda: chord(
        [_replaced(two.add.s(3, 4) | one.add.s(5)), last])(two.total.s()),
    "replace by a group in a chord": lambda: chord(
        [_replaced(group(two.add.s(3, 4), one.add.s(2, 5))), one.slow.si(0.8, 7)])(one.echo.s()),
    "replace by a failure in a chord": lambda: chord(
        [_replaced(two.fail.s()), last])(two.total.s()),
    "replace a chord's body": lambda: chord(
        [one.add.s(1, 1), two.add.s(2, 2)])(_replaced(two.add.s(3, 4))),
}

INSIDE = {
    "task from inside": lambda: one.apply.delay(_plain(two.add.s(1, 2))),
    "chain from inside": lambda: one.apply.delay(_plain(two.add.s(1, 2) | one.add.s(3))),
    "group from inside": lambda: one.apply.delay(
        _plain(group(two.add.s(1, 2), one.add.s(3, 3)))),
    "chord from inside": lambda: one.apply.delay(
        _plain(chord([two.add.s(1, 2), one.add.s(3, 3)], two.total.s()))),
    "chord from inside a chord": lambda: chord(
        [one.apply.si(_plain(chord([two.add.s(1, 2)], two.total.s()))), last])(one.echo.s()),
}

BUILTINS = {
    "celery.accumulate": lambda: app.send_task("celery.accumulate", (1, 2, 3)),
    "celery.accumulate, one": lambda: app.send_task("celery.accumulate", (1, 2), {"index": 1}),
    "celery.backend_cleanup": lambda: app.send_task("celery.backend_cleanup"),
    "celery.chain": lambda: app.send_task("celery.chain"),
    "celery.map of an unknown task": lambda: app.send_task(
        "celery.map", ({"task": "no.such", "args": [], "kwargs": {}, "options": {}}, [1])),
    "celery.chunks": lambda: app.send_task(
        "celery.chunks", (_plain(one.add.s()), [[1, 1], [2, 2], [3, 3]], 2)),
    "celery.chord": lambda: app.send_task(
        "celery.chord", ([_plain(one.add.s(1, 1)), _plain(two.add.s(2, 2))],
                         _plain(one.total.s()))),
    "unknown task in a chain": lambda: chain(
        one.add.s(1, 1), app.signature("one.unknown"), two.add.s(1))(),
    "unknown task in a chord": lambda: chord(
        [app.signature("one.unknown"), last])(two.total.s()),
}


def _stamped(signature: Any, **stamps: Any) -> Any:
    signature.stamp(**stamps)
    return signature.apply_async()


# Celery has them since 5.3.
STAMPS = {
    "stamped task": lambda: _stamped(one.seen.s(1), batch="b1"),
    "stamped chain": lambda: _stamped(chain(one.seen.s(1), two.seen.s()), batch="b1"),
    "stamped group": lambda: _stamped(group(one.seen.s(1), two.seen.s(2)), batch=["b1", "b2"]),
    "stamped chord": lambda: _stamped(
        chord([one.seen.s(1), two.seen.s(2)], one.seen.s()), batch="b1", owner="me"),
    "stamped task with a link": lambda: _stamped(
        one.add.s(1, 1).set(link=two.seen.s()), batch="b1"),
    "stamped task that is retried": lambda: _stamped(one.retry.s(1, 1), batch="b1"),
    "stamped task that is replaced": lambda: _stamped(_replaced(two.seen.s(1)), batch="b1"),
    "stamped failure with an errback": lambda: _stamped(
        one.fail.s().set(link_error=two.errback.s()), batch="b1"),
}

SHAPES = {**CHAINS, **CHAIN_ERRORS, **LINKS, **GROUPS, **CHORDS, **UPGRADES, **CHORD_ERRORS,
          **MAPS, **REPLACEMENTS, **INSIDE, **BUILTINS,
          **(STAMPS if hasattr(app.signature("x"), "stamp") else {})}
