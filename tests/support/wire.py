# SPDX-License-Identifier: BSD-3-Clause
"""Basic properties as they lie on the wire: table fields with their type octets, which py-amqp does not show."""

from __future__ import annotations

import struct
from typing import Any

import amqp
from amqp.serialization import GenericContent

NAMES = ("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id",
         "reply_to", "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id")
FIXED = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
         "f": ">f", "d": ">d", "T": ">Q"}


class Reader:
    """Reads from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, size: int) -> bytes:
        """The next bytes."""
        piece, self._data = self._data[:size], self._data[size:]
        assert len(piece) == size, "truncated"
        return piece

    def number(self, form: str) -> Any:
        """The next number, as struct spells its form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def short(self) -> str:
        """The next short string."""
        return self.take(self.number(">B")).decode()

    def table(self) -> dict[str, Any]:
        """The next table: name -> [octet, value]."""
        inside, fields = Reader(self.take(self.number(">I"))), {}
        while inside._data:
            name = inside.short()
            assert name not in fields, f"{name} is there twice"
            fields[name] = inside.field()
        return fields

    def field(self) -> list[Any]:
        """The next field of a table."""
        octet = self.take(1).decode()
        if octet in FIXED:
            return [octet, self.number(FIXED[octet])]
        if octet in "Sx":
            return [octet, self.take(self.number(">I")).decode()]
        if octet == "t":
            return [octet, bool(self.number(">B"))]
        if octet == "V":
            return [octet, None]
        if octet == "F":
            return [octet, self.table()]
        assert octet == "A", f"field of type {octet!r}"
        inside, items = Reader(self.take(self.number(">I"))), []
        while inside._data:
            items.append(inside.field())
        return [octet, items]


def read_properties(data: bytes) -> dict[str, Any]:
    """What is set, by its name; headers with the octets of their types."""
    reader = Reader(data)
    flags, found = reader.number(">H"), {}
    for bit, name in enumerate(NAMES):
        if not flags & (1 << (15 - bit)):
            continue
        if name == "headers":
            found[name] = reader.table()
        elif name in ("delivery_mode", "priority"):
            found[name] = reader.number(">B")
        elif name == "timestamp":
            found[name] = reader.number(">Q")
        else:
            found[name] = reader.short()
    return found


def remember_properties() -> None:
    """From now on every message that py-amqp receives has `wire`: its properties as they came."""
    load = GenericContent._load_properties

    def load_and_remember(self: Any, class_id: int, buf: Any, offset: int) -> Any:
        self.wire = bytes(buf[offset:])
        return load(self, class_id, buf, offset)

    if load.__name__ != load_and_remember.__name__:
        amqp.basic_message.Message._load_properties = load_and_remember
