"""The desk that carries out ticks: what is asked, which runs start, and that an order carried out twice starts nothing twice."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, open_run
from blubees.engine.plan import PlanShelf
from blubees.engine.runner import Runner
from blubees.engine.work import Receipts
from blubees.flows.asking import list_fields
from blubees.flows.check import check_flow
from blubees.flows.firing import ASKING_PER_TENANT, FiringDesk
from blubees.flows.intake import Intake
from blubees.flows.match import FlowIndex
from blubees.flows.refetch import can_ask_again
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import Flow, PublishedFlow, TriggerKind
from blubees.model.ids import FlowId
from blubees.model.order import Fire
from blubees.model.receipt import Fired, RunAccepted, RunOutcome, RunReceipt
from blubees.steps.book import load_book
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeLine, FakeQueue
from fakes.machine import FakeChance, FakeClock

NOW = 1_795_000_000_000
JSON = {"content-type": "application/json"}
POLL = {
    "url": "https://api.example.com/items",
    "query": {"since": "{{poll.cursor}}"},
    "headers": {"X-Since": "{{poll.last}}"},
    "connection": "mine",
    "items": "{{response.body.items}}",
    "id": "{{item.id}}",
    "cursor": "{{response.body.next}}",
}


def read_flow(trigger: dict[str, Any], value: str = "1") -> Flow:
    steps = [{"id": "a", "kind": "set", "with": {"values": {"v": value}}}]
    checked = check_flow(json.dumps({"id": "tick", "name": "T", "trigger": trigger, "steps": steps}), load_book())
    assert checked.flow is not None, checked.problems
    return checked.flow


class World:
    """A conduit's parts around one flow."""

    def __init__(self, trigger: dict[str, Any], value: str = "1", answer: Callable[[Call], Any] = lambda _call: None) -> None:
        self.clock, self.queue, self.box = FakeClock(NOW), FakeQueue(), FakeBox()
        self.sealer = Sealer(b"k" * 32, FakeChance())
        self.answers = answer
        self.accepted: list[RunAccepted] = []
        self.line = FakeLine(self.reply)
        chance, index, shelf = FakeChance(), FlowIndex(), PlanShelf(dict(load_book()))
        self.receipts = Receipts(self.box, lambda *_args, **_fields: None)
        launcher = Launcher(self.queue, self.sealer, b"d" * 32, self.clock, self.accepted.append)
        intake = Intake(
            index, shelf, launcher, Runner(self.clock, lambda _tenant: self.line), self.receipts, self.clock, chance
        )
        self.published = PublishedFlow(tenant=TENANT, version=1, flow=read_flow(trigger, value))
        index.changed(TENANT, FlowId("tick"), self.published)
        shelf.put(TENANT, FlowId("tick"), self.published)
        self.desk = FiringDesk(index, intake.admit, lambda _tenant: self.line, launcher, self.receipts, self.clock, chance)

    def reply(self, call: Call) -> CallAnswer | Failure:
        found = self.answers(call)
        if isinstance(found, Failure):
            return found
        status, body = found if isinstance(found, tuple) else (200, found)
        return CallAnswer(status=status, headers=JSON, body=orjson.dumps(body))

    def order(self, due: int = NOW, **more: Any) -> Fire:
        facts = {"version": 1, "expires_at_milliseconds": NOW + 30_000} | more
        return Fire(tenant=TENANT, flow="tick", due_milliseconds=due, **facts)

    async def fire(self, due: int = NOW, **more: Any) -> Fired:
        await self.desk.carry_out(self.order(due, **more))
        answers = []
        while not self.receipts._waiting.empty():
            answers.append(self.receipts._waiting.get_nowait()[0])
        self.said = answers
        assert isinstance(answers[-1], Fired)
        return answers[-1]

    def runs(self) -> list[RunMessage]:
        return [open_run(tenant, sealed, self.sealer) for tenant, _, sealed, _ in self.queue.put_runs]

    def bodies(self) -> list[Any]:
        return [orjson.loads(each.body) for each in self.runs()]


def issue(number: int, updated: str = "2026-11-18T11:05:00.000+0000", **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "key": f"AB-{number}", "fields": {"updated": updated, **fields}}


