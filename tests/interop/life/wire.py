# SPDX-License-Identifier: BSD-3-Clause
"""What passes between worker and broker, in its order: deliveries, settlements, messages.

A case knows its messages by their task's id and, where they have none, by a header of its own.
"""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable

import amqp

from faults.witness import Frames

MARK = "life"
METHOD, HEADER, BODY = 1, 2, 3
PROTOCOL_HEADER_SIZE = 8
PUBLISH, DELIVER, ACK, REJECT, NACK = (60, 40), (60, 60), (60, 80), (60, 90), (60, 120)


@dataclass
class Event:
    """A delivery ("deliver"), its end ("ack", "reject", "requeue") or a message ("publish")."""

    what: str
    mark: str
    at: float
    redelivered: bool = False
    exchange: str = ""
    routing_key: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""

    @property
    def correlation_id(self) -> str:
        """The task that the message is about."""
        return str(self.properties.get("correlation_id", ""))


def _short_string(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    return payload[at + 1:end].decode(errors="replace"), end


class _Incoming:
    """A message of which the body is yet to come."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.left = -1

    def take_header(self, payload: bytes) -> None:
        """Properties and the size of the body."""
        message = amqp.Message()
        message.inbound_header(payload)
        self.event.headers = message.properties.pop("application_headers", {}) or {}
        self.event.properties = dict(message.properties)
        self.event.mark = str(self.event.headers.get(MARK, ""))
        self.left = struct.unpack_from(">Q", payload, 4)[0]

    def take_body(self, payload: bytes) -> None:
        """A part of it."""
        self.event.body += payload
        self.left -= len(payload)


class _Connection:
    def __init__(self, wire: "Wire") -> None:
        self._wire = wire
        self._server = Frames()
        self._client = Frames(PROTOCOL_HEADER_SIZE)
        self._incoming: dict[tuple[str, int], _Incoming] = {}
        self._open: dict[tuple[int, int], Event] = {}

    def see_server(self, data: bytes) -> None:
        """Deliveries."""
        for kind, channel, payload in self._server.feed(data):
            if kind == METHOD and struct.unpack_from(">HH", payload) == DELIVER:
                self._begin_delivery(channel, payload)
            else:
                self._go_on("server", kind, channel, payload)

    def see_client(self, data: bytes) -> None:
        """Messages and settlements."""
        for kind, channel, payload in self._client.feed(data):
            method = struct.unpack_from(">HH", payload) if kind == METHOD else None
            if method == PUBLISH:
                self._begin_message(channel, payload)
            elif method in (ACK, REJECT, NACK):
                self._settle(channel, method, payload)
            else:
                self._go_on("client", kind, channel, payload)

    def _begin_delivery(self, channel: int, payload: bytes) -> None:
        _, at = _short_string(payload, 4)
        tag, bits = struct.unpack_from(">QB", payload, at)
        event = Event("deliver", "", time.monotonic(), bool(bits & 1))
        self._open[channel, tag] = event
        self._incoming["server", channel] = _Incoming(event)

    def _begin_message(self, channel: int, payload: bytes) -> None:
        exchange, at = _short_string(payload, 6)
        routing_key, _ = _short_string(payload, at)
        event = Event("publish", "", time.monotonic(), exchange=exchange, routing_key=routing_key)
        self._incoming["client", channel] = _Incoming(event)

    def _go_on(self, side: str, kind: int, channel: int, payload: bytes) -> None:
        one = self._incoming.get((side, channel))
        if one is None or kind not in (HEADER, BODY):
            return
        if kind == HEADER:
            one.take_header(payload)
        else:
            one.take_body(payload)
        if one.left == 0:
            del self._incoming[side, channel]
            self._wire.add(one.event)

    def _settle(self, channel: int, method: tuple[int, ...], payload: bytes) -> None:
        tag, bits = struct.unpack_from(">QB", payload, 4)
        multiple = bool(bits & 1) and method != REJECT
        requeue = bool(bits & (1 if method == REJECT else 2)) and method != ACK
        what = "ack" if method == ACK else "requeue" if requeue else "reject"
        tags = [one for where, one in self._open if where == channel and one <= tag]
        for one in tags if multiple else [tag]:
            event = self._open.pop((channel, one), None)
            if event:
                self._wire.add(Event(what, event.mark, time.monotonic(), event.redelivered,
                                     headers=event.headers))


class Wire:
    """All events of all connections, in the order in which they were seen."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lock = threading.Lock()

    def connection(self) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """What is to see a new connection's bytes: (the client's, the server's)."""
        one = _Connection(self)
        return one.see_client, one.see_server

    def add(self, event: Event) -> None:
        """From the connections."""
        with self._lock:
            self.events.append(event)

    def of(self, mark: str, task_id: str) -> list[Event]:
        """What belongs to a case, results included."""
        return [one for one in list(self.events) if one.mark == mark
                or task_id in (one.headers.get("id"), one.correlation_id)]
