# SPDX-License-Identifier: BSD-3-Clause
"""From what a side left to what became of each shape, with ids replaced by what they name."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any, Iterator

import msgpack

from interop.canvas.client import MARK
from interop.canvas.side import QUEUES, Side
from interop.parity.chance import UUID

TASK_KEY = "celery-task-meta-"
GROUP_KEY = "celery-taskset-meta-"
ARGUMENTS_SIZE = 160
# Of a message's headers and properties; the rest is by chance, or is compared in parity.
HEADERS = ("task", "retries", "group_index", "ignore_result", "shadow", "timelimit",
           "replaced_task_nesting", "stamped_headers", "stamps", "mine")
NEWER = ("replaced_task_nesting", "stamped_headers", "stamps")
PROPERTIES = ("priority", "content_type", "delivery_mode")


class Message:
    """A task message that was published."""

    def __init__(self, trace: Any) -> None:
        about = trace.headers
        self.queue = about["routing_keys"][0]
        self.properties = dict(about["properties"])
        self.headers: dict[str, Any] = self.properties.pop("headers", None) or {}
        body = trace.body if isinstance(trace.body, bytes) else trace.body.encode()
        packed = self.properties.get("content_type") == "application/x-msgpack"
        self.args, self.kwargs, self.embed = msgpack.unpackb(body) if packed else json.loads(body)
        self.id = str(self.headers["id"])

    def ids(self) -> set[str]:
        """All ids that it mentions."""
        return set(UUID.findall(json.dumps([self.headers, self.args, self.kwargs, self.embed])))


def signatures(value: Any) -> Iterator[dict[str, Any]]:
    """All signatures within a value, the outer ones first."""
    if isinstance(value, dict):
        if "task" in value and "options" in value:
            yield value
        for one in value.values():
            yield from signatures(one)
    elif isinstance(value, list):
        for one in value:
            yield from signatures(one)


def _arguments(text: str) -> str:
    """Whether arguments came as a list or a tuple does not show."""
    text = re.sub(r"^[\[(](.*?),?[\])]$", r"\1", UUID.sub("<id>", text), flags=re.DOTALL)
    return text if len(text) < ARGUMENTS_SIZE else f"{text[:30]} ..."


class Labels:
    """Ids and what they name: a task with its arguments, or a group."""

    def __init__(self, messages: list[Message]) -> None:
        self._tasks: dict[str, str] = {}
        self._groups: set[str] = set()
        for one in messages:
            label = f"{one.headers['task']}({_arguments(one.headers['argsrepr'])})"
            self._learn(one.id, label, one.headers.get("group"))
        for one in messages:
            for signature in signatures([one.args, one.embed]):
                options = signature["options"]
                label = f"{signature['task']}{UUID.sub('<id>', repr(signature['args']))}"
                self._learn(options.get("task_id"), label[:ARGUMENTS_SIZE],
                            options.get("group_id"))

    def _learn(self, task_id: str | None, label: str, group: str | None) -> None:
        if task_id and label.startswith("celery.group"):
            self._groups.add(task_id)
        elif task_id and not label.startswith("celery.chord["):  # the id of header or body
            self._tasks.setdefault(task_id, label)
        if group:
            self._groups.add(group)

    def of(self, one: str) -> str:
        """The name of an id."""
        if one in self._groups:
            return "<a group>"
        return f"<{self._tasks[one]}>" if one in self._tasks else "<an id>"

    def clean(self, value: Any) -> Any:
        """A value with names in place of ids."""
        if isinstance(value, str):
            return UUID.sub(lambda match: self.of(match[0]), value)
        if isinstance(value, dict):
            return {self.clean(key): self.clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.clean(one) for one in value]
        return value


class Observations:
    """What a side left, shape by shape; only what the reference's Celery (its version) has."""

    def __init__(self, side: Side, version: list[int]) -> None:
        self._side = side
        self._old = version < [5, 3]
        self._messages = [Message(one) for one in side.published
                          if one.headers["routing_keys"][0] in QUEUES]
        self._labels = Labels(self._messages)
        self._parts = {one.id for one in self._messages if one.embed.get("chord")}
        self._roots = self._roots_of_parts()
        self._shape_of: dict[str, str] = {}
        self._own()

    def of(self, shape: str) -> dict[str, Any]:
        """Everything that can be compared about a shape."""
        documents, keys = self._stored(shape)
        return {
            "returned": self._labels.clean(self._side.returned.get(shape)),
            "documents": _sorted(documents),
            "published": _sorted(self._published(shape)),
            "keys": sorted(keys),
        }

    def left(self) -> dict[str, Any]:
        """What belongs to no shape, or to all."""
        return {"queues": self._side.queues,
                "messages": [one.headers["task"] for one in self._messages
                             if one.id not in self._shape_of],
                "keys": sorted(re.sub(UUID, "<id>", key) for key in self._side.stored
                               if not self._shape(key) and key != "called"
                               and not key.startswith("_kombu"))}

    def _own(self) -> None:
        """A message belongs to the shape that it is marked with, or to that of its ancestors."""
        for one in self._messages:
            known = [self._shape_of.get(str(one.headers.get(name)))
                     for name in ("id", "root_id", "parent_id", "group")]
            shape = one.headers.get(MARK) or next(filter(None, known), None)
            if shape:
                for task_id in one.ids():
                    self._shape_of.setdefault(task_id, shape)

    def _shape(self, text: str) -> str:
        return next((self._shape_of[one] for one in UUID.findall(text)
                     if one in self._shape_of), "")

    def _published(self, shape: str) -> list[Any]:
        return [self._message(one) for one in self._messages
                if self._shape_of.get(one.id) == shape]

    def _message(self, one: Message) -> Any:
        told = {name: one.headers.get(name) for name in HEADERS}
        for name in NEWER if self._old else ():
            del told[name]
        if self._old:  # where groups are in a header, several members have one index
            del told["group_index"]
        told |= {name: one.properties.get(name) for name in PROPERTIES}
        told["stamped_headers"] = sorted(told.get("stamped_headers") or [])
        told["reply_to"] = bool(one.properties.get("reply_to"))
        told |= {"queue": one.queue, "args": one.args, "kwargs": one.kwargs,
                 "id": one.id, "group": one.headers["group"],
                 "root": self._root(one), "parent": self._parent(one.headers["parent_id"]),
                 "correlation": one.properties.get("correlation_id"), "later": bool(one.headers.get("eta")),
                 "argsrepr": _arguments(one.headers["argsrepr"])}
        for name in ("callbacks", "errbacks", "chain", "chord"):
            told[name] = _names(one.embed.get(name))
        return self._labels.clean(_without_notes(told))

    def _roots_of_parts(self) -> set[str]:
        """The roots of all chords whose parts have several."""
        roots: dict[str, set[str]] = defaultdict(set)
        for one in self._messages:
            if one.id in self._parts:
                roots[str(one.headers["group"])].add(str(one.headers["root_id"]))
        return {root for several in roots.values() if len(several) > 1 for root in several}

    def _root(self, one: Message) -> str | None:
        """Which part of a chord was the last is by chance, and so is the root of what follows."""
        root: str | None = one.headers["root_id"]
        return "<of a part>" if root != one.id and root in self._roots else root

    def _parent(self, parent: str | None) -> str | None:
        return "<a part>" if parent in self._parts else parent

    def _stored(self, shape: str) -> tuple[list[Any], list[str]]:
        documents, keys = [], []
        for key, value in self._side.stored.items():
            if key == "called":
                documents += [{"called": self._labels.clean(one)} for one in value
                              if self._shape(one) == shape]
            elif self._shape(key) == shape:
                keys.append(self._labels.clean(key))
                documents.append({"key": self._labels.clean(key), "value": self._value(key, value)})
        return documents, keys

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, list):  # members of a chord
            return _sorted([[self._labels.clean(json.loads(one)), score] for one, score in value])
        document = json.loads(value) if value[:1] == "{" else value
        if key.startswith(TASK_KEY):
            document["date_done"] = bool(document["date_done"])
            document["traceback"] = bool(document["traceback"])
            document["worker"] = bool(document.get("worker"))
            if "parent_id" in document:
                document["parent_id"] = self._parent(document["parent_id"])
            document = _without_notes(document)
        return self._labels.clean(document)


def _names(value: Any) -> Any:
    """The tasks of a list of signatures, or of one."""
    if isinstance(value, dict):
        return value["task"]
    return [one["task"] for one in value] if value else None


def _without_notes(value: Any) -> Any:
    """Signatures among arguments without what freezing has noted in them."""
    if isinstance(value, list):
        return [_without_notes(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "subtask_type" in value and "options" in value:
        value = {key: one for key, one in value.items() if key not in ("chord_size", "options")}
    return {key: _without_notes(one) for key, one in value.items()}


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda one: json.dumps(one, sort_keys=True))
