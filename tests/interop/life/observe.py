# SPDX-License-Identifier: BSD-3-Clause
"""What can be compared of a case, freed of what is by chance."""

from __future__ import annotations

import json
import re
from typing import Any

from interop.life.one import SETTLED, One
from interop.life.site import Site
from interop.life.wire import MARK, Event

FACETS = ("status", "settled", "during", "documents", "tracebacks", "repeats", "messages", "log",
          "left")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LEVEL = re.compile(r"^\[[^\]]*?(" + "|".join(LEVELS) + r")/", re.MULTILINE)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CHANCE = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?"), "<time>"),
    (re.compile(r"gen\d+@[\w.-]+"), "<origin>"),
    (re.compile(r"/\S*celeriac-life-\w+"), "<folder>"),
    (re.compile(r" Job: \d+\b"), ""),
)
# What holds a number or a text that says nothing.
HIDDEN = {"pid": "<pid>", "expiration": "<ms>", "reply_to": "<queue>"}
# Headers that clients of Celery 5.2 do not send and newer workers add, where they say nothing.
NEW_HEADERS = ("replaced_task_nesting", "stamps", "stamped_headers")

NEW_IN_RPC = {"date_done", "group_id", "parent_id"}


class Names:
    """Ids become what they are ids of."""

    def __init__(self, own: str) -> None:
        self._own = own

    def text(self, text: str) -> str:
        """Without what is by chance."""
        text = UUID.sub(lambda match: "<id>" if match[0] == self._own else "<other>", text)
        for pattern, replacement in CHANCE:
            text = pattern.sub(replacement, text)
        return text

    def clean(self, value: Any) -> Any:
        """Any value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {str(key): HIDDEN[key] if key in HIDDEN and one else self.clean(one)
                    for key, one in sorted(value.items(), key=lambda pair: str(pair[0]))}
        if isinstance(value, (list, tuple)):
            return [self.clean(one) for one in value]
        return value


def _message(event: Event) -> dict[str, Any]:
    headers = {key: value for key, value in event.headers.items()
               if key != MARK and (value or key not in NEW_HEADERS)}
    # What the broker cannot route comes back to celeriac by its message_id.
    properties = {key: value for key, value in event.properties.items() if key != "message_id"}
    return {"to": [event.exchange, event.routing_key], "headers": headers,
            "properties": properties, "body": json.loads(event.body)}


def _document(site: Site, document: dict[str, Any]) -> dict[str, Any]:
    """Without what is compared apart, and what only newer Celerys' rpc results have."""
    left_out = {"traceback"} | (NEW_IN_RPC if site.backend == "rpc" else set())
    return {key: value for key, value in document.items() if key not in left_out}


def _without_repeats(documents: list[Any]) -> list[Any]:
    return [one for one, before in zip(documents, [None, *documents]) if one != before]


def _level(log: str) -> str:
    found = LEVEL.findall(log)
    return max(found, key=LEVELS.index) if found else "-"


def observe(site: Site, name: str) -> dict[str, Any]:
    """All facets of a case."""
    one = site.ones[name]
    names = Names(one.task_id)
    events = one.events()
    if site.failure or one.failure:
        return {"failure": site.failure or one.failure}
    whole = [document for _, document in one.documents()]
    documents = [names.clean(_document(site, document)) for document in whole]
    traced = [[document, whole[index]["traceback"] is not None]
              for index, document in enumerate(documents)]
    return {
        "settled": [event.what for event in events if event.what in SETTLED],
        "during": one.during,
        "documents": _without_repeats(documents),
        "repeats": len(documents) - len(_without_repeats(documents)),
        "tracebacks": [has for _, has in _without_repeats(traced)],
        "messages": sorted((names.clean(_message(event)) for event in events
                            if event.what == "publish" and "task" in event.headers),
                           key=lambda message: json.dumps(message, sort_keys=True)),
        "log": _level(site.logs.get(name, "")),
        "left": site.left if site.mode.startswith(("cold", "fatal")) else 0,
        "status": "dies" if site.mode.startswith("fatal") and site.status else "",
    }


def broken_order(site: Site, name: str) -> str:
    """Which of the reference's guarantees of order does not hold; empty if all do."""
    one = site.ones[name]
    if site.failure or one.failure:
        return ""
    documents = one.documents()
    events = one.events()
    sent = [event.at for event in events if event.what == "publish" and "task" in event.headers]
    # Errbacks are sent after the failure is stored, or before: nobody relies on it.
    done = [at for at, document in documents if document["status"] in ("SUCCESS", "RETRY")]
    if sent and done and min(done) < min(sent):
        return "a result is stored before the message is sent"
    if site.kind == "Python" and site.backend == "rpc":
        return ""  # the child has published STARTED, and so the result too: another connection
    acks = [event.at for event in events if event.what == "ack"]
    ends = [at for at, document in documents if document["status"] != "STARTED"]
    if site.settings["task_acks_late"] and acks and ends and max(acks) < max(ends):
        return ("a message is acknowledged before its result is stored: "
                + _times(events, documents))
    return ""


def _times(events: list[Event], documents: list[tuple[float, Any]]) -> str:
    seen = [(event.at, event.what) for event in events]
    seen += [(at, document["status"]) for at, document in documents]
    return " ".join(f"{at:.4f} {what}" for at, what in sorted(seen))


def told(found: dict[str, Any]) -> str:
    """A cell of the table."""
    if "failure" in found:
        return "FAILED: " + found["failure"].splitlines()[0][:60]
    parts = [found["status"]] if found["status"] else []
    parts.append("+".join(found["settled"]) or "nothing settled")
    if found["during"] is not None:
        parts.append("meanwhile: " + ("+".join(found["during"]) or "held"))
    parts += [_state(document) for document in found["documents"]]
    parts += [f"sends {message['headers']['task']}" for message in found["messages"]]
    if found["left"]:
        parts.append(f"{found['left']} left in the queue")
    return ", ".join([*parts, found["log"]])


def _state(document: dict[str, Any]) -> str:
    result = document["result"]
    kind = result.get("exc_type") if isinstance(result, dict) else None
    return f"{document['status']} {kind}" if kind else str(document["status"])
