# SPDX-License-Identifier: BSD-3-Clause
"""What follows a task's end, against what Celery's worker was recorded to do (vectors/canvas.json)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterator

import pytest

from native_driver import CHORD, PUBLISH, STORE, Child, Native, Result, compile_library, decode
from support.worker import TESTS

TASKS = Path(__file__).with_name("native_life_tasks.c")
RECORDED = json.loads((TESTS / "vectors" / "canvas.json").read_text())["cases"]
CASES = {case["name"]: case for case in RECORDED}
ID = "5a1e6b1c-0000-4000-8000-000000000001"
REPLY_TO = "11111111-0000-4000-8000-000000000001"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Options that say where results go, where a signature came from, and how Celery's own code is to call it.
NOTES = ("reply_to", "root_id", "parent_id", "add_to_parent", "group_index",
         "replaced_task_nesting")
HEADERS = ("task", "id", "root_id", "parent_id", "group", "retries", "timelimit", "ignore_result",
           "shadow", "eta", "expires", "argsrepr", "kwargsrepr")


# Where we do otherwise than Celery 5.2, on purpose; each has a test of its own below.
DIFFERENT = {
    "replace_options": "a replacement with an id of its own takes the task's all the same",
    "replace_chain_links": "a callback of a chain is called once, not twice",
    "replace_chain_linked": "likewise",
    "replace_group_nested": "the members of a group within a group keep their order",
    "replace_chord_of_chain_to_group": "a group at the end of a part has the id of the chord's",
    "replace_group_in_chain": "the rest of a chain is an option of a chord's body, as in Celery 5.3",
    "replace_chord_in_chain": "likewise",
    "end_group_fail": "the members of a body that is a group fail with it",
    "end_chain_fail": "a failed body that is a chain has the id of its last task, not none",
}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """A forkserver with the tasks of native_life_tasks.c."""
    with Native(compile_library(TASKS, tmp_path_factory.mktemp("canvas"))) as one:
        one.spawn()
        yield one


@pytest.fixture
def child(native: Native) -> Child:
    """Its child."""
    return native.children[0]


def bare(header: Any) -> Any:
    """The members of a chord that has not begun: their ids may be settled or not."""
    if isinstance(header, dict):
        header = header["kwargs"]["tasks"]
    for member in header:
        member["options"] = {key: one for key, one in member["options"].items()
                             if key not in ("task_id", "chord", "group_id")}
        if "tasks" in member["kwargs"]:
            bare(member["kwargs"]["tasks"])
        if member["subtask_type"] == "chord":
            bare([member["kwargs"]["body"]])
    return header


def plain(value: Any) -> Any:
    """A value without what may differ: where results go, nulls among options, Celery's notes."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    value = {key: plain(one) for key, one in value.items() if key != "chord_size"}
    if value.get("subtask_type") == "chord":
        value["options"].pop("task_id", None)
        value["kwargs"]["header"] = bare(value["kwargs"]["header"])
    if isinstance(value.get("options"), dict):
        value["options"] = {key: one for key, one in value["options"].items()
                            if one is not None and key not in NOTES}
    return value


def one_line(told: list[Any]) -> list[Any]:
    """Args that came as a list are a list in their repr, where ours are always a tuple."""
    for one in told:
        if one[0] == "publish":
            one[1]["argsrepr"] = one[1]["argsrepr"][1:-1].rstrip(",")
            one[1]["eta"] = "later" if one[1]["eta"] else None
    return told


def same_ids(value: Any) -> Any:
    """Random ids become numbers, in the order in which they are met."""
    seen: dict[str, str] = {}
    text = json.dumps(value, sort_keys=True)
    return json.loads(UUID.sub(lambda match: seen.setdefault(match[0], f"#{len(seen)}"), text))


