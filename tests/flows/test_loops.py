"""Loops: a flow that calls itself by webhook ends after ten runs; one that comes about the same issue too often is stopped."""

import json
from typing import Any

import pytest

from blubees.doors.webhooks import WebhookDoor
from blubees.engine.depth import DEPTH_HEADER, DEPTH_MAX, DepthMarks
from blubees.engine.launch import Launcher
from blubees.engine.message import open_run
from blubees.engine.runner import Runner
from blubees.engine.surroundings import Surroundings
from blubees.engine.traces import IssueTraces
from blubees.engine.work import Receipts
from blubees.flows.intake import Intake
from blubees.flows.loops import BURST, PER_MINUTE
from blubees.flows.match import FlowIndex
from blubees.flows.own_events import OwnEvents
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connection import LeaseRefusal, Use
from blubees.model.errors import UnavailableError
from blubees.model.event import RawEvent, Verdict
from blubees.model.flow import TriggerKind
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.receipt import Receipt, RunOutcome, RunReceipt, StopReason
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeLine, FakeQueue, make_plan, make_shelf
from fakes.machine import FakeChance, FakeClock

SEALER = Sealer(b"k" * 32, FakeChance())
OTHER = TenantId("t" + "1" * 24)
CALL = "  - {id: a, kind: http, with: {method: POST, url: 'https://a.example.com/', json: {}, headers: {blubees-depth: '7'}}}"


class Desk:
    """Port LeaseDesk: no connections."""

    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str = "") -> LeaseRefusal:
        return LeaseRefusal.MISSING


class World:
    """A door, an intake, and a third party that sends whatever it gets to the flow's own webhook."""

    def __init__(self, trigger: str = "webhook") -> None:
        self.plan = make_plan(CALL, trigger=trigger)
        self.queue, self.clock, self.index, self.told = FakeQueue(), FakeClock(), FlowIndex(), list[Receipt]()
        self.index.changed(TENANT, self.plan.published.flow.id, self.plan.published)
        receipts = Receipts(FakeBox(), self.hear_event)
        receipts.add = lambda receipt, taken=None: self.told.append(receipt)  # type: ignore[method-assign]  # noqa: ARG005
        self.marks = DepthMarks(b"m" * 32)
        self.calls: list[Call] = []
        self.runner = Runner(self.clock, lambda _tenant: FakeLine(self.hear), around=Surroundings(depth=self.marks))
        launcher = Launcher(self.queue, SEALER, b"d" * 32, self.clock, lambda _accepted: None)
        self.intake = Intake(self.index, make_shelf(self.plan), launcher, self.runner, receipts, self.clock, FakeChance())
        self.door = WebhookDoor(self.index.find_hook, Desk(), self.intake.admit, self.clock, self.marks.read)

    def hear_event(self, _event: str, /, **_fields: float | bool | str) -> None:
        """Nobody listens."""

    def hear(self, call: Call) -> CallAnswer:
        self.calls.append(call)
        return CallAnswer(status=200, headers={}, body=b"")

    async def send(self, headers: dict[str, str]) -> Any:
        """Send a webhook; gives what the door says."""
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def keep(message: dict[str, Any]) -> None:
            said.append(message)

        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        pairs += [(b"content-type", b"application/json"), (b"content-length", b"2")]
        scope = {"type": "http", "method": "POST", "path": f"/hooks/{TENANT}/token", "query_string": b"", "headers": pairs}
        await self.door(scope, receive, keep)
        return json.loads(said[0]["reply"].body)["status"]

    async def perform_next(self) -> dict[str, str]:
        """Perform the run that waits; gives the headers of its call."""
        tenant, _, sealed, _ = self.queue.put_runs.pop(0)
        await self.runner.perform(self.plan, open_run(tenant, sealed, SEALER))
        return {name: value for name, value in self.calls[-1].headers if name.lower() == DEPTH_HEADER.lower()}

    def stopped(self) -> list[RunReceipt]:
        return [each for each in self.told if isinstance(each, RunReceipt) and each.reason is StopReason.LOOP]


async def test_a_flow_that_calls_itself_ends_after_ten_runs() -> None:
    world = World()
    headers: dict[str, str] = {}
    runs = 0
    while (said := await world.send(headers)) == "queued":
        runs += 1
        headers = await world.perform_next()
        assert len(headers) == 1, "the author's own header of that name is not sent"
    assert (said, runs, world.queue.put_runs) == ("loop", DEPTH_MAX, [])
    (receipt,) = world.stopped()
    assert (receipt.outcome, receipt.flow, receipt.steps) == (RunOutcome.STOPPED, "flow", ())


