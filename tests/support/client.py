# SPDX-License-Identifier: BSD-3-Clause
"""The stock Celery client, as an application would set it up."""

from __future__ import annotations

from typing import Any

from celery import Celery


def celery_client(url: str, backend: str = "rpc://", serializer: str = "json",
                  **settings: Any) -> Celery:
    """A Celery app without tasks of its own, which sends by name."""
    app = Celery("client", broker=url, backend=backend, set_as_current=False)
    app.conf.update(task_serializer=serializer, result_serializer=serializer,
                    accept_content=["json", "msgpack"], broker_connection_timeout=5,
                    result_expires=300, **settings)
    return app
