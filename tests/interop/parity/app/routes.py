# SPDX-License-Identifier: BSD-3-Clause
"""A router, as task_routes takes one by name."""

from __future__ import annotations

from typing import Any


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None,
          **more: Any) -> dict[str, str] | None:
    """Orders go to the topic exchange, with what happened to them as key."""
    if name.endswith(".order"):
        return {"exchange": "events", "exchange_type": "topic",
                "routing_key": f"order.{args[0]}"}
    return None