def of_celery(sent: list[dict[str, Any]]) -> list[Any]:
    """What was recorded, in the words of this test."""
    result: list[Any] = []
    for one in sent:
        if one["kind"] == "publish":
            result.append(["publish", {key: one["headers"][key] for key in HEADERS},
                           plain(json.loads(one["body"]) if isinstance(one["body"], str)
                                 else one["body"])])
        elif one["kind"] == "chord":
            result.append(["chord", one["group"], one["size"]])
        elif one["kind"] == "part":
            result.append(["part", one["id"], one["group"], one["index"], one["state"]])
        else:
            result.append(["store", one["id"], one["state"], one["result"]])
    return result


def of_ours(result: Result) -> list[Any]:
    """What the child has sent, likewise."""
    told: list[Any] = []
    for one in result.sent:
        if one.kind == PUBLISH:
            told.append(["publish", {key: one.headers[key] for key in HEADERS}, plain(one.body)])
        elif one.kind == CHORD:
            told.append(["chord", one.frame[2], one.frame[3]])
        else:
            assert one.kind == STORE
            told.append(["store", one.frame[2], one.frame[3], one.meta["result"]])
    if result.document:
        told.append(["store", result.meta["task_id"], result.meta["status"], result.meta["result"]])
    if "chord" in result.report:
        part = result.report["chord"]
        told.append(["part", result.part[1], part["group"], part["index"], result.part[2]])
    return told


def run(child: Child, name: str, **more: Any) -> Result:
    """Run a case in the child."""
    case = CASES[name]
    # What a client always sends.
    headers: dict[str, Any] = {"argsrepr": repr(tuple(case["args"])), "kwargsrepr": "{}",
                               "shadow": None, "expires": None, "ignore_result": False}
    headers.update((key, value) for key, value in case["headers"].items() if key != "finishes")
    return child.run(case["task"], *case["args"], embed=case["embed"], headers=headers,
                     properties={"reply_to": REPLY_TO}, **more)


def in_order(told: list[Any]) -> list[Any]:
    """Stores and parts behind what is published: their order among each other is not compared."""
    return [one for one in one_line(told) if one[0] in ("publish", "chord")] \
        + sorted(one for one in told if one[0] not in ("publish", "chord"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items()
                                  if "finishes" not in case["headers"] and name not in DIFFERENT])
def test_sends_what_celery_sends(child: Child, name: str) -> None:
    expected = in_order(of_celery(CASES[name]["sent"]))
    assert same_ids(in_order(of_ours(run(child, name)))) == same_ids(expected)


@pytest.mark.parametrize("name", [name for name, case in CASES.items()
                                  if "finishes" in case["headers"] and name not in DIFFERENT])
def test_ends_a_chord_as_celery_does(child: Child, name: str) -> None:
    part = run(child, name)
    chord = part.report["chord"]
    record = {"event": "chord", "members": [chord["member"]]}
    end = run(child, name, record=record)
    assert end.state == "SUCCESS" and not end.document
    expected = in_order([one for one in of_celery(CASES[name]["sent"])
                         if one[1] != ID and one[:2] != ["chord", chord["group"]]])
    assert same_ids(in_order(of_ours(end))) == same_ids(expected)


def test_parts_of_a_chord_are_numbered(child: Child) -> None:
    sent = run(child, "link_chord_of_chains").sent
    assert [one.headers["group_index"] for one in sent if one.kind == PUBLISH] == [None, 1]
    assert [one.kind for one in sent] == [PUBLISH, CHORD, PUBLISH]
    last = sent[0].body[2]["chain"][0]["options"]
    assert last["group_index"] == 0 and last["group_id"] == sent[1].frame[2]


def test_children_are_what_was_sent(child: Child) -> None:
    for name in ("link_plain", "link_group", "link_chain", "two_links", "link_and_chain",
                 "link_chord", "apply_chord", "next_group"):
        told = next(one for one in CASES[name]["sent"] if one["kind"] == "store")
        result = run(child, name)
        ours = [one.headers["id"] for one in result.published] + [
            one.headers["group"] for one in result.published]
        text = UUID.findall(json.dumps(result.meta["children"]))
        assert same_ids(result.meta["children"]) == same_ids(told["children"]), name
        assert text and set(text) <= set(ours) | {
            step["options"]["task_id"] for one in result.published
            for step in one.body[2]["chain"] or []}, name