async def test_a_plain_tick_starts_one_run_that_knows_its_times() -> None:
    world = World({"on": "schedule", "every_seconds": 60})
    answers = [await world.fire(NOW - 5_000, last_milliseconds=NOW - 65_000, missed=2) for _ in range(2)]
    assert [(each.runs, each.failure) for each in answers] == [(1, None), (0, None)], "the order came twice"
    assert [each.trigger for each in world.runs()] == [TriggerKind.SCHEDULE]
    expected = {"due": "2026-11-18T11:06:35.0+0000", "last": "2026-11-18T11:05:35.0+0000", "missed": 2}
    assert world.bodies() == [{"schedule": expected}]
    assert (await world.fire(NOW + 60_000)).runs == 1


async def test_a_version_that_is_not_live_here_waits_and_an_expired_order_is_dropped() -> None:
    world = World({"on": "schedule", "every_seconds": 60})
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(world.order(version=2))
    await world.desk.carry_out(world.order(version=2, expires_at_milliseconds=NOW))
    world.queue.is_away = True
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(world.order())
    assert world.queue.put_runs == []
    assert world.receipts._waiting.empty()


async def test_a_search_starts_one_run_with_all_issues_or_one_for_each() -> None:
    pages = {None: {"issues": [issue(1, open=True), issue(2)], "nextPageToken": "p"}, "p": {"issues": [issue(3, open=True)]}}

    def answer(call: Call) -> Any:
        return pages[orjson.loads(call.body).get("nextPageToken")]

    trigger = {"on": "schedule", "every_seconds": 60, "jql": "created > {{schedule.last.jqlDate}} and x = '{{flow.id}}'"}
    world = World(trigger, "{{#issues}}{{key}} {{summary}}{{/}}", answer)
    assert (await world.fire(last_milliseconds=NOW)).runs == 1
    assert [each["key"] for each in world.bodies()[0]["issues"]] == ["AB-1", "AB-2", "AB-3"]
    asked = orjson.loads(world.line.calls[0].body)
    assert asked["jql"] == "created > 2026-11-18 and x = 'tick'"
    assert {"summary", "key"} <= set(asked["fields"])
    assert "*all" not in asked["fields"]
    each = World(trigger | {"for_each": "issue", "where": "{{issue.open}}"}, "{{issue.summary}}", answer)
    assert (await each.fire()).runs == 2
    assert (await each.fire()).runs == 0, "the same tick"
    assert [body["issue"]["key"] for body in each.bodies()] == ["AB-1", "AB-3"]
    assert (await each.fire(NOW + 60_000)).runs == 2
    assert [can_ask_again(known.trigger, known.reference) for known in (*world.accepted, *each.accepted)] == [
        False,
        *[True] * 4,
    ]


async def test_a_search_that_fails_is_answered_and_at_the_last_try_told_in_the_ledger_once() -> None:
    trigger = {"on": "schedule", "every_seconds": 60, "jql": "x = 1"}
    world = World(trigger, answer=lambda _call: Failure(code=FailureCode.CREDENTIAL_REFUSED, detail="no_app_token"))
    fired = await world.fire()
    assert fired.failure is not None
    assert (fired.failure.code, fired.failure.detail) == (FailureCode.CREDENTIAL_REFUSED, "no_app_token")
    assert len(world.said) == 1
    fired = await world.fire(is_last_try=True)
    told = world.said[0]
    assert isinstance(told, RunReceipt)
    assert (told.outcome, told.trigger, told.failure) == (RunOutcome.FAILED, TriggerKind.SCHEDULE, fired.failure)
    await world.fire(is_last_try=True)
    assert len(world.said) == 1, "once"
    world.answers = lambda _call: (400, {"errorMessages": ["no such field"]})
    fired = await world.fire(NOW + 1)
    assert fired.failure is not None
    assert (fired.failure.code, fired.failure.field) == (FailureCode.REQUEST_REFUSED, "trigger.jql")


async def test_a_full_queue_is_a_failure_and_what_was_started_is_not_started_again() -> None:
    trigger = {"on": "schedule", "every_seconds": 60, "jql": "x = 1", "for_each": "issue"}
    world = World(trigger, answer=lambda _call: {"issues": [issue(number) for number in range(50)]})
    world.queue.room_for = 40
    fired = await world.fire()
    assert fired.failure is not None
    assert (fired.failure.detail, len(world.queue.put_runs)) == ("queue_full", 40)
    world.queue.room_for = 100
    assert (await world.fire()).runs == 10
    assert sorted(int(each["issue"]["id"]) for each in world.bodies()) == list(range(50))


