# SPDX-License-Identifier: BSD-3-Clause
"""What `celeriac call` sends, compared with what Celery's client has sent for the same calls (tests/vectors)."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.amqp import Client
from support.client import celery_client
from support.worker import TESTS, build_folder
from vectors.client_cases import CASES, ID, TASK, Case, prepare, receive, settings_of

VERSIONS = ("5.2.6", "5.6.3")
VECTORS = {version: json.loads((TESTS / "vectors" / f"client-{version}.json").read_text())
           for version in VERSIONS}
# What came after 5.2.6; older workers do not look at it.
NEW_HEADERS = {"replaced_task_nesting": ["I", 0], "stamped_headers": ["V", None],
               "stamps": ["F", {}]}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAMES = [case.name for case in CASES]


def call(url: str, case: Case) -> None:
    """Send it with our program, which prints the id."""
    done = subprocess.run([str(build_folder() / "celeriac"), "-b", url, *case.command()], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ID}\n", "")


def instant(text: str) -> datetime:
    """A time as any worker reads it: six digits or none, an offset that 5.2 understands."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d", text), text
    return datetime.fromisoformat(text)


def take_times(case: Case, message: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Takes out what depends on the clock, as (about) seconds from now, or as what it is exactly."""
    times: dict[str, Any] = {}
    for name in ("eta", "expires"):
        octet, value = message["properties"]["headers"].pop(name)
        times[name] = octet
        if octet != "V" and case.options.get(name) and not isinstance(case.options[name], int):
            times[name] = instant(value)
        elif octet != "V":
            times[name] = instant(value)
            times[name] = round((times[name] - now).total_seconds() / 30)
    if isinstance(case.options.get("expires"), datetime):
        left = timedelta(milliseconds=int(message["properties"].pop("expiration")))
        assert abs(now + left - case.options["expires"]) < timedelta(seconds=30)
    return times


def take_random(message: dict[str, Any]) -> None:
    """Takes out what is random, after a look at its shape."""
    properties = message["properties"]
    assert UUID.fullmatch(properties.pop("reply_to"))
    octet, origin = properties["headers"].pop("origin")
    assert octet == "S" and re.fullmatch(r"gen\d+@.+", origin)


def recorded(case: Case, version: str) -> dict[str, Any]:
    """A message of Celery's without what is random."""
    message = json.loads(json.dumps(VECTORS[version][case.name]))
    take_random(message)
    for name in ("eta", "expires"):
        message["properties"]["headers"].pop(name)
    if isinstance(case.options.get("expires"), datetime):
        message["properties"].pop("expiration")
    if version == "5.2.6":
        message["properties"]["headers"].update(NEW_HEADERS)
    return message


def expected_times(case: Case) -> dict[str, Any]:
    """What take_times finds in a message that is right."""
    times: dict[str, Any] = {"eta": "V", "expires": "V"}
    for option, header in (("countdown", "eta"), ("eta", "eta"), ("expires", "expires")):
        value = case.options.get(option)
        if isinstance(value, datetime):
            times[header] = value
        elif value is not None:
            times[header] = round(value / 30)
    return times


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_message_is_celerys(case: Case, broker_url: str) -> None:
    with Client(broker_url) as client:
        prepare(client)
        call(broker_url, case)
        message = receive(client, case)
    assert take_times(case, message, datetime.now(timezone.utc)) == expected_times(case)
    take_random(message)
    for version in VERSIONS:
        celerys = recorded(case, version)
        if case.other_argsrepr:
            octet, text = message["properties"]["headers"]["argsrepr"]
            assert octet == "S" and len(text) <= 1024 and text.isprintable()
            celerys["properties"]["headers"]["argsrepr"] = [octet, text]
        assert message == celerys


@pytest.mark.parametrize("case", [case for case in CASES if case.settings or "queue" in case.name],
                         ids=lambda case: case.name)
def test_queue_is_declared_as_celery_declares_it(case: Case, broker_url: str) -> None:
    """RabbitMQ refuses whoever comes second with anything else."""
    with Client(broker_url) as client:
        prepare(client)
        call(broker_url, case)
        with celery_client(broker_url, **settings_of(case)) as app:
            app.send_task(TASK, task_id=ID, **case.options)
        call(broker_url, case)
        for _ in range(3):
            receive(client, case)