def test_results_of_followers_go_where_the_task_s_go(child: Child) -> None:
    for name in ("link_plain", "link_group", "link_chord", "failure_errbacks"):
        assert {one.message["reply_to"] for one in run(child, name).published} == {REPLY_TO}, name


def test_a_shape_is_saved_where_a_part_is_a_group(child: Child) -> None:
    result = run(child, "link_chord_of_chain_to_group")
    chord = next(one for one in result.sent if one.kind == CHORD)
    (group, _), members = decode(chord.frame[4])["result"]
    assert group == chord.frame[2] and chord.frame[3] == 3
    assert [None if one[1] is None else len(one[1]) for one in members] == [2, None]
    assert next(one for one in run(child, "link_chord").sent
                if one.kind == CHORD).frame[4] == b""


def document(value: Any, state: str = "SUCCESS", task_id: str = "x") -> bytes:
    """A result document."""
    return json.dumps({"status": state, "result": value, "task_id": task_id}).encode()


def end_of(child: Child, **record: Any) -> Result:
    """The RESULT of a record of a chord whose body is t.body."""
    return run(child, "end_plain_echo", record={"event": "chord", **record})


def test_a_saved_shape_is_what_the_body_gets(child: Child) -> None:
    leaf = [["x", None], None]
    shape = {"result": [["g", None], [leaf, [["g2", None], [leaf, [["g3", None], []], leaf]]]]}
    result = end_of(child, group=json.dumps(shape).encode(),
                    members=[document(1), document([2]), document({"three": 3})])
    assert result.published[0].body[0][0] == [1, [[2], [], {"three": 3}]]


@pytest.mark.parametrize("record, words", [
    ({"error": "the group is gone"}, "ChordError('the group is gone')"),
    ({"members": [b"{"]}, "ChordError('a part cannot be decoded: "),
    ({"members": [], "group": b"[]"}, "ChordError('a part is missing')"),
    ({"members": [json.dumps([1, "a", "FAILURE", {"exc_type": "E", "exc_message": ["x", 1]}])
                  .encode()]}, "ChordError(\"Dependency a raised E('x', 1)\")"),
    ({"members": [json.dumps([1, "a", "REVOKED", {"exc_type": "E", "exc_message": ["x"]}])
                  .encode()]}, "ChordError(\"Dependency a raised E('x')\")"),
    ({"members": [json.dumps([1, "a", "PENDING", None]).encode()]},
     "ChordError('a part has no result')"),
    ({}, "ChordError('the record has no parts')")])
def test_a_chord_that_cannot_end_fails(child: Child, record: dict[str, Any], words: str) -> None:
    result = end_of(child, **record)
    assert result.state == "SUCCESS"
    stored, = result.stored
    message, = stored.meta["result"]["exc_message"]
    assert f"{stored.meta['result']['exc_type']}({message!r})".startswith(words)
    assert stored.frame[2] == CASES["end_plain_echo"]["embed"]["chord"]["options"]["task_id"]


def test_a_body_that_is_a_chain_fails_as_its_last_task(child: Child) -> None:
    part = run(child, "end_chain_fail").report["chord"]
    stored, = run(child, "end_chain_fail",
                  record={"event": "chord", "members": [part["member"]]}).stored
    last = CASES["end_chain_fail"]["embed"]["chord"]["kwargs"]["tasks"][-1]
    assert stored.frame[2] == last["options"]["task_id"]


def test_the_members_of_a_failed_body_fail_with_it(child: Child) -> None:
    part = run(child, "end_group_fail").report["chord"]
    stored = run(child, "end_group_fail",
                 record={"event": "chord", "members": [part["member"]]}).stored
    body = CASES["end_group_fail"]["embed"]["chord"]
    assert [one.frame[2] for one in stored] == [body["options"]["task_id"]] + [
        one["options"]["task_id"] for one in body["kwargs"]["tasks"]]


