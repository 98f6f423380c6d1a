# SPDX-License-Identifier: BSD-3-Clause
"""The tasks of the order desk."""

import time

from celery import group
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init
from celery.utils.log import get_task_logger

from proj import journal
from proj.celery import app
from proj.gateway import Gateway, Unreachable

logger = get_task_logger(__name__)
sessions = []


@worker_process_init.connect
def open_session(**_):
    """Each process of the pool talks to the gateway over a session of its own."""
    sessions.append(Gateway())


@app.task
def add(x, y):
    """The first task of everybody."""
    return x + y


@app.task(bind=True, max_retries=2)
def charge(self, order, amount):
    """Take the money, and try again if the gateway does not answer."""
    logger.info("order %s: attempt %s", order, self.request.retries + 1)
    try:
        return sessions[0].charge(order, amount, self.request.retries)
    except Unreachable as error:
        raise self.retry(exc=error, countdown=0.5)


@app.task(bind=True, autoretry_for=(Unreachable,), max_retries=1, default_retry_delay=0.5)
def refund(self, order, amount):
    """Give the money back; retried by Celery itself."""
    return sessions[0].charge(order, -amount, self.request.retries)


@app.task(bind=True)
def export(self, rows):
    """A long job that tells how far it is."""
    for row in range(1, rows + 1):
        time.sleep(0.15)
        self.update_state(state="PROGRESS", meta={"done": row, "of": rows})
    return f"{rows} rows"


@app.task
def net(prices):
    """First step of an invoice: the sum of the prices."""
    return sum(prices)


@app.task
def tax(amount, percent):
    """Second step: with value added tax."""
    return round(amount * (100 + percent) / 100, 2)


@app.task
def invoice(amount, customer):
    """Last step: the text."""
    return f"{customer} owes {amount:.2f}"


@app.task
def resize(width, height):
    """One picture of many: its pixels."""
    return width * height


@app.task
def total(numbers):
    """The sum of what a group has returned."""
    return sum(numbers)


@app.task
def checkout(order, amount):
    """A task that sends others and does not wait for them."""
    receipt = add.delay(order, amount)
    pictures = group(resize.s(width, 10) for width in (1, 2)).apply_async()
    return {"receipt": receipt.id, "pictures": [child.id for child in pictures.children]}


@app.task(ignore_result=True)
def cleanup(mark):
    """A task whose result nobody wants."""
    journal.write(f"{mark} cleaned up")


@app.task
def alert(request, exc, traceback):
    """An error callback, called where the failure was noticed."""
    last = (traceback or "no traceback").strip().splitlines()[-1]
    journal.write(f"{request.id} alert: {exc!r}; {last}")


@app.task
def ticket(task_id):
    """An error callback that is sent as a task of its own, with the id of what failed."""
    journal.write(f"{task_id} ticket")


@app.task(soft_time_limit=0.3)
def search(seconds):
    """Gives the best answer there is when its time is up."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "the best so far"
    return "the best"


@app.task(soft_time_limit=0.3)
def forecast(seconds):
    """Knows no partial answer."""
    time.sleep(seconds)


@app.task(time_limit=1)
def hang(seconds):
    """Has to be killed."""
    time.sleep(seconds)
