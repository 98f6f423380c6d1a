#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records what Celery's worker sends when a task ends, into canvas.json.

Run with Debian's python3 and a redis-server; what was recorded before is replaced. Each case is a request (headers,
args, embed) and what Celery's tracer did with it: messages published, chord sizes set, states stored, chord parts.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import celery  # noqa: E402
from celery import Celery, chain, chord, group  # noqa: E402
from celery.app.trace import build_tracer  # noqa: E402

from support.redis import Redis  # noqa: E402

ID = "5a1e6b1c-0000-4000-8000-000000000001"
REPLY_TO = "11111111-0000-4000-8000-000000000001"


class Recorder:
    """An app whose producer and backend write down what they are told."""

    def __init__(self, url: str) -> None:
        self.app = Celery("t", broker="memory://", backend=url)
        self.cases: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self._define()
        self.app.finalize()
        self.app.amqp.send_task_message = self._publish
        backend = self.app.backend
        self._store, self._part = backend.store_result, backend.on_chord_part_return
        self._size = backend.set_chord_size
        backend.store_result = self._stored
        backend.on_chord_part_return = self._returned
        backend.set_chord_size = self._sized

    def _define(self) -> None:
        app = self.app

        @app.task(name="t.echo")
        def echo(*args: Any) -> Any:
            return args[0] if args else None

        @app.task(name="t.fail")
        def fail() -> None:
            raise ValueError("bad thing")

        @app.task(name="t.retry", bind=True)
        def retry(self: Any, countdown: float, most: int, cause: bool) -> None:
            self.retry(exc=KeyError("tmp") if cause else None, countdown=countdown,
                       max_retries=most or None)

        @app.task(name="t.replace", bind=True)
        def replace(self: Any, signature: Any) -> Any:
            return self.replace(app.signature(signature))

        @app.task(name="t.apply", bind=True)
        def apply(self: Any, signature: Any) -> Any:
            return app.signature(signature).apply_async().id

    def _publish(self, producer: Any, name: str, message: Any, **options: Any) -> None:
        queue = options.get("queue")
        self.sent.append({"kind": "publish", "headers": dict(message.headers), "body": message.body,
                          "properties": {key: value for key, value in message.properties.items()
                                         if key in ("correlation_id", "reply_to")},
                          "queue": getattr(queue, "name", queue)})

    def _stored(self, task_id: str, result: Any, state: str, **more: Any) -> Any:
        request = more.get("request")
        self.sent.append({"kind": "store", "id": task_id, "state": state,
                          "result": self.app.backend.encode_result(result, state),
                          "group_id": getattr(request, "group", None),
                          "children": self.app.backend.current_task_children(request)})
        return result

    def _sized(self, group_id: str, size: int) -> None:
        self.sent.append({"kind": "chord", "group": group_id, "size": size})
        self._size(group_id, size)

    def _returned(self, request: Any, state: str, result: Any, **more: Any) -> None:
        self.sent.append({"kind": "part", "id": request.id, "group": request.group, "state": state,
                          "index": getattr(request, "group_index", None)})
        if (request.headers or {}).get("finishes"):
            self._part(request, state, result, **more)

    def record(self, name: str, task: str, *args: Any, headers: Any = None, callbacks: Any = None,
               errbacks: Any = None, rest: Any = None, body: Any = None) -> None:
        """Trace one request; `rest` is a chain in its natural order."""
        def plain(value: Any) -> Any:
            return json.loads(json.dumps(value)) if value is not None else None
        headers = {"task": task, "id": ID, "root_id": ID, "parent_id": None, "retries": 0,
                   "group": None, "timelimit": [None, None], **(headers or {})}
        embed = {"callbacks": plain(callbacks), "errbacks": plain(errbacks),
                 "chain": plain(list(reversed(rest))) if rest else None, "chord": plain(body)}
        case = {"name": name, "task": task, "args": plain(list(args)), "headers": headers,
                "embed": plain(embed)}
        request = {**headers, **plain(embed), "args": plain(list(args)), "kwargs": {},
                   "reply_to": REPLY_TO, "correlation_id": ID, "hostname": "w1@test",
                   "is_eager": False, "headers": {"finishes": headers.get("finishes")},
                   "delivery_info": {"exchange": "", "routing_key": "celery", "priority": None}}
        self.sent = []
        if headers.get("finishes"):
            self._size(headers["group"], 1)
        tracer = build_tracer(task, self.app.tasks[task], app=self.app, hostname="w1@test")
        tracer(ID, plain(list(args)), {}, request)
        case["sent"] = json.loads(json.dumps(self.sent, default=str))
        self.cases.append(case)


