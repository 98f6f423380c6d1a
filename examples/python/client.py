#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends everything that proj can do and prints what came back.

    client.py [--whole]      --whole prints tracebacks to their first line

CELERY_BROKER_URL, CELERY_RESULT_BACKEND and PROJ_JOURNAL must be the worker's. The output is the
same in every run and under every worker.
"""

import sys
import time
import uuid

from celery import chain, chord, group

from proj import journal, tasks
from proj.celery import app
from report import SECONDS, Report


def calls(report):
    """Single tasks: plain, failing, with options."""
    report.show("add", tasks.add.delay(2, 3))
    report.show("add without an argument", app.send_task("proj.tasks.add", (2,)))
    report.show("add by name, with msgpack, later",
                app.send_task("proj.tasks.add", (2, 0.5), serializer="msgpack", countdown=0.2))
    report.show("a task that nobody has", app.send_task("proj.tasks.nobody"))
    report.show("sends others", tasks.checkout.delay(7, 100))


def retries(report):
    """The gateway does not answer at first, never, or says no."""
    report.show("paid at once", tasks.charge.delay(10, 50))
    report.show("paid at the third attempt", tasks.charge.delay(11, 50))
    report.show("given up", tasks.charge.delay(12, -50))
    report.show("given up by autoretry", tasks.refund.delay(13, 50))
    report.show("declined", tasks.charge.delay(14, 5000))


def progress(report):
    """A task that tells how far it is."""
    result = tasks.export.delay(5)
    report.show("export", result)
    report.progress(result)


def limits(report):
    """Tasks that take too long."""
    report.show("soft limit, caught", tasks.search.delay(10))
    report.show("soft limit", tasks.forecast.delay(10))
    report.show("hard limit", tasks.hang.delay(10))


def canvas(report):
    """Tasks that follow or accompany each other."""
    steps = chain(tasks.net.s([10, 20, 30.5]), tasks.tax.s(19), tasks.invoice.s("ACME"))
    report.show_steps("chain", steps.apply_async())
    broken = chain(tasks.net.s([1, "2"]), tasks.tax.s(19)).apply_async()
    report.show("chain, its first step", broken.parent)
    linked = tasks.add.apply_async((1, 2), link=tasks.add.s(10))
    report.show("with a callback", linked)
    if report.everywhere:
        report.show("the callback", linked.children[0])
    sizes = group(tasks.resize.s(width, width) for width in (1, 2, 3, 4)).apply_async()
    for number, result in enumerate(sizes, 1):
        report.show(f"group, number {number}", result)


def chords(report):
    """A task that waits for a group, which needs a backend that many processes can read."""
    header = [tasks.resize.s(width, 2) for width in (1, 2, 3)]
    report.show("chord", chord(header)(tasks.total.s()))
    upgraded = chain(group(header), tasks.total.s(), tasks.add.s(100)).apply_async()
    report.show_steps("chain with a group", upgraded)
    broken = chord([tasks.charge.s(20, 5000)])(tasks.total.s())
    report.show("chord with a failure", broken)


def callbacks(report):
    """Error callbacks of both kinds and a task without a result: seen in the journal."""
    errbacks = [tasks.alert.s(), tasks.ticket.s()]
    failed = tasks.charge.apply_async((30, 5000), link_error=errbacks)
    report.show("declined, with error callbacks", failed)
    killed = tasks.hang.apply_async((10,), link_error=errbacks)
    report.show("killed, with error callbacks", killed)
    mark = str(uuid.uuid4())
    tasks.cleanup.delay(mark)
    for marker, count in ((failed.id, 2), (killed.id, 2), (mark, 1)):
        for line in wait_lines(marker, count):
            report.line(f"  journal {line}")


def wait_lines(marker, count):
    """The different lines of the journal about something, sorted, once there are as many."""
    deadline = time.monotonic() + SECONDS
    while True:
        lines = sorted({line for line in journal.lines() if line.startswith(marker)})
        if len(lines) >= count or time.monotonic() > deadline:
            return lines
        time.sleep(0.02)


def main():
    """Everything, one after the other."""
    if sys.argv[1:] not in ([], ["--whole"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    report = Report(app, whole="--whole" in sys.argv)
    for part in (calls, retries, progress, limits, canvas):
        part(report)
    if report.everywhere:
        chords(report)
    else:
        print("chords, results of callbacks: left out, rpc:// answers to the sender of a task only")
    callbacks(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
