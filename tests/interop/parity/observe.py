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

from interop.parity.side import Side

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LABEL_SIZE = 80
# What Celery's main process logs of a task that is lost, late or expired, and may log twice. Under
# celeriac a child does, as it knows the task's own backend and classes.
RECORDED = "Task handler raised error|Chord '.*' raised|Hard time limit"
RECORDED_EVENTS = ("before_task_publish", "after_task_publish", "task_revoked", "task_failure")
# Lines that only one of the two has: of the pool's own life.
POOL_LIFE = re.compile(r"lost its process|Process 'ForkPoolWorker-N' pid:<pid> exited|"
                       r"Pool process <|MaybeEncodingError|Process ForkPoolWorker-N|billiard/|worker: Warm shutdown|"
                       r"worker: Cold shutdown|leaving$")
# By chance: what is replaced in every text.
CHANCE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?"), "<time>"),
    (re.compile(r"ForkPoolWorker-\d+"), "ForkPoolWorker-N"),
    (re.compile(r"gen\d+@[\w.-]+"), "<origin>"),
    (re.compile(r"in [\d.e-]+s\b"), "in <seconds>s"),
    (re.compile(r"\b0x[0-9a-f]{6,}"), "0x<address>"),
    (re.compile(r"/\S*celeriac-parity-\w+-\w+"), "<folder>"),
    (re.compile(r"amqp://[^\s/]*/\w+"), "<broker>"),
    (re.compile(r"redis://[^\s/]*/\d+"), "<redis>"),
    (re.compile(r"(delivery_tag|consumer_tag)': '?\w+'?"), r"\1"),
    (re.compile(r"Previous line repeated \d+ more"), "Previous line repeated many more"),
    (re.compile(rf"ERROR(/|\|)(MainProcess|ForkPoolWorker-N)(.*({RECORDED}))"),
     r"ERROR\1<recorder>\3"),
    # How a message is bad is told in other words.
    (re.compile(r"(Received unregistered task of type '[^']*'|Can't decode message body: \w+|"
                r"Received and deleted unknown message).*", re.DOTALL), r"\1"),
    # Nothing is being handled when a child records what became of a task.
    (re.compile(r"Traceback \(most recent call last\):\n"
                r"billiard\.exceptions\.(WorkerLostError|TimeLimitExceeded).*\n\n"
                r"During handling of the above exception, another exception occurred:\n\n"), ""),
    # Celery's text of an exception that has none holds the whole stack.
    (re.compile(r"(<Unrepresentable <class '[^']*'>: \w+\([^)]*\)).*", re.DOTALL), r"\1"),
    (re.compile(r" Job: \d+\b"), ""),
    (re.compile(r"\bpid[:=] ?\d+"), "pid:<pid>"),
    (re.compile(r"datetime\.datetime\([^)]*\)+"), "<time>"),
)
NUMBERS = {"pid": "<pid>", "worker_pid": "<pid>", "timestamp": "<time>", "expiration": "<ms>"}
# Frames of a traceback that are not the app's own, with their source lines.
FOREIGN_FRAME = re.compile(r'^  File "(?!.*interop/parity)[^"\n]*", line \d+, in .*\n(    .*\n)*', re.MULTILINE)
# One log entry: its first line has a stamp or one of our formats in front, or was just printed.
LOG_START = re.compile(
    r"^(\[\d{4}-\d\d-\d\d |main\||task\||worker: |"
    r"(printed by|two lines by|second of|error by|written by|real output of) |"
    r"leaving$)", re.MULTILINE)


class Names:
    """Turns ids into what they are ids of."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def learn(self, headers: dict[str, Any]) -> None:
        """A task message was seen."""
        task = str(headers.get("task")).replace("interop.parity.app.", "")
        arguments = f"{headers.get('argsrepr')}{headers.get('kwargsrepr')}"
        label = UUID.sub("<id>", f"{task}{arguments}")[:LABEL_SIZE]
        self._labels.setdefault(str(headers.get("id")), f"<{label}>")

    def text(self, text: str) -> str:
        """A text without what is by chance."""
        text = UUID.sub(lambda match: self._labels.get(match[0], "<id>"), text)
        text = FOREIGN_FRAME.sub("", text)
        for pattern, replacement in CHANCE:
            text = pattern.sub(replacement, text)
        return text

    def clean(self, value: Any) -> Any:
        """Any value without what is by chance."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("latin-1"))
        if isinstance(value, dict):
            return {self.text(str(key)): NUMBERS[key] if key in NUMBERS and one else
                    self.clean(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(one) for one in value]
        if isinstance(value, (type(None), bool, int, float)):
            return value
        return self.text(repr(value))


def decode(body: bytes, content_type: str, compression: str = "") -> Any:
    """A message's body or a stored document, by its content type."""
    if compression:
        body = decompress(body, compression)
    kinds: dict[str, Any] = {
        "application/json": lambda: json.loads(body),
        "application/x-msgpack": lambda: msgpack.unpackb(body, raw=False),
        "application/x-yaml": lambda: yaml.safe_load(body),
        # Unpickling would need the app.
        "application/x-python-serialize": lambda: [
            argument for _, argument, _ in pickletools.genops(body)
            if isinstance(argument, (str, int, float))],
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
            found |= {"status": self._side.status, "left": self._side.left}
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
        starts = [match.start() for match in LOG_START.finditer(self._side.log)]
        entries = [self._side.log[start:end].rstrip("\n")
                   for start, end in zip(starts, [*starts[1:], len(self._side.log)])]
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
