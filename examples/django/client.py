#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Empties the shop's database, sends all of its tasks, and prints what came back.

    client.py [--whole]      --whole prints tracebacks to their first line

CELERY_BROKER_URL, CELERY_RESULT_BACKEND and SHOP_DATABASE must be the worker's. The output is the
same in every run and under every worker.
"""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

import django
from celery import chain, chord, group
from django.core.management import call_command

from mysite import celery_app
from report import SECONDS, Report


def orders(report, tasks):
    """One task after the other works on the same rows."""
    report.show("place", tasks.place.delay(1, "ACME", "19.90"))
    report.show("place again", tasks.place.delay(1, "ACME", "19.90"))
    report.show("place what is no number", tasks.place.delay(2, "ACME", "a lot"))
    report.show("ship", tasks.ship.delay(1))
    report.show("ship what is not there", tasks.ship.delay(99))
    report.show("cancel", tasks.cancel.delay(1))
    more = group(tasks.place.s(number, "Bolt", f"{number}.50") for number in range(10, 16))
    for number, result in enumerate(more.apply_async(), 1):
        report.show(f"group, number {number}", result)
    report.show("turnover", tasks.turnover.delay())
    steps = chain(tasks.place.si(20, "Nut", "5.00"), tasks.ship.si(20), tasks.amount.si(20))
    report.show_steps("chain", steps.apply_async())
    if report.everywhere:
        amounts = [tasks.amount.s(number) for number in (1, 10, 11)]
        report.show("chord", chord(amounts)(tasks.turnover.s()))
    else:
        print("chord: left out, rpc:// answers to the sender of a task only")


def surroundings(report, tasks):
    """Several times, so that processes are met that have run tasks before."""
    for number in range(1, 5):
        report.show(f"surroundings {number}", tasks.surroundings.delay())


def wait_mails(count):
    """The mails in the database, once there are as many."""
    from shop.models import Mail
    deadline = time.monotonic() + SECONDS
    while Mail.objects.count() < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return Mail.objects.order_by("order__number").values_list("order__number", "text")


def main():
    """Everything, one after the other."""
    if sys.argv[1:] not in ([], ["--whole"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("flush", verbosity=0, interactive=False)
    from shop import tasks
    report = Report(celery_app, whole="--whole" in sys.argv)
    orders(report, tasks)
    surroundings(report, tasks)
    for number, text in wait_mails(2):
        report.line(f"mail about order {number}: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
