"""Error flows: one for each failed run, also when the run is taken over; none for a run that an error flow started."""

import json
from typing import Any

import pytest

from blubees.engine import work as work_module
from blubees.engine.error_flow import ErrorFlows
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, open_run, seal_run
from blubees.engine.plan import Plan
from blubees.engine.runner import Runner
from blubees.flows.intake import Intake
from blubees.flows.match import FlowIndex
from blubees.model.call import CallAnswer
from blubees.model.event import RawEvent, Verdict
from blubees.model.flow import TriggerKind
from blubees.model.receipt import RunReceipt
from fakes.engine import TENANT, FakeLine, FakeTaken, make_message, make_plan
from fakes.machine import FakeChance, FakeClock
from fakes.workbench import SEALER, Workbench, until

SECRET = "canary-1177"
CALL = "  - {id: a, kind: http, with: {method: PUT, url: 'https://a.example.com/{{webhookData.c}}'}}"
STOP = "  - {id: a, kind: stop}"


class World(Workbench):
    """A worker, a flow that fails, and its error flow."""

    def __init__(self, *, trigger: str = "called", steps: str = CALL, status: int = 500) -> None:
        self.plan = make_plan(steps, head="error_flow: on-error")
        self.error_plan = make_plan(STOP, flow="on-error", trigger=trigger, head="error_flow: flow")
        super().__init__(self.plan, self.error_plan)
        self.launcher = Launcher(self.queue, SEALER, b"d" * 32, FakeClock(), lambda _accepted: None)
        self.error_flows = ErrorFlows(self.launcher, self.shelf, FakeClock(), FakeChance(), self.tell)
        answer = CallAnswer(status=status, headers={"content-type": "text/plain"}, body=SECRET.encode())
        self.runner = Runner(FakeClock(), lambda _tenant: FakeLine(lambda _call: answer))
        self.workers = [self.make_worker(lambda _tenant: FakeLine(lambda _call: answer), error_flows=self.error_flows)]

    async def perform(self, *, plan: Plan | None = None, deliveries: int = 1, error_of: str = "") -> FakeTaken:
        message = make_message(json.dumps({"c": SECRET}).encode())
        message.flow, message.error_of = (plan or self.plan).published.flow.id, error_of
        taken = self.give(seal_run(message, SEALER), deliveries=deliveries)
        await until(lambda: taken.said)
        return taken

    def started(self) -> list[RunMessage]:
        return [open_run(tenant, sealed, SEALER) for tenant, _, sealed, _ in self.queue.put_runs]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "RETRY_SECONDS", 0.01)


@pytest.mark.parametrize("trigger", ["called", "manual"])
async def test_a_failed_run_starts_its_error_flow_which_is_told_what_failed_and_no_payload(trigger: str) -> None:
    async with World(trigger=trigger) as world:
        assert (await world.perform()).said == ["finish"]
        (run,) = world.started()
        assert (run.flow, run.trigger.value, run.error_of) == ("on-error", trigger, make_message().run)
        facts = json.loads(run.body)
        assert (facts["flow"], facts["step"], facts["code"], facts["http_status"]) == ("flow", "a", "vendor_broken", 500)
        assert (facts["what_to_do"], facts["whose_fault"]) == ("Run again later.", "vendor")
        assert SECRET not in run.body.decode()


async def test_a_run_that_did_not_fail_starts_none() -> None:
    async with World(status=200) as world:
        await world.perform()
        assert world.started() == []


async def test_a_run_that_is_taken_over_starts_no_second_one() -> None:
    async with World() as world:
        for deliveries in (1, 2, 3):
            await world.perform(deliveries=deliveries)
        assert len(world.started()) == 1
        assert len({each.run for each in world.box.sent if isinstance(each, RunReceipt)}) == 1


@pytest.mark.parametrize("fault", ["away", "full"])
async def test_a_run_is_not_forgotten_before_its_error_flow_is_started(fault: str) -> None:
    async with World() as world:
        if fault == "full":
            world.queue.room_for = 0
        launch, calls = world.launcher.launch, 0

        async def fail_once(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                world.queue.is_away = fault == "away"
            try:
                return await launch(*arguments, **more)
            finally:
                world.queue.is_away = False

        world.launcher.launch = fail_once  # type: ignore[method-assign]
        assert (await world.perform()).said == ["hand back"]
        assert world.box.sent == []
        world.queue.room_for = 9
        assert (await world.perform(deliveries=2)).said == ["finish"]
        assert len(world.started()) == 1


async def test_an_error_flow_that_fails_starts_none_also_when_two_name_each_other() -> None:
    async with World() as world:
        world.error_plan = make_plan(
            "  - {id: a, kind: fail}", flow="on-error", trigger="called", head="error_flow: flow", version=2
        )
        world.shelf.put(TENANT, world.error_plan.published.flow.id, world.error_plan.published)
        world.shelf.put(TENANT, world.plan.published.flow.id, world.plan.published)
        await world.perform(plan=world.plan, error_of="r" + "7" * 26)
        assert world.started() == []


@pytest.mark.parametrize("case", ["withdrawn", "webhook"])
async def test_an_error_flow_that_can_not_be_started_is_told(case: str) -> None:
    async with World(trigger="webhook" if case == "webhook" else "called") as world:
        if case == "withdrawn":
            world.shelf.put(TENANT, world.error_plan.published.flow.id, None)
        assert (await world.perform()).said == ["finish"]
        assert (world.started(), world.told) == ([], ["error_flow_missing"])


async def test_a_flow_that_answers_its_caller_starts_it_too() -> None:
    steps = CALL + "\n  - {id: b, kind: respond}"
    world = World(steps=steps)
    index = FlowIndex()
    index.changed(TENANT, world.plan.published.flow.id, world.plan.published)
    intake = Intake(
        index,
        world.shelf,
        world.launcher,
        world.runner,
        world.receipts,
        FakeClock(),
        FakeChance(),
        error_flows=world.error_flows,
    )
    event = RawEvent(tenant=TENANT, trigger=TriggerKind.WEBHOOK, body=b"{}", document={"c": SECRET}, hook=world.plan.published)
    admission = await intake.admit(event)
    assert (admission.verdict, admission.status) == (Verdict.ANSWERED, 502)
    assert [run.flow for run in world.started()] == ["on-error"]
