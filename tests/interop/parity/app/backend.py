# SPDX-License-Identifier: BSD-3-Clause
"""A result backend as a user would write one: a file for each result."""

from __future__ import annotations

import json
from typing import Any

from celery.backends.base import KeyValueStoreBackend

from interop.parity.app.journal import folder, note


class FolderBackend(KeyValueStoreBackend):
    """Keeps results in the run's folder."""

    supports_autoexpire = True

    def get(self, key: Any) -> Any:
        """The value of a key, or None."""
        path = folder() / self._name(key)
        return path.read_bytes() if path.exists() else None

    def mget(self, keys: Any) -> list[Any]:
        """The values of several keys."""
        return [self.get(key) for key in keys]

    def set(self, key: Any, value: Any) -> None:
        """Store a value under its key, in one step."""
        document = json.loads(value)
        note("stored", document["task_id"], status=document["status"])
        path = folder() / self._name(key)
        part = path.with_suffix(".part")
        part.write_bytes(value if isinstance(value, bytes) else value.encode())
        part.rename(path)

    def delete(self, key: Any) -> None:
        """Forget a key."""
        (folder() / self._name(key)).unlink(missing_ok=True)

    def process_cleanup(self) -> None:
        """After each task."""
        note("process_cleanup")

    @staticmethod
    def _name(key: Any) -> str:
        return key.decode() if isinstance(key, bytes) else str(key)
