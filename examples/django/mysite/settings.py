# SPDX-License-Identifier: BSD-3-Clause
"""Settings of Django, and with CELERY_ in front those of Celery."""

import os
import tempfile

SECRET_KEY = "only for the example"
DEBUG = False
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE") or os.path.join(tempfile.gettempdir(),
                                                                "celeriac-shop.sqlite3"),
        "OPTIONS": {"timeout": 20},
    },
}

# CELERY_BROKER_URL and CELERY_RESULT_BACKEND of the environment, which Celery reads itself, win.
CELERY_BROKER_URL = "amqp://guest:guest@localhost//"
CELERY_RESULT_BACKEND = "rpc://"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 3600
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_DEFAULT_QUEUE = "shop"
CELERY_TASK_SOFT_TIME_LIMIT = 15
