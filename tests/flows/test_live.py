"""Trials: who may start one, what its reader is told, and what is kept for a reader that does not read."""

import asyncio
import base64
import json
from typing import Any

import pytest

from blubees.connectors.caller import JiraSite
from blubees.connectors.watched import WatchedCaller
from blubees.engine.runner import Runner
from blubees.engine.surroundings import Surroundings
from blubees.flows import live as live_module
from blubees.flows.live import ForgetfulSeenDesk, Live, LiveDesk, LiveStream, Value
from blubees.model.connection import ConnectionKind, Lease, Use
from blubees.model.event import Admission, Verdict
from blubees.model.failures import Failure
from blubees.model.flow import UNPUBLISHED
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.model.receipt import RunReceipt, Trial
from blubees.model.web import WebAnswer, WebRequest
from blubees.vault.seal import Sealer
from blubees.vault.tickets import TRIAL_PURPOSES, Purpose, Ticket, seal_ticket
from fakes.engine import TENANT, make_plan, make_shelf
from fakes.machine import FakeChance, FakeClock, FakeWeb

SECRET = 'tok"8k2/hf7s0'
SEALER = Sealer(b"k" * 32, FakeChance())
FLOW = FlowId("flow")
STEPS = """\
  - {id: look, kind: http, with: {url: "https://a.example.com/look", connection: c}}
  - {id: key, kind: dedupe, with: {key: "{{webhookData.n}}"}}
  - {id: rest, kind: wait, with: {hours: 2}}
  - {id: post, kind: http, with: {method: POST, url: "https://a.example.com/post", json: {a: "{{webhookData.n}}"}}}"""


class Desk:
    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str = "") -> Lease:
        return Lease(
            kind=ConnectionKind.BEARER,
            hosts=("a.example.com",),
            user_name="",
            parameter="",
            secret=SECRET,
            expires_at_milliseconds=2**53,
        )


class World:
    """A conduit's part for trials; the third party says back what it was sent, the credential too."""

    def __init__(self, steps: str = STEPS, version: int = 1) -> None:
        self.clock, self.receipts = FakeClock(), list[RunReceipt]()
        self.used: set[str] = set()
        self.web = FakeWeb(self.answer)
        self.desk = LiveDesk(
            make_shelf(make_plan(steps, version=version)),
            self.make_runner,
            self.claim,
            self.receipts.append,
            SEALER,
            self.clock,
            FakeChance(),
        )

    def answer(self, request: WebRequest) -> WebAnswer:
        said = {"headers": request.headers, "code": base64.b64encode(SECRET.encode()).decode()}
        return WebAnswer(status=200, headers={"content-type": "application/json"}, body=json.dumps(said).encode())

    def make_runner(self, stream: LiveStream, trial: Trial) -> Runner:
        def open_line(tenant: TenantId) -> WatchedCaller:
            site = JiraSite("https://jira.example.com", "cloud", lambda: None)
            return WatchedCaller(
                tenant, self.web, Desk(), self.clock, FakeChance(), site, stream, is_dry=trial is Trial.DRY_RUN
            )

        return Runner(self.clock, open_line, around=Surroundings(seen=ForgetfulSeenDesk(), watch=stream))

    async def claim(self, name: str) -> bool:
        fresh = name not in self.used
        self.used.add(name)
        return fresh

    def ticket(self, trial: Trial = Trial.TEST, version: int = 1) -> str:
        ticket = Ticket(tenant=TENANT, flow=FLOW, version=version, expires_at_milliseconds=self.clock.milliseconds + 60_000)
        return seal_ticket(SEALER, TRIAL_PURPOSES[trial], ticket)

    async def watch(self, trial: Trial, document: Any, version: int = 1) -> list[tuple[str, dict[str, Any]]]:
        live = await self.desk.start(TENANT, FLOW, self.ticket(trial, version), document)
        assert isinstance(live, Live)
        text = b""
        while chunk := await live.stream.read():
            text += chunk
        await asyncio.wait({live.task})
        return read_events(text)


def read_events(text: bytes) -> list[tuple[str, dict[str, Any]]]:
    parts = [part.decode().split("\n") for part in text.split(b"\n\n") if part]
    return [(lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))) for lines in parts]


async def test_the_reader_sees_values_but_no_credential() -> None:
    world = World()
    events = await world.watch(Trial.TEST, {"n": "Ada"})
    names = [name for name, _ in events]
    assert (names[0], names[-1]) == ("run_begins", "run_ends")
    assert events[0][1]["event"] == {"n": "Ada"}
    called = [facts for name, facts in events if name == "call_begins"]
    assert [(each["step"], each["method"]) for each in called] == [("look", "GET"), ("post", "POST")]
    assert called[1]["body"] == {"a": "Ada"}
    written = json.dumps(events)
    assert json.dumps(SECRET)[1:-1] not in written
    assert SECRET in repr(world.web.requests)
    assert "[withheld]" in written
    assert base64.b64encode(SECRET.encode()).decode() not in written
    assert [(each.trial, each.outcome.value) for each in world.receipts] == [(Trial.TEST, "finished")]
    assert {each.step: each.outcome.value for each in world.receipts[0].steps}["rest"] == "would", "a trial waits for nothing"


