# SPDX-License-Identifier: BSD-3-Clause
"""A runtime that takes records (PROTOCOL.md), does with each task what its arguments say, and
keeps a journal of all that it is told.

The first argument of a task is what becomes of it: a report, or a word (`hold`, `die`). Its header
`records` says the same of the records of its end, one text each: `store` (and so is each beyond
them), `publish`, `fail`, `die`, with `hold` before it or alone. What holds does so until the journal
has a neighbour `.go`. A report may name frames to `send` before it ([name, elements ...], a number of
times); so does the header `ending` for the record of a chord's end.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, os.environ.get("RECORD_WIRE", str(ROOT / "worker/runtime/python")))

from celeriac import wire  # noqa: E402

JOURNAL = Path(os.environ["RECORD_JOURNAL"])
PUBLISH, STORE, CHORD = 35, 36, 37
GO = JOURNAL.with_suffix(".go")
HELLO = {"runtime": "records", "records": True, "settings": {},
         "backend": os.environ.get("RECORD_BACKEND", "rpc://") or None,
         "tasks": json.loads(os.environ["RECORD_TASKS"]),
         "signals": json.loads(os.environ["RECORD_SIGNALS"])}


def note(**what):
    """One line in the journal."""
    line = json.dumps(what, default=lambda data: data.decode("latin-1")) + "\n"
    with open(JOURNAL, "a", encoding="utf-8") as journal:
        journal.write(line)


def count_records(task_id):
    """How many records of a task were begun before this one."""
    lines = JOURNAL.read_text(encoding="utf-8").splitlines() if JOURNAL.exists() else []
    begun = [one for one in map(json.loads, lines) if one["what"] == "record"]
    return sum(one["request"]["id"] == task_id for one in begun)


def hold():
    """Wait to be let go."""
    while not GO.exists():
        time.sleep(0.01)


def record(request):
    """The report of a record, and its document."""
    words = request["headers"].get("records") or []
    number = count_records(request["id"])
    note(what="record", request=request)
    word = words[number] if number < len(words) else "store"
    if "hold" in word:
        hold()
    if "die" in word:
        os._exit(9)
    if "fail" in word:
        return {"state": "FAILURE", "exception": "OSError('no backend')"}, b""
    document = json.dumps({"task_id": request["id"], "status": "RECORDED"})
    return {"state": "SUCCESS"}, document.encode() if word == "publish" else b""


def run(request, body):
    """The report of a task."""
    fate = json.loads(body)[0][0]
    note(what="run", request=request, body=body)
    if fate == "hold" or isinstance(fate, dict) and fate.pop("wait", False):
        hold()
    if fate == "die":
        os._exit(3)
    if isinstance(fate, dict) and fate.pop("first", False) and count_runs(request["id"]) > 1:
        return {"state": "SUCCESS"}
    if isinstance(fate, dict) and request["delivery_info"]["redelivered"]:
        fate = fate.get("then", fate)
    return fate if isinstance(fate, dict) else {"state": "SUCCESS"}


def count_runs(task_id):
    """How often a task was begun."""
    lines = JOURNAL.read_text(encoding="utf-8").splitlines()
    return sum(one["what"] == "run" and one["request"]["id"] == task_id
               for one in map(json.loads, lines))


def send_frames(channel, number, frames):
    """What a task sends: the last element of a frame is a bin, which a `%d` in it counts."""
    types = {"publish": PUBLISH, "store": STORE, "chord": CHORD}
    for count, (name, *elements, data) in frames:
        for index in range(count):
            text = data.replace("%d", str(index)) if "%d" in data else data
            channel.send(types[name], number, *elements, text.encode())


def child(channel):
    """A child's life."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    channel.send(wire.READY, 0)
    while (frame := channel.receive()) is not None and frame[0] != wire.LEAVE:
        _, number, flags, request, body = frame[:5]
        if flags & wire.JOB_WANT_STARTED:
            channel.send(wire.STARTED, number)
        if request.get("record"):
            report, document = record(request)
            send_frames(channel, number, request["headers"].get("ending") or []
                        if request["record"]["event"] == "chord" else [])
        else:
            report, document = run(request, body), b""
        send_frames(channel, number, report.pop("send", []))
        if report.pop("die", False):
            os._exit(3)
        if report.pop("hang", False):
            hold()
        if "chord" in report:
            report["chord"]["member"] = report["chord"]["member"].encode()
        channel.send(wire.RESULT, number, 0, 0, report, document)


def spawn(channel, children, slot, generation):
    """Fork a child for a slot."""
    sock = socket.socket(fileno=channel.take_descriptor())
    pid = os.fork()
    if pid == 0:
        try:
            channel.sock.close()
            child(wire.Channel(sock))
        finally:
            os._exit(0)
    sock.close()
    children[pid] = slot, generation
    pidfd = os.pidfd_open(pid)
    channel.send(wire.SPAWNED, slot, generation, pid, descriptor=pidfd)
    os.close(pidfd)


def reap(channel, children):
    """Report the children that have ended."""
    while children:
        pid, status, _ = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        channel.send(wire.EXITED, *children.pop(pid), pid, status,
                     {"utime": 0.0, "stime": 0.0, "maxrss": 0})


def main():
    """The forkserver's life."""
    channel = wire.Channel(socket.socket(fileno=3))
    children = {}
    channel.send(wire.HELLO, wire.PROTOCOL, HELLO)
    while True:
        ready, _, _ = select.select([channel.sock], [], [], 0.02)
        reap(channel, children)
        if ready and not channel.fill():
            return
        while (frame := channel.pop()) is not None:
            if frame[0] == wire.LEAVE:
                return
            if frame[0] == wire.SIGNAL:
                note(what="signal", name=frame[1], arguments=frame[2])
            else:
                spawn(channel, children, *frame[1:3])


if __name__ == "__main__":
    main()
