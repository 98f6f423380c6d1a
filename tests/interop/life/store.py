# SPDX-License-Identifier: BSD-3-Clause
"""What a worker tells Redis: each document, in order, read as it passes a proxy."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator

PREFIX = b"celery-task-meta-"


@dataclass
class Stored:
    """A document under a task's key."""

    task_id: str
    document: Any
    at: float


class Commands:
    """Cuts what a client sends into commands: arrays of byte strings."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """The commands that are complete by now."""
        self._buffer += data
        while (found := self._cut()) is not None:
            words, used = found
            self._buffer = self._buffer[used:]
            yield words

    def _line(self, at: int) -> tuple[int, int] | None:
        end = self._buffer.find(b"\r\n", at)
        return None if end < 0 else (int(self._buffer[at + 1:end]), end + 2)

    def _cut(self) -> tuple[list[bytes], int] | None:
        head = self._line(0)
        words = []
        for _ in range(head[0] if head else 0):
            assert head
            size = self._line(head[1])
            if size is None or len(self._buffer) < size[1] + size[0] + 2:
                return None
            words.append(self._buffer[size[1]:size[1] + size[0]])
            head = size[0], size[1] + size[0] + 2
        return (words, head[1]) if head else None


class Store:
    """All documents of all connections."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self._lock = threading.Lock()

    def connection(self) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """What is to see a new connection's bytes: (the client's, the server's)."""
        commands = Commands()

        def see(data: bytes) -> None:
            for words in commands.feed(data):
                if words[0].upper() in (b"SET", b"SETEX") and words[1].startswith(PREFIX):
                    self._add(words[1][len(PREFIX):].decode(), words[-1])

        return see, lambda data: None

    def _add(self, task_id: str, value: bytes) -> None:
        with self._lock:
            self.stored.append(Stored(task_id, json.loads(value), time.monotonic()))

    def of(self, task_id: str) -> list[Stored]:
        """The documents of one task."""
        return [one for one in list(self.stored) if one.task_id == task_id]
