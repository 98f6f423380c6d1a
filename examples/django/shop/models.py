# SPDX-License-Identifier: BSD-3-Clause
"""What the shop stores."""

from django.db import models


class Order(models.Model):
    """One order of a customer."""

    number = models.IntegerField(unique=True)
    customer = models.CharField(max_length=40)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    state = models.CharField(max_length=10, default="new")


class Mail(models.Model):
    """A mail that would have been sent."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    text = models.TextField()
