# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that use the ORM; shared, so that they belong to no particular app."""

from celery import shared_task
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from shop import checks
from shop.models import Mail, Order


@shared_task
def place(number, customer, amount):
    """Take an order; a number that is taken is an IntegrityError."""
    order = Order.objects.create(number=number, customer=customer, amount=amount)
    return {"number": order.number, "state": order.state}


@shared_task(bind=True, max_retries=5)
def ship(self, number):
    """Send the goods, and once that is committed, a mail."""
    try:
        with transaction.atomic():
            order = Order.objects.select_for_update().get(number=number)
            order.state = "shipped"
            order.save(update_fields=["state"])
            transaction.on_commit(lambda: mail.delay(number, "Your order is on its way."))
    except Order.DoesNotExist as error:
        raise self.retry(exc=error, countdown=0.5, max_retries=1)
    return order.state


@shared_task
def cancel(number):
    """Fails half-way: nothing of it may stay, and the mail must not be sent."""
    with transaction.atomic():
        Order.objects.filter(number=number).update(state="cancelled")
        transaction.on_commit(lambda: mail.delay(number, "Your order is cancelled."))
        raise RuntimeError(f"order {number} cannot be cancelled any more")


@shared_task(ignore_result=True)
def mail(number, text):
    """Write a mail, where another task or the client finds it."""
    Mail.objects.create(order=Order.objects.get(number=number), text=text)


@shared_task
def turnover(amounts=None):
    """The sum of all orders, or of the amounts that a chord's header has found."""
    if amounts is not None:
        return round(sum(amounts), 2)
    return round(float(Order.objects.aggregate(Sum("amount"))["amount__sum"]), 2)


@shared_task
def amount(number):
    """What one order is worth."""
    return float(Order.objects.values_list("amount", flat=True).get(number=number))


@shared_task
def surroundings():
    """What Celery's support for Django has seen to, as far as a task can tell."""
    fresh = connection.connection is None
    Order.objects.exists()
    seen = cache.get_or_set("started", "in this process")
    return {"connection closed before": fresh, "vendor": connection.vendor, "cache": seen,
            "checks": len(checks.runs), "zone": timezone.get_current_timezone_name(),
            "in a transaction": connection.in_atomic_block}
