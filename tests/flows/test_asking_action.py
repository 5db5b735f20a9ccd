"""A poll by an action: what is new is told by its cursor, once, and what was there before is passed over."""

from typing import Any

import msgspec
import orjson
import pytest

from blubees.flows.asking import News
from blubees.flows.asking_action import poll_action
from blubees.flows.check import check_flow
from blubees.flows.connectors import FoundConnectors
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow
from blubees.model.order import Fire
from blubees.steps.book import load_book
from fakes.engine import TENANT, FakeLine
from fakes.vendor import ACME

NOW = 1_795_000_000_000  # 2026-11-18T11:06:40Z


def publish(more: str = "") -> PublishedFlow:
    trigger = f"on: acme.changed, connection: team, inputs: {{project: P}}{more}"
    text = f"id: flow\nname: F\ntrigger: {{{trigger}}}\nsteps: [{{id: a, kind: stop}}]\n"
    checked = check_flow(text, load_book(), FoundConnectors((ACME,)))
    assert checked.flow is not None, checked.problems
    return PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=(ACME,))


async def ask(items: Any, cursor: str = "", last: int = 1, more: str = "", status: int = 200) -> tuple[Any, list[Call]]:
    body = orjson.dumps({"things": items})
    line = FakeLine(lambda _call: CallAnswer(status=status, headers={"content-type": "application/json"}, body=body))
    order = Fire(
        tenant=TENANT,
        flow="flow",
        version=1,
        due_milliseconds=NOW,
        last_milliseconds=last,
        expires_at_milliseconds=NOW + 1,
        cursor=cursor,
    )
    return await poll_action(line, order, publish(more), NOW), line.calls


def thing(identity: object, at: object) -> dict[str, Any]:
    return {"id": identity, "at": at}


async def test_the_first_poll_passes_over_what_is_there_unless_it_is_told_not_to() -> None:
    items = [thing(1, "2026-11-18T10:00:00Z"), thing(2, "2026-11-18T11:00:00Z")]
    found, calls = await ask(items, last=0)
    assert found == News((), "2026-11-18T11:00:00Z", passed=("2|2026-11-18T11:00:00Z",))
    assert (calls[0].url, calls[0].connection) == ("https://acme.example/v1/P/things", "team")
    found, _ = await ask(items, last=0, more=", start: all")
    assert [name for name, _ in found.items] == ["1|2026-11-18T10:00:00Z", "2|2026-11-18T11:00:00Z"]


async def test_the_cursor_is_asked_with_and_older_ones_are_left_out() -> None:
    items = [thing(3, "2026-11-18T11:05:00Z"), thing(1, "2026-11-18T10:00:00Z"), thing(2, "2026-11-18T11:00:00Z")]
    found, calls = await ask(items, "2026-11-18T11:00:00Z")
    assert calls[0].url.endswith("?since=2026-11-18T11%3A00%3A00Z")
    assert [item["id"] for _, item in found.items] == [2, 3], "the oldest first; as new as the cursor: once more"
    assert found.cursor == "2026-11-18T11:05:00Z"


async def test_after_half_a_day_of_silence_only_what_is_newer_counts() -> None:
    found, _ = await ask([thing(2, "2026-11-17T11:00:00Z")], "2026-11-17T11:00:00Z")
    assert found == News((), "2026-11-17T11:00:00Z")


@pytest.mark.parametrize(("cursor", "new"), [("9", [10, 11]), ("10", [11]), ("11", [])])
async def test_growing_numbers_are_compared_as_numbers(cursor: str, new: list[int]) -> None:
    found, _ = await ask([thing(11, 11), thing(9, 9), thing(10, 10)], cursor)
    assert [item["id"] for _, item in found.items] == new
    assert found.cursor == "11"


async def test_a_moment_may_be_written_with_a_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ACME.triggers["changed"]
    assert changed.poll is not None
    triggers = {"changed": msgspec.structs.replace(changed, poll=msgspec.structs.replace(changed.poll, since_input=""))}
    monkeypatch.setitem(globals(), "ACME", msgspec.structs.replace(ACME, triggers=triggers))
    found, _ = await ask([thing(1, "2026-11-18 11:05:00"), thing(2, "2026-11-18 11:00:00")], "2026-11-18T11:01:00")
    assert [item["id"] for _, item in found.items] == [1]
    assert found.cursor == "2026-11-18T11:05:00"


@pytest.mark.parametrize(
    ("ids", "cursor", "last", "new", "after"),
    [
        (["c", "b", "a"], "", 0, [], "c"),
        (["c", "b", "a"], "a", 1, ["b", "c"], "c"),
        (["c", "b", "a"], "c", 1, [], "c"),
        (["c", "b", "a"], "gone", 1, ["a", "b", "c"], "c"),
        (["c"], "", 1, ["c"], "c"),
        ([], "c", 1, [], "c"),
    ],
)
async def test_without_a_time_the_list_goes_on_from_the_first_id(
    ids: list[str], cursor: str, last: int, new: list[str], after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ACME.triggers["changed"]
    assert changed.poll is not None
    rule = msgspec.structs.replace(changed.poll, cursor_at=(), since_input="")
    triggers = {**ACME.triggers, "changed": msgspec.structs.replace(changed, poll=rule)}
    monkeypatch.setitem(globals(), "ACME", msgspec.structs.replace(ACME, triggers=triggers))
    found, _ = await ask([{"id": each} for each in ids], cursor, last)
    assert ([name for name, _ in found.items], found.cursor) == (new, after)


async def test_nothing_new_keeps_the_cursor() -> None:
    assert (await ask([], "5"))[0] == News((), "5")
    assert (await ask([thing(1, 3)], "5"))[0] == News((), "5")


@pytest.mark.parametrize(
    ("items", "detail"),
    [
        ({"a": 1}, "no_list"),
        ([{"at": "1"}], "no_id"),
        ([{"id": 1}], "no_reference"),
        ([thing(1, "two words")], "no_reference"),
        ([{"id": 1, "at": True}], "no_reference"),
        (["text"], "no_id"),
    ],
)
async def test_an_answer_that_is_no_list_of_things_is_told(items: object, detail: str) -> None:
    found, _ = await ask(items)
    assert found == Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail=detail)


async def test_a_refusal_is_told_as_the_triggers() -> None:
    found, _ = await ask([], status=401)
    assert found == Failure(code=FailureCode.CREDENTIAL_REFUSED, field="trigger", http_status=401)
