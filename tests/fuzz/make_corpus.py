#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of the codec's fuzz targets into corpus/: recorded messages and a few odd values.

What a fuzzer added is left alone. The corpora of other targets are not touched.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import msgpack

HERE = Path(__file__).resolve().parent
MESSAGES = HERE.parent / "vectors" / "messages"
COMPRESSIONS = {"application/x-gzip": 0, "application/x-bz2": 1, "application/x-lzma": 2,
                "application/zstd": 3, "application/x-brotli": 4}
JSON = {"words": "[null, true, false, NaN, Infinity, -Infinity]", "nested": "[[[{\"a\": [{}]}]]]",
        "numbers": "[0, -0, 1e400, 5.0, 1E-7, 18446744073709551616, -9223372036854775809, 0.1]",
        "strings": r'["\u00e9\ud83d\ude00\ud800 \"\\\/\b\f\n\r\t", "é"]', "spaces": " [ 1 , { } ] ",
        "keys": '{"": 1, "a": 2, "a": 3}'}
PACKED = {"ints": [0, 127, 128, 256, 65536, 2 ** 32, 2 ** 64 - 1, -1, -33, -129, -2 ** 15 - 1,
                   -2 ** 63], "others": [None, True, 1.5, b"ab", "x" * 40, b"y" * 300],
          "map": {"a": [1, {"b": 2}], 3: "c"}, "ext": [msgpack.ExtType(5, b"12345"),
                                                       msgpack.Timestamp(1, 2),
                                                       msgpack.ExtType(66, b"-12")]}
REPLY = {"ticket": "t", "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "k"}}
COMMANDS = {"ping": {"method": "ping", "arguments": {}, "destination": None, "pattern": None,
                     "matcher": None, **REPLY},
            "revoke": {"method": "revoke", "arguments": {"task_id": ["a", "b"], "terminate": True,
                                                         "signal": "SIGTERM"}},
            "stamps": {"method": "revoke_by_stamped_headers",
                       "arguments": {"headers": {"k": ["v", 1]}}, "destination": ["w@h"]},
            "glob": {"method": "rate_limit", "arguments": {"task_name": "t", "rate_limit": "1/s"},
                     "pattern": "w*", "matcher": "glob"}}
STATES = {"empty": {}, "some": {"revoked": [[b"a", 1], [b"b", 2]], "stamps": []}, "list": [1]}
TIMES = ["2026-11-22T13:24:16.802253+00:00", "2030-01-01T12:00:00", "2026", "2026-11", "20261122",
         "2026-W47-7", "2026W477T13Z", "2026-326", "2026326T1324", "20261122T132416,5-0800",
         "2026-11-22 24:00", "2026-11-22T13+01", "9999-12-31T24:00:00.000-23:59"]


def messages() -> Iterator[tuple[str, dict[str, Any], str, bytes]]:
    """Name, headers, content type and body of the recorded messages."""
    for path in sorted(MESSAGES.glob("*.json")):
        document = json.loads(path.read_text(encoding="ascii"))
        yield (path.stem, document["headers"], document["properties"]["content_type"],
               bytes.fromhex(document["body"]))


def write(target: str, name: str, data: bytes) -> None:
    """One seed."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def write_message(name: str, headers: dict[str, Any], content_type: str, body: bytes) -> None:
    """The seeds that one message gives."""
    is_packed = content_type == "application/x-msgpack"
    compression = headers.get("compression")
    written = json.dumps(headers).encode()
    write("task_message", name, bytes([is_packed]) + len(written).to_bytes(2, "big") + written + body)
    choice = 0 if compression is None else COMPRESSIONS[compression] + 1
    write("task_body", name, bytes([choice * 2 + is_packed]) + body)
    if compression is not None:
        write("compression", name, bytes([COMPRESSIONS[compression]]) + body)
    else:
        write("packed" if is_packed else "json", name, body)


def main() -> None:
    """Write all seeds."""
    for name, headers, content_type, body in messages():
        if not name.startswith(("v1_msgpack_compressed", "v1_json_compressed")):
            write_message(name, headers, content_type, body)
    for name, text in JSON.items():
        write("json", name, text.encode())
        write("result", name, text.encode())
    for name, value in PACKED.items():
        write("packed", name, msgpack.packb(value))
        write("result", f"packed_{name}", msgpack.packb(value))
    for name, words in {"cut": b"cut \xe2\x82", "latin": b"caf\xe9", "empty": b""}.items():
        write("result", name, words)
    for name, value in COMMANDS.items():
        write("control", name, b"\0" + json.dumps(value).encode())
        write("control", f"packed_{name}", b"\1" + msgpack.packb(value))
    for name, value in STATES.items():
        write("state_file", name, msgpack.packb(value))
    for index, text in enumerate(TIMES):
        write("iso8601", f"time{index}", text.encode())


if __name__ == "__main__":
    main()