async def test_a_dry_run_shows_what_it_would_have_sent() -> None:
    world = World()
    events = await world.watch(Trial.DRY_RUN, {"n": "Ada"})
    would = [facts for name, facts in events if name == "call_would_begin"]
    assert [(each["step"], each["body"]) for each in would] == [("post", {"a": "Ada"})]
    assert [request.method for request in world.web.requests] == ["GET"]
    assert world.receipts[0].trial is Trial.DRY_RUN


async def test_of_a_flow_that_is_published_nowhere_no_receipt_tells() -> None:
    world = World(version=UNPUBLISHED)
    events = await world.watch(Trial.TEST, {"n": "Ada"}, UNPUBLISHED)
    assert (events[-1][0], events[-1][1]["outcome"], len(world.web.requests)) == ("run_ends", "finished", 2)
    assert world.receipts == []


async def test_a_ticket_is_good_once_for_its_flow_and_a_minute() -> None:
    world = World()
    used = world.ticket()
    assert isinstance(await world.desk.start(TENANT, FLOW, used, {"n": 1}), Live)
    late = world.ticket()
    run_ticket = seal_ticket(SEALER, Purpose.RUN, Ticket(tenant=TENANT, flow=FLOW, version=1, expires_at_milliseconds=2**53))
    foreign = TenantId("t" + "b" * 24)
    answers = [
        await world.desk.start(TENANT, FLOW, used, {"n": 1}),
        await world.desk.start(TENANT, FLOW, run_ticket, {"n": 1}),
        await world.desk.start(foreign, FLOW, world.ticket(), {"n": 1}),
        await world.desk.start(TENANT, FlowId("other"), world.ticket(), {"n": 1}),
        await world.desk.start(TENANT, FLOW, "A" * 80, {"n": 1}),
    ]
    world.clock.advance(61)
    answers.append(await world.desk.start(TENANT, FLOW, late, {"n": 1}))
    assert answers == [None] * 6


async def test_a_version_that_is_not_here_yet_is_waited_for_with_the_same_ticket() -> None:
    world = World()
    answer = await world.desk.start(TENANT, FLOW, world.ticket(version=2), {})
    assert isinstance(answer, Admission)
    assert answer.verdict is Verdict.UNAVAILABLE
    assert not world.used


async def test_a_tenant_has_a_few_trials_at_a_time() -> None:
    world = World()
    found = [await world.desk.start(TENANT, FLOW, world.ticket(), {"n": 1}) for _ in range(5)]
    assert [type(each) for each in found] == [Live] * 4 + [Admission]
    for each in found[:4]:
        assert isinstance(each, Live)
        await asyncio.wait({each.task})
    assert isinstance(await world.desk.start(TENANT, FLOW, world.ticket(), {"n": 1}), Live)


async def test_a_slow_reader_is_dropped_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "BACKLOG_MAX_BYTES", 500)
    world = World()
    live = await world.desk.start(TENANT, FLOW, world.ticket(), {"n": "Ada"})
    assert isinstance(live, Live)
    await asyncio.wait({live.task})
    assert live.stream.is_dropped
    assert await live.stream.read() == b""
    assert world.receipts[0].outcome.value == "finished"


async def test_nothing_is_kept_for_a_reader_that_is_gone() -> None:
    world = World()
    live = await world.desk.start(TENANT, FLOW, world.ticket(), {"n": "Ada"})
    assert isinstance(live, Live)
    live.leave()
    await asyncio.wait({live.task})
    assert await live.stream.read() == b""
    assert world.receipts[0].outcome.value == "finished", "a test run goes on to its end"


async def test_a_dry_run_ends_with_its_reader() -> None:
    world = World()
    live = await world.desk.start(TENANT, FLOW, world.ticket(Trial.DRY_RUN), {"n": "Ada"})
    assert isinstance(live, Live)
    live.leave()
    await asyncio.wait({live.task})
    assert (live.task.cancelled(), world.receipts) == (True, [])


async def test_a_large_value_is_cut() -> None:
    stream = LiveStream(FakeClock())
    stream.tell("step_ends", result=Value(["x" * 100_000]))
    name, facts = read_events(await stream.read())[0]
    assert name == "step_ends"
    assert (facts["result"]["cut"], facts["result"]["bytes"], len(facts["result"]["start"])) == (True, 100_004, 65_536)


@pytest.mark.parametrize("value", [2**70, "\ud800", {1: "a"}, object(), b"bytes", float("nan")])
async def test_whatever_a_run_holds_can_be_told(value: Any) -> None:
    stream = LiveStream(FakeClock())
    stream.tell("step_ends", result=Value(value))
    assert read_events(await stream.read())


async def test_wrong_inputs_are_told_by_name() -> None:
    steps = "  - {id: a, kind: set, with: {values: {b: 1}}}"
    world = World(steps)
    plan = make_plan(steps, trigger="manual", head="inputs: {count: {type: number, required: true}}")
    world.desk._shelf = make_shelf(plan)
    found = await world.desk.start(TENANT, FLOW, world.ticket(), {"count": "many"})
    assert isinstance(found, Failure)
    assert found.field == "inputs.count"