def test_a_failed_body_is_a_failed_part_of_the_chord_around_it(child: Child) -> None:
    outer = {"task": "t.outer", "options": {"task_id": "outer"}}
    inner = {"task": "t.inner", "options": {"task_id": "inner", "group_id": "around",
                                            "group_index": 2, "chord": outer}}
    more: dict[str, Any] = {"embed": {"chord": inner}, "headers": {"group": "within"}}
    failed = child.run("t.fail", **more)
    result = child.run("t.fail", record={"event": "chord",
                                         "members": [failed.report["chord"]["member"]]}, **more)
    assert [one.frame[2] for one in result.stored] == ["inner"]
    part = result.report["chord"]
    assert (part["group"], part["index"]) == ("around", 2) and result.part[1:3] == ["inner", "FAILURE"]
    result = child.run("t.fail", record={"event": "chord", "members": [part["member"]]}, **more)
    assert [one.frame[2] for one in result.stored] == ["outer"]
    assert "chord" not in result.report
    words = result.stored[0].meta["result"]["exc_message"][0]
    assert words.startswith("Dependency inner raised ChordError(")


def test_without_a_place_for_chords_none_begins(child: Child) -> None:
    result = run(child, "link_chord", chords=False)
    assert result.published == [] and result.error.startswith("builtins.NotImplementedError: ")


def test_what_cannot_be_called_fails_the_task(child: Child) -> None:
    for callback in ({"task": 5}, {}, 5, {"task": "t", "args": {}}, {"task": "t", "options": []}):
        result = child.run("t.echo", 5, embed={"callbacks": [callback]})
        assert result.error.startswith("builtins.TypeError: "), callback
        assert result.published == []


def test_a_replacement_takes_the_id_and_what_follows(child: Child) -> None:
    options, = run(child, "replace_options").published
    assert options.headers["id"] == ID and options.headers["replaced_task_nesting"] == 1
    links, = run(child, "replace_chain_linked").published
    last = links.body[2]["chain"][0]
    assert [one["task"] for one in last["options"]["link"]] == ["t.cb"]
    assert last["options"]["task_id"] == ID
    nested = run(child, "replace_group_nested").published
    assert [one.task for one in nested] == ["t.zero", "t.one", "t.two"]
    assert len({one.headers["group"] for one in run(
        child, "replace_chord_of_chain_to_group").published} - {None}) == 1
    for name, body in (("replace_group_in_chain", "celery.accumulate"),
                       ("replace_chord_in_chain", "t.body")):
        result = run(child, name)
        chord = result.published[0].body[2]["chord"]
        assert result.state == "IGNORED" and result.document == b""
        assert (chord["task"], chord["options"]["task_id"]) == (body, ID)
        assert [one["task"] for one in chord["options"]["chain"]] == ["t.last", "t.next"]


def test_a_canvas_made_in_c_is_celerys(child: Child) -> None:
    chain = child.run("t.build").value
    group, chord = chain["kwargs"]["tasks"]
    assert (chain["task"], chain["subtask_type"]) == ("celery.chain", "chain")
    assert (group["task"], group["subtask_type"]) == ("celery.group", "group")
    assert [(one["task"], one["immutable"]) for one in group["kwargs"]["tasks"]] == [
        ("t.one", False), ("t.two", True)]
    assert (chord["task"], chord["subtask_type"]) == ("celery.chord", "chord")
    assert chord["kwargs"]["body"] == {"task": "t.body", "args": [], "kwargs": {}, "options": {},
                                       "subtask_type": None, "immutable": False}
    sent = child.run("t.apply", chain).published
    assert [one.task for one in sent] == ["t.one", "t.two"]


# --- Celery's own tasks ---

ECHO = {"task": "t.echo", "args": [], "kwargs": {}, "options": {}}


def test_maps_run_their_task_here(child: Child) -> None:
    add = {"task": "t.add"}
    assert child.run("celery.map", ECHO, [1, [2], "x"]).value == [1, [2], "x"]
    assert child.run("celery.starmap", kwargs={"task": add, "it": [[1, 2], [3, 4]]}).value == [3, 7]
    assert child.run("celery.starmap", add, [[1, 2], [1]]).error.startswith("builtins.TypeError: ")
    assert child.run("celery.map", {"task": "no.such"}, [1]).error == \
        "celery.exceptions.NotRegistered: no.such"
    assert child.run("celery.map", {"task": "t.ignore"}, [1]).error == \
        "builtins.RuntimeError: ignore() has ended a map, where it can only return"
    assert child.run("celery.map", ECHO, 5).error == \
        "builtins.TypeError: the items of a map are no list"