def frozen(signature: Any) -> Any:
    """As a client leaves it in a message."""
    signature.freeze()
    return signature


def record_all(recorder: Recorder) -> None:
    """Every shape once."""
    app = recorder.app

    def s(name: str, *args: Any, **options: Any) -> Any:
        return app.signature(f"t.{name}", args, options=options)

    def si(name: str, *args: Any) -> Any:
        return app.signature(f"t.{name}", args, immutable=True)

    def pair() -> Any:
        return group(s("one", 1), s("two", 2), app=app)

    shapes = {
        "plain": lambda: s("next", 2),
        "immutable": lambda: si("next", 2),
        "options": lambda: s("next", queue="q", priority=3, time_limit=9, soft_time_limit=8,
                             ignore_result=True, task_id=str(uuid.uuid4()), retries=1),
        "linked": lambda: s("next", link=s("cb"), link_error=[s("eb")]),
        "chain": lambda: chain(s("one", 1), s("two", 2), s("three", 3), app=app),
        "chain_frozen": lambda: frozen(chain(s("one", 1), s("two", 2), app=app)),
        "chain_links": lambda: chain(s("one"), s("two"), app=app).set(link=[s("cb")],
                                                                      link_error=[s("eb")]),
        "group": pair,
        "group_nested": lambda: group(s("zero"), pair(), app=app),
        "group_of_chains": lambda: group(chain(s("a"), s("b"), app=app), s("c"), app=app),
        "group_empty": lambda: group([], app=app),
        "chord": lambda: chord(pair(), s("body"), app=app),
        "chord_frozen": lambda: frozen(chord(pair(), s("body"), app=app)),
        "chord_of_chains": lambda: chord([chain(s("a"), s("b"), app=app), s("c")], s("body"),
                                         app=app),
        "chord_body_chain": lambda: chord(pair(), chain(s("x"), s("y"), app=app), app=app),
        "chord_body_group": lambda: chord(pair(), pair(), app=app),
        "chord_body_chord": lambda: chord(pair(), chord(pair(), s("body"), app=app), app=app),
        "chord_of_chords": lambda: chord([chord(pair(), s("inner"), app=app), s("c")], s("body"),
                                         app=app),
        "chord_of_chain_to_group": lambda: chord([chain(s("a"), pair(), app=app), s("c")],
                                                 s("body"), app=app),
        "chord_empty": lambda: chord([], s("body"), app=app),
        "chain_group_task": lambda: chain(s("a"), pair(), s("z"), app=app),
        "chain_group_first": lambda: chain(pair(), s("z"), app=app),
        "chain_ends_in_group": lambda: chain(s("a"), pair(), app=app),
        "chain_of_chords": lambda: chain(chord(pair(), s("b1"), app=app),
                                         chord(pair(), s("b2"), app=app), s("end"), app=app),
        "map": lambda:
        app.tasks["t.echo"].map([1, 2]),
        "starmap": lambda: app.tasks["t.echo"].starmap([(1, 2)]),
        "chunks": lambda: app.tasks["t.echo"].chunks([(1,), (2,), (3,)], 2),
    }
    for name, make in shapes.items():
        recorder.record(f"link_{name}", "t.echo", 5, callbacks=[make()])
        recorder.record(f"next_{name}", "t.echo", 5, rest=[frozen(make())]
                        if name not in ("map", "starmap", "chunks") else [make()])
        recorder.record(f"apply_{name}", "t.apply", make())
        recorder.record(f"replace_{name}", "t.replace", make())
    for name in ("plain", "chain", "group", "chord"):
        recorder.record(f"then_{name}", "t.echo", 5, rest=[frozen(shapes[name]()), frozen(s("end"))])
        recorder.record(f"replace_{name}_in_chain", "t.replace", shapes[name](),
                        rest=[frozen(s("next")), frozen(s("last"))])
        recorder.record(f"replace_{name}_linked", "t.replace", shapes[name](), callbacks=[s("cb")],
                        errbacks=[s("eb")])
        recorder.record(f"replace_{name}_in_chord", "t.replace", shapes[name](), body=frozen(s("body")),
                        headers={"group": str(uuid.uuid4()), "group_index": 1})
    recorder.record("two_links", "t.echo", 5, callbacks=[s("one"), s("two", 7)])
    recorder.record("links_and_groups", "t.echo", 5, callbacks=[s("one"), pair(), s("two")])
    recorder.record("link_and_chain", "t.echo", 5, callbacks=[s("cb")], rest=[frozen(s("next"))])
    recorder.record("chain_of_three", "t.echo", 5, rest=[frozen(s(n)) for n in ("a", "b", "c")])
    recorder.record("failure", "t.fail")
    recorder.record("failure_errbacks", "t.fail", errbacks=[s("one"), s("two", 7), si("three")])
    recorder.record("failure_chain", "t.fail", rest=[frozen(s("a")), frozen(s("b"))],
                    errbacks=[s("eb")])
    headers = {"retries": 1, "timelimit": [30, 12.5], "root_id": str(uuid.uuid4()),
               "shadow": "t.shadow", "ignore_result": False,
               "group": str(uuid.uuid4()), "group_index": 2, "origin": "gen1@h"}
    links = {"callbacks": [s("cb")], "errbacks": [s("eb")], "rest": [frozen(s("a"))],
             "body": frozen(s("body"))}
    for name, more in (("plain", {}), ("child", {"parent_id": str(uuid.uuid4())})):
        recorder.record(f"retry_{name}", "t.retry", 10, 5, True, headers={**headers, **more}, **links)
    recorder.record("retry_at_once", "t.retry", 0, 0, False)
    recorder.record("retry_exhausted", "t.retry", 0, 1, True, headers={"retries": 1})
    recorder.record("retry_exhausted_without_cause", "t.retry", 0, 1, False, headers={"retries": 1})
    gid = str(uuid.uuid4())
    recorder.record("part", "t.echo", 5, body=frozen(s("body")), headers={"group": gid, "group_index": 1})
    recorder.record("part_failed", "t.fail", body=frozen(s("body")),
                    headers={"group": gid, "group_index": 1}, errbacks=[s("eb")])
    last = s("last", chord=frozen(s("body")), group_id=gid, group_index=2)
    recorder.record("part_failed_in_chain", "t.fail", rest=[frozen(s("a")), frozen(last)])
    for name in ("plain", "chain", "group", "chord", "linked"):
        for task, args in (("t.echo", (5,)), ("t.fail", ())):
            recorder.record(f"end_{name}_{task[2:]}", task, *args, body=frozen(shapes[name]()),
                            headers={"group": str(uuid.uuid4()), "group_index": 0,
                                     "finishes": True})


def main() -> None:
    """Record everything anew."""
    with Redis() as node:
        recorder = Recorder(node.url)
        record_all(recorder)
    document = {"sender": f"celery {celery.__version__}", "cases": recorder.cases}
    text = json.dumps(document, indent=None).replace('{"name": ', '\n{"name": ') + "\n"
    (HERE / "canvas.json").write_text(text, encoding="ascii")
    print(f"{len(recorder.cases)} cases recorded", flush=True)
    os._exit(0)  # Celery would look for the server once more


if __name__ == "__main__":
    main()