@pytest.mark.parametrize("value", ["10", "10-", "10-" + "0" * 32, "99999-x", "\u0661-x", "-1", ""])
async def test_nobody_else_can_silence_a_flow(value: str) -> None:
    world = World()
    assert await world.send({DEPTH_HEADER: value}) == "queued"
    assert await world.send({DEPTH_HEADER: world.marks.write(OTHER, 10)}) == "queued", "another tenant's"
    assert await world.send({DEPTH_HEADER: DepthMarks(b"x" * 32).write(TENANT, 10)}) == "queued", "another key's"
    assert await world.send({DEPTH_HEADER: world.marks.write(TENANT, 10)}) == "loop"


async def test_the_flow_does_not_see_the_header() -> None:
    world = World()
    await world.send({DEPTH_HEADER: world.marks.write(TENANT, 3)})
    tenant, _, sealed, _ = world.queue.put_runs[0]
    message = open_run(tenant, sealed, SEALER)
    assert message.depth == 3
    assert DEPTH_HEADER.lower() not in message.headers


def test_a_mark_is_the_tenants_and_the_depths() -> None:
    marks = DepthMarks(b"m" * 32)
    assert marks.read(TENANT, marks.write(TENANT, 3)) == 3
    assert marks.read(TENANT, marks.write(TENANT, 3).replace("3-", "4-")) == 0
    call = Call(method="GET", url="https://a.example.com/", effect=Effect.READ, headers=(("A", "b"),))
    assert marks.add(call, TENANT, 1) == (("A", "b"), (DEPTH_HEADER, marks.write(TENANT, 1)))


def jira(number: int, issue: str = "10001") -> RawEvent:
    return RawEvent(
        tenant=TENANT,
        trigger=TriggerKind.ISSUE_UPDATED,
        body=b"{}",
        document={"issue": {"id": issue, "key": "A-1"}},
        delivery=f"d{number}",
    )


async def test_too_many_runs_about_one_issue_are_a_loop_and_other_issues_go_on() -> None:
    world = World("jira.issue_updated")
    verdicts = [(await world.intake.admit(jira(number))).verdict for number in range(int(BURST) + 1)]
    assert verdicts == [Verdict.QUEUED] * int(BURST) + [Verdict.LOOP]
    assert len(world.stopped()) == 1
    assert (await world.intake.admit(jira(900, "10002"))).verdict is Verdict.QUEUED
    world.clock.advance(60 / PER_MINUTE)
    assert (await world.intake.admit(jira(901))).verdict is Verdict.QUEUED
    assert (await world.intake.admit(jira(902))).verdict is Verdict.LOOP


async def test_the_other_flows_of_the_event_are_started() -> None:
    world = World("jira.issue_updated")
    for number in range(int(BURST)):
        await world.intake.admit(jira(number))
    other = make_plan("  - {id: a, kind: stop}", trigger="jira.issue_updated", flow="other")
    world.index.changed(TENANT, other.published.flow.id, other.published)
    admission = await world.intake.admit(jira(999))
    assert (admission.verdict, admission.runs) == (Verdict.QUEUED, 1)
    assert [receipt.flow for receipt in world.stopped()] == ["flow"]


EDIT = "  - {id: a, kind: jira.edit_issue, with: {issue: '{{issue.key}}', add_labels: [x]}}"


