# SPDX-License-Identifier: BSD-3-Clause
"""The project; shared tasks find their app because it is imported here."""

from mysite.celery import app as celery_app

__all__ = ["celery_app"]
