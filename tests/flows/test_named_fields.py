"""Fields by their names before a run is there: in conditions of triggers, and in what a tick asks Jira for."""

from typing import Any

import orjson
import pytest

from blubees.connectors.field_names import LookUp
from blubees.engine.launch import Launcher
from blubees.engine.plan import PlanShelf
from blubees.engine.runner import Runner
from blubees.engine.work import Receipts
from blubees.flows.asking import list_fields, names_fields_of_issues
from blubees.flows.check import check_flow
from blubees.flows.intake import Intake
from blubees.flows.match import FlowIndex
from blubees.model.event import RawEvent, Verdict
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.flow import TriggerKind
from blubees.model.ids import TenantId
from blubees.steps.book import load_book
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeLine, FakeQueue, make_plan
from fakes.machine import FakeChance, FakeClock
from flows.test_firing import World, issue, read_flow

IDS = FieldNames(frozenset(), {"severity": ("customfield_3",), "customer name": ("customfield_1", "customfield_2")})
EVENT: Any = {
    "eventType": "avi:jira:created:issue",
    "issue": {"id": "1", "key": "A-1", "fields": {"customfield_3": {"value": "High"}}},
}


class Site:
    """A site that gives its names, or fails to."""

    def __init__(self, found: FieldNames | Failure = IDS) -> None:
        self.found, self.asked = found, 0

    async def of(self, _tenant: TenantId) -> FieldNames | Failure:
        self.asked += 1
        return self.found


async def admit(where: str, look_up: LookUp) -> Verdict:
    flow = make_plan("  - {id: a, kind: stop}", trigger=f"jira.issue_created, where: '{where}'").published
    index, shelf, queue, clock, chance = FlowIndex(), PlanShelf(dict(load_book())), FakeQueue(), FakeClock(), FakeChance()
    index.changed(TENANT, flow.flow.id, flow)
    launcher = Launcher(queue, Sealer(b"k" * 32, chance), b"d" * 32, clock, lambda _run: None)
    receipts = Receipts(FakeBox(), lambda *_args, **_fields: None)
    runner = Runner(clock, lambda _tenant: FakeLine(lambda _call: Failure(code=FailureCode.INTERNAL)))
    intake = Intake(index, shelf, launcher, runner, receipts, clock, chance, field_names=look_up)
    event = RawEvent(tenant=TENANT, trigger=TriggerKind.ISSUE_CREATED, body=orjson.dumps(EVENT), document=EVENT)
    return (await intake.admit(event)).verdict


@pytest.mark.parametrize(("where", "verdict"), [
    ('{{issue.Severity.value.equals("High")}}', Verdict.QUEUED),  # found by the index
    ('{{issue.Severity.value.equals("Low")}}', Verdict.UNMATCHED),
    ('{{or(issue.severity.value.equals("High"), issue.key.equals("no"))}}', Verdict.QUEUED),
    ("{{exists(issue.Customer name)}}", Verdict.UNMATCHED),
])  # fmt: skip
async def test_a_trigger_can_ask_for_a_field_by_its_name(where: str, verdict: Verdict) -> None:
    assert await admit(where, Site().of) is verdict


async def test_a_sender_is_asked_to_come_again_where_the_names_cannot_be_had_and_nobody_asks_without_need() -> None:
    broken = Site(Failure(code=FailureCode.BUSY))
    assert await admit('{{issue.Severity.value.equals("High")}}', broken.of) is Verdict.UNAVAILABLE
    assert await admit('{{issue.key.equals("A-1")}}', broken.of) is Verdict.QUEUED
    assert broken.asked == 1


@pytest.mark.parametrize("trigger", [
    {"on": "schedule", "every_seconds": 60, "jql": "project = AB", "for_each": "issue"},
    {"on": "poll", "every_seconds": 60, "poll": {"jql": "project = AB"}},
])  # fmt: skip
async def test_a_tick_asks_for_the_fields_that_are_read_by_their_names(trigger: dict[str, Any]) -> None:
    world = World(trigger, "{{issue.Customer name}}", lambda _call: {"issues": [issue(1)], "isLast": True})
    site = Site()
    world.desk._field_names = site.of
    assert (await world.fire(last_milliseconds=1, cursor="1")).failure is None
    assert {"customfield_1", "customfield_2"} <= set(orjson.loads(world.line.calls[0].body)["fields"])
    site.found = Failure(code=FailureCode.BUSY, detail="field_names")
    failure = (await world.fire(world.clock.milliseconds + 1, last_milliseconds=1, cursor="1")).failure
    assert failure is not None
    assert (failure.code, failure.field, failure.detail) == (FailureCode.BUSY, "trigger", "field_names")


def test_the_key_of_runs_names_no_field() -> None:
    text = (
        "id: f\nname: F\ntrigger: {on: jira.issue_created}\nruns: {mode: queued, key: '{{%s}}'}\nsteps: [{id: a, kind: stop}]"
    )
    assert check_flow(text % "issue.customfield_3.value", load_book()).problems == ()
    (problem,) = check_flow(text % "issue.Severity.value", load_book()).problems
    assert (problem.path, problem.line) == ("runs.key", 4)
    assert "write its id" in problem.message


def test_a_flow_that_reads_ids_only_asks_for_no_names() -> None:
    trigger = {"on": "schedule", "every_seconds": 60, "jql": "project = AB", "for_each": "issue"}
    assert not names_fields_of_issues(read_flow(trigger, "{{issue.customfield_1}}{{issue.summary}}"))
    flow = read_flow(trigger, "{{issue.Severity.value}}")
    assert names_fields_of_issues(flow)
    assert "customfield_3" in list_fields(flow, IDS)
    assert "customfield_3" not in list_fields(flow)
