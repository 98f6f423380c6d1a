# SPDX-License-Identifier: BSD-3-Clause
"""Takes out of texts what is by chance: ids become what they are ids of, times and pids go."""

from __future__ import annotations

import re
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LABEL_SIZE = 80
# What Celery's main process logs of a task that is lost, late or expired, and may log twice. Under
# celeriac a child does, as it knows the task's own backend and classes.
RECORDED = "Task handler raised error|Chord '.*' raised|Hard time limit"
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
FOREIGN_FRAME = re.compile(
    r'^  File "(?!.*interop/parity)[^"\n]*", line \d+, in .*\n(    .*\n)*', re.MULTILINE)


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
        if isinstance(value, set):
            return sorted({self.text(one) for one in value})
        if isinstance(value, (list, tuple)):
            return [self.clean(one) for one in value]
        if isinstance(value, (type(None), bool, int, float)):
            return value
        return self.text(repr(value))
