# SPDX-License-Identifier: BSD-3-Clause
"""The first tables."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Orders and mails."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False,
                                           verbose_name="ID")),
                ("number", models.IntegerField(unique=True)),
                ("customer", models.CharField(max_length=40)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=8)),
                ("state", models.CharField(default="new", max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False,
                                           verbose_name="ID")),
                ("text", models.TextField()),
                ("order", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE,
                                            to="shop.order")),
            ],
        ),
    ]
