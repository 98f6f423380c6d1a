# SPDX-License-Identifier: BSD-3-Clause
"""The app: celery -A proj worker, or celeriac -A proj worker."""

from celery import Celery

app = Celery("proj", include=["proj.tasks"])
app.config_from_object("proj.celeryconfig")

if __name__ == "__main__":
    app.start()
