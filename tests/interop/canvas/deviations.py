# SPDX-License-Identifier: BSD-3-Clause
"""Where celeriac differs on purpose: why, and what is the same all the same."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """Cases (a pattern of mix-shape), the facets to compare, what celeriac must show."""

    why: str
    cases: str
    facets: tuple[str, ...] = ()
    shows: str = ""
    old: bool | None = None  # of Celery before 5.3 only, or of those since


# Mixes in which C tasks are at the end that matters.
_NATIVE = r"(native|native\+celery|native\+python)"
_ANY = r".*(native|python).*"
# Shapes whose body is the start of another chord or chain, and has nothing that could be told.
_TOLD = "celery.exceptions.ChordError"
DEVIATIONS = (
    Deviation("C has no function that could be called with an exception: errbacks are messages",
              rf"{_NATIVE}-(errbacks? (with its own process|of both kinds)|"
              r"chord with an errback in its own process)", (), "handler"),
    Deviation("Celery takes an errback that is a chain for one with three parameters, and fails",
              rf"{_NATIVE}-errback that is a chain", (), "told of"),
    Deviation("Celery forgets the step it was about to call, and its client waits for ever",
              rf"{_NATIVE}-chain with a call that does not fit", (),
              "add() takes 2 positional arguments but 3 were given"),
    Deviation("Celery fails the header's id, which nobody waits for; we fail the body's",
              rf"{_NATIVE}-chain that fails before a chord", (), "bad thing"),
    Deviation("Celery fails a body that is a chain under no id; we fail its last task",
              rf"{_NATIVE}-(chord that fails before a (task|chord|chain)|failing chord in a chain)",
              (), _TOLD),
    Deviation("Celery before 5.3 lets the members of the body wait for ever, 5.6 tells them the "
              "part's own exception; we tell them the ChordError, like any body",
              rf"{_NATIVE}-chord that fails before a group", (), _TOLD),
    Deviation("Celery lets the outer chord wait for ever",
              rf"{_NATIVE}-chord whose inner part fails", (), _TOLD),
    Deviation("the rest of a chain is an option of the body, not spliced into it",
              rf"{_NATIVE}-replace by a (group|chord) in a chain", ("returned", "keys")),
    Deviation("the document says what is known: name, arguments, group, parent",
              rf"{_NATIVE}-unknown task in a (chain|chord)", ("returned", "keys", "published")),
    Deviation("the client counts one part too few, so that a late part leaves its key behind",
              rf"{_ANY}-chord of a chain that ends with a group", ("returned", "published"),
              old=True),
    Deviation("the client counts one part too few, so that a late part leaves its key behind",
              r".*-chord of a chain that ends with a group", ("returned", "published"), old=False),
    Deviation("a chord that is passed on has its body's id, which Celery then gives its header, too",
              r"native\+(celery|python)-task, group, group, task", (), "SUCCESS", old=False),
    Deviation("the body of a chord that a task starts is no member of its group, as before 5.3",
              rf"{_NATIVE}-(link to a chord|task, group, .*|task and a chord|chord and a chord|"
              r"chain with a nested group|chord from inside.*|celery.chord)",
              ("returned", "keys"), old=False),
)


def deviation_of(case: str, old: bool) -> Deviation | None:
    """The first that names this case (mix-shape), of this Celery."""
    return next((one for one in DEVIATIONS
                 if re.fullmatch(one.cases, case) and one.old in (None, old)), None)