def test_accumulate_returns_its_arguments_or_one(child: Child) -> None:
    assert child.run("celery.accumulate", 1, 2).value == [1, 2]
    assert child.run("celery.accumulate", 1, 2, kwargs={"index": 0}).value == 1
    assert child.run("celery.accumulate", 1, 2, kwargs={"index": -1}).value == 2
    assert child.run("celery.accumulate", 1, kwargs={"index": 1}).error == \
        "builtins.IndexError: list index out of range"


def test_legacy_canvas_tasks_send_what_they_stand_for(child: Child) -> None:
    group = child.run("celery.group", [ECHO, ECHO], None, "gid", [7])
    assert [one.body[0] for one in group.published] == [[7], [7]]
    assert {one.headers["group"] for one in group.published} == {"gid"}
    chord = child.run("celery.chord", [ECHO, ECHO], {"task": "t.body"})
    assert [one.kind for one in chord.sent] == [PUBLISH, CHORD, PUBLISH]
    chunks = child.run("celery.chunks", ECHO, [[1], [2], [3]], 2)
    assert [one.body[1]["it"] for one in chunks.published] == [[[1], [2]], [[3]]]
    assert {one.message["route"] for one in chunks.published} == {"t.echo"}


def test_builtins_that_cannot_run_say_so(child: Child) -> None:
    assert child.run("celery.backend_cleanup").value is None
    assert child.run("celery.chain").error.startswith("builtins.NotImplementedError: ")
    assert child.run("celery.chord_unlock", "g", {}).error.startswith("builtins.TypeError: ")
    assert child.run("celery.chord_unlock", "g", {}, chords=False).error.startswith(
        "builtins.NotImplementedError: this worker's result backend keeps no results")


UNLOCK = {"result": [[["a", None], None], [["g2", None], [[["b", None], None]]]]}
BODY = {"task": "t.echo", "options": {"task_id": "body"}}


def unlock(child: Child, *members: bytes, **more: Any) -> Result:
    """The RESULT of the record that follows celery.chord_unlock."""
    return child.run("celery.chord_unlock", "g", BODY, kwargs={**UNLOCK, **more},
                     ignore_result=True, record={"event": "chord", "members": list(members)})


def test_chord_unlock_asks_for_the_results_of_all_parts(child: Child) -> None:
    result = child.run("celery.chord_unlock", "g", BODY, kwargs=UNLOCK)
    assert result.report["chord"] == {"group": "g", "results": ["a", "b"]}


def test_chord_unlock_starts_the_body(child: Child) -> None:
    sent, = unlock(child, document(1), document(2)).sent
    assert sent.headers["id"] == "body" and sent.body[0] == [[1, [2]]]


@pytest.mark.parametrize("second", [b"", document(None, "STARTED"), document(None, "RETRY")])
def test_chord_unlock_comes_again_for_what_is_missing(second: bytes, child: Child) -> None:
    result = unlock(child, document(1), second, interval=5)
    again, = result.sent
    assert result.state == "SUCCESS" and "chord" not in result.report
    assert again.task == "celery.chord_unlock" and again.headers["retries"] == 1
    assert again.headers["eta"] and again.body[0] == ["g", BODY]


def test_chord_unlock_gives_up_where_it_is_told_to(child: Child) -> None:
    stored, = unlock(child, b"", b"", max_retries=0).stored
    assert stored.meta["result"]["exc_message"] == ["Join error: MaxRetriesExceededError()"]


def test_chord_unlock_fails_the_body(child: Child) -> None:
    failed = document({"exc_type": "E", "exc_message": ["x"]}, "FAILURE", "b")
    stored, = unlock(child, document(1), failed).stored
    assert stored.frame[2] == "body"
    assert stored.meta["result"]["exc_message"] == ["Dependency b raised E('x')"]