async def test_a_poll_asks_with_its_cursor_and_starts_a_run_for_each_item() -> None:
    items = [{"id": 0, "name": "old"}]
    world = World({"on": "poll", "every_seconds": 60, "poll": POLL}, "{{item.name}}", lambda _: {"items": items, "next": 17})
    first = await world.fire()
    assert (first.runs, first.cursor) == (0, "17"), "what is there already is passed over"
    assert dict(world.line.calls[0].query) == {}, "no cursor yet: left out"
    items += [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    fired = await world.fire(cursor="17", last_milliseconds=NOW)
    call = world.line.calls[1]
    assert (call.method, call.url, call.connection, dict(call.query)) == ("GET", POLL["url"], "mine", {"since": "17"})
    assert (fired.runs, fired.cursor) == (2, "17")
    assert [(each["item"], each["poll"]["cursor"]) for each in world.bodies()] == [(items[1], "17"), (items[2], "17")]
    items.append({"id": 3, "name": "c"})
    assert (await world.fire(NOW + 60_000, cursor="17", last_milliseconds=NOW)).runs == 1, "only what is new"
    every = World(
        {"on": "poll", "every_seconds": 60, "poll": POLL | {"start": "all"}}, "1", lambda _: {"items": items, "next": 1}
    )
    assert (await every.fire()).runs == 4


async def test_a_slow_third_party_holds_up_no_other_orders() -> None:
    world = World({"on": "poll", "every_seconds": 60, "poll": POLL}, answer=lambda _: {"items": [], "next": "1"})
    release, call = asyncio.Event(), world.line.call

    async def wait(given: Call) -> CallAnswer | Failure:
        await release.wait()
        return await call(given)

    world.line.call = wait  # type: ignore[method-assign,assignment]
    held = [asyncio.create_task(world.desk.carry_out(world.order(NOW + number))) for number in range(ASKING_PER_TENANT)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(world.order(NOW + 99))
    release.set()
    await asyncio.gather(*held)
    await world.desk.carry_out(world.order(NOW + 99))
    assert len(world.line.calls) == ASKING_PER_TENANT + 1


async def test_the_cursor_stays_when_not_all_runs_are_safe() -> None:
    items = [{"id": number} for number in range(50)]
    world = World({"on": "poll", "every_seconds": 60, "poll": POLL}, "1", lambda _: {"items": items, "next": "new"})
    world.queue.room_for = 40
    fired = await world.fire(cursor="old", last_milliseconds=NOW)
    assert (fired.cursor, fired.failure is not None) == ("", True)
    world.queue.is_away = True
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(world.order(cursor="old", last_milliseconds=NOW))
    assert world.receipts._waiting.empty(), "no answer: the order comes again"


BAD_ANSWERS: dict[str, tuple[Any, FailureCode, str]] = {
    "busy": ((429, {}), FailureCode.BUSY, "trigger.poll.url"),
    "no list": ({"items": {"a": 1}, "next": "1"}, FailureCode.SETTING_INVALID, "trigger.poll.items"),
    "cursor is a text": ({"items": [], "next": "Dear Sir or Madam"}, FailureCode.SETTING_INVALID, "trigger.poll.cursor"),
    "cursor is an address": ({"items": [], "next": "a@example.com"}, FailureCode.SETTING_INVALID, "trigger.poll.cursor"),
    "cursor is long": ({"items": [], "next": "1" * 201}, FailureCode.SETTING_INVALID, "trigger.poll.cursor"),
    "cursor is an object": ({"items": [], "next": {"a": 1}}, FailureCode.SETTING_INVALID, "trigger.poll.cursor"),
    "no id": ({"items": [{}], "next": "1"}, FailureCode.SETTING_INVALID, "trigger.poll.id"),
    "many items": ({"items": [{"id": 1}] * 5_001, "next": "1"}, FailureCode.RUN_TOO_LARGE, "trigger.poll.items"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_an_answer_that_makes_no_sense_is_told_by_its_place_and_moves_nothing(name: str) -> None:
    answer, code, field = BAD_ANSWERS[name]
    world = World({"on": "poll", "every_seconds": 60, "poll": POLL | {"start": "all"}}, "1", lambda _call: answer)
    fired = await world.fire()
    assert fired.failure is not None
    assert (fired.failure.code, fired.failure.field, fired.cursor, fired.runs) == (code, field, "", 0)


async def test_a_surprise_is_answered_too() -> None:
    def surprise(_call: Call) -> Any:
        raise ZeroDivisionError("payload")

    world = World({"on": "poll", "every_seconds": 60, "poll": POLL}, answer=surprise)
    fired = await world.fire()
    assert fired.failure is not None
    assert fired.failure.code is FailureCode.INTERNAL
    assert b"payload" not in orjson.dumps(fired.failure.detail)


async def test_a_jira_poll_finds_what_was_updated_and_an_updated_issue_again() -> None:
    found = [issue(1, "2026-11-18T11:05:00.000+0000"), issue(2, "2026-11-18T11:06:00.000+0000")]
    world = World(
        {"on": "poll", "every_seconds": 60, "poll": {"jql": "project = AB"}}, "{{issue.summary}}", lambda _: {"issues": found}
    )
    first = await world.fire()
    assert (first.runs, first.cursor) == (0, str(NOW)), "from now on"
    assert orjson.loads(world.line.calls[0].body)["jql"] == "(project = AB) AND updated >= -2m ORDER BY updated ASC"
    world.clock.advance(90)
    more = {"cursor": first.cursor, "last_milliseconds": NOW, "expires_at_milliseconds": NOW + 1_000_000}
    fired = await world.fire(NOW + 90_000, **more)
    assert fired.runs == 0, "what the search's overlap finds of before starts nothing"
    found += [issue(3, "2026-11-18T11:06:50.000+0000"), issue(2, "2026-11-18T11:06:55.000+0000")]
    fired = await world.fire(NOW + 100_000, **more)
    asked = orjson.loads(world.line.calls[1].body)
    assert asked["jql"] == "(project = AB) AND updated >= -3m ORDER BY updated ASC"
    assert {"summary", "updated"} <= set(asked["fields"])
    assert (fired.runs, fired.cursor) == (2, str(NOW + 15_000))
    assert [each["issue"]["key"] for each in world.bodies()] == ["AB-3", "AB-2"]
    assert (await world.fire(NOW + 150_000, **more)).runs == 0, "seen before"
    found[0] = issue(1, "2026-11-18T11:07:30.000+0000")
    fired = await world.fire(NOW + 210_000, **more)
    assert (fired.runs, fired.cursor) == (1, str(NOW + 50_000))
    world.clock.advance(86_400)  # deliveries are forgotten: only what is after the cursor counts
    world.queue.deliveries.clear()
    more |= {"cursor": fired.cursor, "expires_at_milliseconds": world.clock.milliseconds + 9_000}
    fired = await world.fire(NOW + 86_400_000, **more)
    assert fired.runs == 0
    assert int(fired.cursor) == world.clock.milliseconds - 300_000, "nothing new: it moves on"


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("{{issue.summary}} {{issue.fields.customfield_10010.value}}", ["customfield_10010", "summary", "value"]),
        ("{{issue.issueType.name}} {{issue.fixversions}}", ["fixVersions", "issueType", "issuetype"]),
        ("{{issue.asJsonString}}", ["*all"]),
        ("{{trigger}}", ["*all"]),
        ("{{issue}}", ["*all"]),
        ("{{triggerIssue.description.length}}", ["description"]),
    ],
)
def test_only_the_fields_that_the_flow_reads_are_asked_for(value: str, fields: list[str]) -> None:
    found = list_fields(read_flow({"on": "schedule", "every_seconds": 60, "jql": "x = 1", "for_each": "issue"}, value))
    assert set(fields) <= set(found)
    assert ("*all" in found) is ("*all" in fields)


def test_what_the_key_of_the_runs_reads_is_asked_for() -> None:
    text = """
id: a
name: A
runs: {mode: single, key: "{{issue.customfield_7}}"}
trigger: {on: schedule, every_seconds: 60, jql: x = 1, for_each: issue}
steps: [{id: a, kind: stop}]
"""
    flow = check_flow(text, load_book()).flow
    assert flow is not None
    assert "customfield_7" in list_fields(flow)


def test_a_section_over_the_issues_asks_for_what_it_reads_and_no_more() -> None:
    def fields(value: str) -> list[str]:
        return list_fields(read_flow({"on": "schedule", "every_seconds": 60, "jql": "x = 1"}, value))

    assert fields("{{#issues}}{{key}}: {{summary}} {{/issues}}") == ["issues", "key", "summary"]
    assert fields("{{#issues}}{{summary}}{{/}}{{issues.size}}") == ["*all"]
    assert fields("{{issues.first.summary}}") == ["*all"], "what a function gives is not followed"
    assert fields("{{issues.summary}}") == ["issues", "summary"]
