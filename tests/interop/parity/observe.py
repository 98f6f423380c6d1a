# SPDX-License-Identifier: BSD-3-Clause
"""From what a side left to what a user could see, case by case, freed of what is by chance."""

from __future__ import annotations

import json
import pickletools
import re
from collections import defaultdict
from typing import Any, Iterable

import amqp
import msgpack
import yaml
from kombu.compression import decompress

from interop.parity.chance import UUID, Names
from interop.parity.side import Side

# What celeriac lets a child do, and Celery's main process does itself.
RECORDED_EVENTS = ("before_task_publish", "after_task_publish", "task_revoked", "task_failure",
                   "Request.on_failure", "Request.on_timeout")
# Lines that only one of the two has: of the pool's own life.
POOL_LIFE = re.compile(r"lost its process|Process 'ForkPoolWorker-N' pid:<pid> exited|"
                       r"Pool process <|Process ForkPoolWorker-N|MaybeEncodingError|leaving$|"
                       r"child process exiting after exceeding memory limit|it is replaced$|"
                       r"celeriac does not limit rates yet|parity@\S+ celeriac v")
# One log entry: its first line has a stamp or one of our formats in front, or was just printed.
LOG_START = re.compile(
    r"^(\[\d{4}-\d\d-\d\d |main\||task\||own\||worker: |parity@\S+ celeriac v|"
    r"(printed by|two lines by|second of|error by|written by|real output of) |"
    r"leaving$)", re.MULTILINE)


def decode(body: bytes, content_type: str, compression: str = "") -> Any:
    """A message's body or a stored document, by its content type."""
    if compression:
        body = decompress(body, compression)
    kinds: dict[str, Any] = {
        "application/json": lambda: json.loads(body),
        "application/x-msgpack": lambda: msgpack.unpackb(body, raw=False),
        "application/x-yaml": lambda: yaml.safe_load(body),
        # Unpickling would need the app; the order is that of dictionaries.
        "application/x-python-serialize": lambda: {
            argument for _, argument, _ in pickletools.genops(body) if isinstance(argument, str)},
    }
    try:
        return kinds[content_type]()
    except (KeyError, ValueError, yaml.YAMLError):
        return body


def _document(value: bytes) -> Any:
    """A stored result document, whatever serializer made it."""
    if value[:1] == b"{":
        return decode(value, "application/json")
    pickled = value[:1] == b"\x80" and value[1:2] <= b"\x05"
    return decode(value, f"application/x-{'python-serialize' if pickled else 'msgpack'}")


class Message:
    """A message that the broker took or handed out, from its trace."""

    def __init__(self, message: amqp.Message) -> None:
        about = message.headers
        self.direction, _, self.place = message.delivery_info["routing_key"].partition(".")
        self.routing_keys = about["routing_keys"]
        self.redelivered = bool(about.get("redelivered"))
        self.properties = dict(about["properties"])
        self.headers = self.properties.pop("headers", None) or {}
        self.body = message.body if isinstance(message.body, bytes) else message.body.encode()

    def ids(self) -> list[str]:
        """The ids by which it belongs to a case, the strongest first."""
        found = (self.headers.get("id"), self.properties.get("correlation_id"),
                 self.headers.get("root_id"), self.headers.get("parent_id"))
        return [one for one in found if isinstance(one, str)]

    def content(self) -> Any:
        """The decoded body."""
        return decode(self.body, self.properties.get("content_type", ""),
                      self.headers.get("compression", ""))