class OwnWorld:
    """Two flows about changed issues, one of which is also started by what flows did, and a Jira that tells of all."""

    def __init__(self, steps: str = EDIT) -> None:
        self.plans = [
            make_plan(steps, trigger="jira.issue_updated, from_flows: true", flow="chained"),
            make_plan(EDIT, trigger="jira.issue_updated", flow="alone"),
        ]
        self.queue, self.index, self.told, self.number = FakeQueue(), FlowIndex(), list[Receipt](), 0
        for plan in self.plans:
            self.index.changed(TENANT, plan.published.flow.id, plan.published)
        receipts = Receipts(FakeBox(), lambda *_args, **_fields: None)
        receipts.add = lambda receipt, taken=None: self.told.append(receipt)  # type: ignore[method-assign]  # noqa: ARG005
        self.kept: dict[tuple[TenantId, str], int] = {}
        self.is_away, self.clock = False, FakeClock()
        traces = IssueTraces(self, b"t" * 32, self.index.wants_own)
        self.runner = Runner(self.clock, lambda _tenant: FakeLine(self.hear), around=Surroundings(traces=traces))
        launcher = Launcher(self.queue, SEALER, b"d" * 32, self.clock, lambda _accepted: None)
        intake = Intake(self.index, make_shelf(*self.plans), launcher, self.runner, receipts, self.clock, FakeChance())
        self.door = OwnEvents(intake.admit, intake.admit, traces)

    async def note(self, tenant: TenantId, name: str, depth: int) -> None:
        self.kept[tenant, name] = depth

    async def find(self, tenant: TenantId, name: str) -> int:
        if self.is_away:
            raise UnavailableError("away")
        return self.kept.get((tenant, name), 0)

    def hear(self, call: Call) -> CallAnswer:
        body = b'{"id": "10009", "key": "A-9"}' if call.url == "/rest/api/3/issue" else b""
        return CallAnswer(status=204, headers={}, body=body)

    async def tell(self, *, is_own: bool, key: str = "A-1", identity: str = "10001") -> Verdict:
        self.number += 1
        self.clock.advance(60)  # or it is taken for a loop by how often it comes
        event = {"issue": {"id": identity, "key": key, "fields": {"summary": "s"}}}
        raw = RawEvent(
            tenant=TENANT,
            trigger=TriggerKind.ISSUE_UPDATED,
            body=json.dumps(event).encode(),
            document=event,
            delivery=f"o{self.number}",
            is_own=is_own,
        )
        return (await self.door.admit(raw)).verdict

    async def perform_next(self) -> str:
        """Perform the run that waits; gives its flow."""
        tenant, _, sealed, _ = self.queue.put_runs.pop(0)
        message = open_run(tenant, sealed, SEALER)
        await self.runner.perform(next(each for each in self.plans if each.published.flow.id == message.flow), message)
        return message.flow


async def test_what_flows_did_starts_only_flows_that_say_so_and_these_end_after_ten_runs() -> None:
    world = OwnWorld()
    assert await world.tell(is_own=False) is Verdict.QUEUED
    assert sorted([await world.perform_next(), await world.perform_next()]) == ["alone", "chained"]
    runs = 1
    while (said := await world.tell(is_own=True)) is Verdict.QUEUED:
        assert await world.perform_next() == "chained"
        assert world.queue.put_runs == []
        runs += 1
    assert (said, runs) == (Verdict.LOOP, DEPTH_MAX)
    assert await world.tell(is_own=True, key="A-2", identity="10002") is Verdict.QUEUED, "about another issue"
    assert await world.tell(is_own=False) is Verdict.QUEUED, "a person's doing begins anew"


async def test_a_conduit_that_performs_runs_before_it_has_heard_of_their_flow_counts_them_all_the_same() -> None:
    world = OwnWorld()
    traces = IssueTraces(world, b"t" * 32, lambda _tenant: False)
    world.runner = Runner(world.clock, lambda _tenant: FakeLine(world.hear), around=Surroundings(traces=traces))
    await world.tell(is_own=False)
    await world.perform_next()
    await world.perform_next()
    runs = 1
    while await world.tell(is_own=True) is Verdict.QUEUED:
        await world.perform_next()
        runs += 1
    assert runs == DEPTH_MAX


async def test_a_new_issue_that_a_flow_made_is_as_deep_as_its_run() -> None:
    world = OwnWorld("  - {id: a, kind: jira.create_issue, with: {project: A, type: Bug, summary: s}}")
    await world.tell(is_own=False)
    for _ in range(2):
        await world.perform_next()
    assert 1 in world.kept.values()
    runs = 1
    while await world.tell(is_own=True, key="A-9", identity="10009") is Verdict.QUEUED:
        await world.perform_next()
        runs += 1
    assert runs == DEPTH_MAX


async def test_our_own_events_cost_nothing_where_no_flow_wants_them_and_wait_while_the_broker_is_away() -> None:
    world = OwnWorld()
    world.is_away = True
    assert await world.tell(is_own=True) is Verdict.UNAVAILABLE
    world.index.changed(TENANT, world.plans[0].published.flow.id, None)
    assert await world.tell(is_own=True) is Verdict.UNMATCHED
    await world.tell(is_own=False)
    await world.perform_next()
    assert world.kept == {}, "nothing is noted"
