# SPDX-License-Identifier: BSD-3-Clause
"""The app's place in Django."""

from importlib import import_module

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Registers the app's system check once the models are loaded."""

    name = "shop"

    def ready(self):
        import_module("shop.checks")
