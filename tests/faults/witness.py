# SPDX-License-Identifier: BSD-3-Clause
"""An independent witness on the wire between broker and worker: each delivery, each settlement.

RabbitMQ's own tracing would tell the same, but it forgets across a restart of the node, which is
when it is needed. Here the bytes are read as they pass the proxy.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from typing import Callable, Iterator

import amqp

METHOD, HEADER = 1, 2
FRAME_HEAD = struct.Struct(">BHI")
PROTOCOL_HEADER_SIZE = 8
DELIVER, ACK, REJECT, NACK = (60, 60), (60, 80), (60, 90), (60, 120)


@dataclass
class Delivery:
    """A message on its way to the worker, and what the worker said of it."""

    connection: int
    tag: int
    redelivered: bool
    routing_key: str
    task_id: str = ""
    lost_count: int = 0
    delivery_count: int = 0
    verb: str = ""
    headers: dict[str, object] = field(default_factory=dict)

    @property
    def excused(self) -> bool:
        """True if the broker or the worker has marked it as not the first."""
        return self.redelivered or self.lost_count > 0 or self.delivery_count > 0


class Frames:
    """Cuts a stream into frames: feed it bytes, get (type, channel, payload)."""

    def __init__(self, skip: int = 0) -> None:
        self._skip = skip
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The frames that are complete by now."""
        self._buffer += data
        at = self._skip if len(self._buffer) >= self._skip else len(self._buffer)
        self._skip -= at
        while len(self._buffer) - at >= FRAME_HEAD.size:
            kind, channel, size = FRAME_HEAD.unpack_from(self._buffer, at)
            end = at + FRAME_HEAD.size + size + 1
            if len(self._buffer) < end:
                break
            yield kind, channel, bytes(self._buffer[at + FRAME_HEAD.size:end - 1])
            at = end
        del self._buffer[:at]


def _short_string(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    return payload[at + 1:end].decode(errors="replace"), end


def _method(payload: bytes) -> tuple[int, int]:
    first, second = struct.unpack_from(">HH", payload)
    return first, second


class _Connection:
    """One connection's deliveries that are not settled, by channel and tag."""

    def __init__(self, witness: "Witness", number: int) -> None:
        self._witness = witness
        self._number = number
        self._server = Frames()
        self._client = Frames(PROTOCOL_HEADER_SIZE)
        self._pending: dict[int, Delivery] = {}
        self._open: dict[int, dict[int, Delivery]] = {}

    def see_server(self, data: bytes) -> None:
        """Deliveries: a method frame, then a header frame with the properties."""
        for kind, channel, payload in self._server.feed(data):
            if kind == METHOD and _method(payload) == DELIVER:
                self._pending[channel] = self._read_deliver(payload)
            elif kind == HEADER and channel in self._pending:
                self._take(channel, self._pending.pop(channel), payload)

    def see_client(self, data: bytes) -> None:
        """Acks, rejects and nacks."""
        for kind, channel, payload in self._client.feed(data):
            if kind == METHOD and _method(payload) in (ACK, REJECT, NACK):
                self._settle(channel, _method(payload), payload)

    def _read_deliver(self, payload: bytes) -> Delivery:
        _, at = _short_string(payload, 4)
        tag, bits = struct.unpack_from(">QB", payload, at)
        _, at = _short_string(payload, at + 9)
        routing_key, _ = _short_string(payload, at)
        return Delivery(self._number, tag, bool(bits & 1), routing_key)

    def _take(self, channel: int, delivery: Delivery, payload: bytes) -> None:
        message = amqp.Message()
        message.inbound_header(payload)
        headers = message.properties.get("application_headers", {})
        delivery.headers = headers
        delivery.task_id = str(headers.get("id", ""))
        delivery.lost_count = int(headers.get("x-worker-lost-count", 0))
        delivery.delivery_count = int(headers.get("x-delivery-count", 0))
        self._open.setdefault(channel, {})[delivery.tag] = delivery
        self._witness.deliveries.append(delivery)

    def _settle(self, channel: int, method: tuple[int, int], payload: bytes) -> None:
        tag, bits = struct.unpack_from(">QB", payload, 4)
        multiple = bool(bits & 1) and method != REJECT
        requeue = bool(bits & (1 if method == REJECT else 2)) and method != ACK
        verb = {ACK: "ack", REJECT: "reject", NACK: "nack"}[method]
        verb += "+requeue" if requeue else ""
        waiting = self._open.setdefault(channel, {})
        tags = [one for one in waiting if one <= tag] if multiple else [tag]
        for one in tags:
            if one in waiting:
                waiting.pop(one).verb = verb
            else:
                self._witness.violations.append(
                    f"connection {self._number}: {verb} of tag {one}, which is not open")


class Witness:
    """All deliveries that went through the proxy, in order, and settlements that had none."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.violations: list[str] = []
        self._connections = 0
        self._lock = threading.Lock()

    def connection(self) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """What is to see a new connection's bytes: (the client's, the server's)."""
        with self._lock:
            self._connections += 1
            number = self._connections
        one = _Connection(self, number)
        return one.see_client, one.see_server

    def of(self, task_id: str) -> list[Delivery]:
        """The deliveries of one task, in order."""
        return [one for one in list(self.deliveries) if one.task_id == task_id]

    def by_task(self) -> dict[str, list[Delivery]]:
        """All deliveries by task."""
        found: dict[str, list[Delivery]] = {}
        for one in list(self.deliveries):
            found.setdefault(one.task_id, []).append(one)
        return found

    def verbs(self) -> list[str]:
        """What was said of each delivery; empty where nothing was."""
        return [one.verb for one in list(self.deliveries)]