class Observations:
    """All that a side left, as facet to case to a list; the case of the worker itself is ""."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._names = Names()
        self._owners = {record["id"]: record["case"] for record in side.records
                        if record["event"] == "claim"}
        self._messages = [Message(one) for one in side.trace]
        self._own_messages()
        self.facets: dict[str, dict[str, list[Any]]] = {
            "published": self._published(), "delivered": self._delivered(),
            "journal": self._journal(), "log": self._log(), "documents": self._documents(),
            "dead letters": self._dead(),
        }

    def of(self, case: str) -> dict[str, Any]:
        """Everything that can be compared about one case."""
        found: dict[str, Any] = {facet: cases.get(case, [])
                                 for facet, cases in self.facets.items()}
        if case:
            found["returned"] = self._names.clean(self._side.answers.get(case))
        else:
            found |= {"status": self._side.status, "left": self._side.left,
                      "log files": sorted(self._side.logs)}
        return found

    def _own_messages(self) -> None:
        """A task that a task has sent belongs to the case of that."""
        for message in self._messages:
            if message.direction == "publish" and "task" in message.headers:
                self._names.learn(message.headers)
                owner = self._owner(*message.ids())
                if owner:
                    self._owners.setdefault(message.headers["id"], owner)

    def _owner(self, *ids: str | None) -> str:
        return next((self._owners[one] for one in ids if one in self._owners), "")

    def _group(self, pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
        groups: dict[str, list[Any]] = defaultdict(list)
        for owner, value in pairs:
            groups[owner].append(self._names.clean(value))
        return {owner: sorted(values, key=_key) for owner, values in groups.items()}

    def _published(self) -> dict[str, list[Any]]:
        return self._group(
            (self._owner(*one.ids()),
             {"exchange": one.place, "routing keys": one.routing_keys, "headers": one.headers,
              "properties": one.properties, "body": one.content()})
            for one in self._messages if one.direction == "publish")

    def _delivered(self) -> dict[str, list[Any]]:
        """What workers were handed; whether a client takes a reply is its own affair."""
        return self._group(
            (self._owner(*one.ids()),
             {"queue": one.place, "redelivered": one.redelivered,
              "id": one.headers.get("id"), "retries": one.headers.get("retries")})
            for one in self._messages
            if one.direction == "deliver" and not UUID.fullmatch(one.place))

    def _journal(self) -> dict[str, list[Any]]:
        """For each task and kind of process, what was noted, in its order.

        Of pool processes only what they note, not how many they are.
        """
        sequences: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for record in self._side.records:
            if record["role"] != "client" and not _killed(record):
                owner = self._owner(record["id"], record["root"])
                run = record.pop("run")
                record["pid"] = "<pid>"
                if run is None and record["event"] in RECORDED_EVENTS:
                    record["role"] = "<recorder>"
                key = record["id"] if owner else json.dumps(record, sort_keys=True)
                sequences[owner, key, record["role"], run].append(record)
        return self._group((key[0], sequence if key[0] else sequence[0])
                           for key, sequence in sequences.items())

    def _log(self) -> dict[str, list[Any]]:
        """Entries with the file they are in."""
        entries = [f"{re.sub('[0-9]+', 'N', name)}: {entry}"
                   for name, log in self._side.logs.items() for entry in _entries(log)]
        groups = self._group((self._owner(*UUID.findall(entry)), entry) for entry in entries)
        return {owner: _comparable(found, bool(owner)) for owner, found in groups.items()}

    def _documents(self) -> dict[str, list[Any]]:
        return self._group(
            (self._owner(key.replace("celery-task-meta-", "")),
             {"key": key, "document": _document(value) if value else None})
            for key, value in self._side.documents.items())

    def _dead(self) -> dict[str, list[Any]]:
        def about(message: amqp.Message) -> Any:
            death = message.headers["x-death"][0]
            return {"id": message.headers.get("id"), "queue": death["queue"],
                    "reason": death["reason"], "count": death["count"]}

        return self._group(
            (self._owner(one.headers.get("id"), one.properties.get("correlation_id")), about(one))
            for one in self._side.dead)


def _entries(log: str) -> list[str]:
    starts = [match.start() for match in LOG_START.finditer(log)]
    return [log[start:end].rstrip("\n") for start, end in zip(starts, [*starts[1:], len(log)])]


def _comparable(entries: list[str], of_task: bool) -> list[str]:
    """The lines that both workers have: those of recorders once, and only with a task's id."""
    found: list[str] = []
    for entry in entries:
        recorded = "<recorder>" in entry
        stray = not of_task and (recorded or "WARNING/ForkPoolWorker-N]" in entry)
        if not (recorded and entry in found) and not stray and not POOL_LIFE.search(
                entry.partition("\n")[0]):
            found.append(entry)
    return found


def _killed(record: dict[str, Any]) -> bool:
    """At a hard limit Celery sends SIGTERM before SIGKILL, so that some tasks end with signals."""
    return record["event"] == "task_postrun" and record["arguments"]["state"] is None


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
