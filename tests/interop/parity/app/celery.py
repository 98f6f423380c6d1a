# SPDX-License-Identifier: BSD-3-Clause
"""The app: settings by configuration, tasks by imports, include and autodiscovery."""

from __future__ import annotations

import os

from celery import Celery

from interop.parity.app.signals import watch_all

BASE = "interop.parity.app"

app = Celery("parity", include=[f"{BASE}.included"])
app.config_from_object(f"{BASE}.settings:{os.environ.get('PARITY_SETTINGS', 'Plain')}")
app.autodiscover_tasks([f"{BASE}.found"])
watch_all()
