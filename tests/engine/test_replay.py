"""A failed run goes on from its failed step with what it held; a cancelled one makes no further call."""

import pytest

from blubees.engine.cancelled import CancelledRuns
from blubees.engine.journal import Journal
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, open_run
from blubees.engine.replay import ReplayDesk
from blubees.engine.runner import Ended, Runner
from blubees.model.errors import UnavailableError
from blubees.model.failures import FailureCode
from blubees.model.ids import RunId, TenantId
from blubees.model.order import DoubtChoice, Retry
from blubees.model.receipt import Receipt, RunAccepted, RunOutcome, RunReceipt, StepOutcome, StopReason
from blubees.model.settings import TenantSettings
from fakes.engine import TENANT, FakeQueue, make_message
from fakes.machine import FakeClock
from fakes.world import SEALER, World, http

CHAIN = "\n".join(f"  - {http(name, name)}" for name in "abc")


class Replays(World):
    """A world with a desk for failed runs."""

    def __init__(self, steps: str, hours: float = 1.0) -> None:
        super().__init__(steps)
        self.queue, self.told, self.accepted = FakeQueue(), list[Receipt](), list[RunAccepted]()
        self.kept: dict[tuple[TenantId, RunId], bytes] = {}
        self.seconds: list[int] = []
        self.kept_until, self.has_room = 0, True
        launcher = Launcher(self.queue, SEALER, b"d" * 32, FakeClock(), self.accepted.append)
        self.desk = ReplayDesk(
            self,
            SEALER,
            lambda tenant: TenantSettings(tenant=tenant, replay_hours=hours),
            launcher,
            self.told.append,
            FakeClock(),
            lambda *_args, **_fields: None,
        )

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, seconds: int) -> bool:
        self.kept[tenant, run] = sealed
        self.seconds.append(seconds)
        return self.has_room

    async def load(self, tenant: TenantId, run: RunId) -> bytes | None:
        return self.kept.get((tenant, run))

    async def perform(self, message: RunMessage) -> Ended:
        journal = Journal(self.store, SEALER, FakeClock(), message)
        end = await Runner(FakeClock(), self.open_line).perform(self.plan, message, journal=journal)
        assert isinstance(end, Ended)
        if end.failed is not None:
            await self.desk.keep(end.failed)
        await journal.drop()
        return end

    async def fail(self) -> RunReceipt:
        end = await self.run_once(1)
        assert end.failed is not None
        self.kept_until = await self.desk.keep(end.failed)
        return end.receipt

    async def retry(self, choice: DoubtChoice = DoubtChoice.NONE, relaunches: int = 1) -> Ended:
        await self.desk.carry_out(order(choice, relaunches))
        message = open_run(TENANT, self.queue.put_runs[-1][2], SEALER)
        return await self.perform(message)


def order(choice: DoubtChoice = DoubtChoice.NONE, relaunches: int = 1) -> Retry:
    plan = World(CHAIN).plan.published
    return Retry(
        tenant=TENANT,
        flow=plan.flow.id,
        version=1,
        run=f"r{1:026d}",
        trigger=plan.flow.trigger.on,
        accepted_at_milliseconds=1,
        relaunches=relaunches,
        choice=choice,
    )


async def test_it_goes_on_from_the_failed_step_as_often_as_it_is_told() -> None:
    world = Replays(CHAIN)
    world.fails["b"] = 400
    assert (await world.fail()).failed_step == "b"
    assert (world.seconds, world.kept_until) == ([3_600], FakeClock().now_milliseconds() + 3_600_000)
    again = await world.retry()
    assert (again.receipt.outcome, again.receipt.relaunches) == (RunOutcome.FAILED, 1)
    world.fails.clear()
    end = await world.retry(relaunches=2)
    assert (end.receipt.outcome, end.receipt.relaunches, end.receipt.run) == (RunOutcome.FINISHED, 2, f"r{1:026d}")
    assert world.asked == ["a", "b", "b", "b", "c"]
    assert [(step.step, step.outcome) for step in end.receipt.steps] == [(name, StepOutcome.DONE) for name in "abc"]
    assert [each.relaunches for each in world.accepted] == [1, 2]


async def test_it_holds_only_what_is_still_read_and_nothing_when_the_tenant_does_not_want_it() -> None:
    reading = f"  - {http('a', 'a')}\n  - {http('b', 'b')}\n  - {http('c', '{{steps.b.body.name}}')}\n"
    world = Replays(reading)
    world.fails["b"] = 400
    end = await world.run_once(1)
    assert end.failed is not None
    assert (end.failed.body, end.failed.scope) == (b"", {})
    assert end.failed.state.done == {"a": None}
    unwanted = Replays(CHAIN, hours=0)
    unwanted.fails["b"] = 400
    await unwanted.fail()
    assert (unwanted.kept, unwanted.kept_until) == ({}, 0)
    too_large = Replays(CHAIN)
    too_large.fails["b"], too_large.has_room = 400, False
    await too_large.fail()
    assert too_large.kept_until == 0


async def test_the_order_counts_once_and_what_is_gone_is_told() -> None:
    world = Replays(CHAIN)
    world.fails["b"] = 400
    await world.fail()
    for _ in range(2):
        await world.desk.carry_out(order())
    assert len(world.queue.put_runs) == 1
    kept = dict(world.kept)
    world.kept.clear()
    await world.desk.carry_out(order(relaunches=2))
    (told,) = world.told
    assert isinstance(told, RunReceipt)
    assert told.failure is not None
    assert told.failure.code is FailureCode.REPLAY_GONE
    world.queue.room_for = 0
    world.kept |= kept
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(order(relaunches=3))


@pytest.mark.parametrize(("choice", "asked"), [(DoubtChoice.AGAIN, ["a", "post", "c"]), (DoubtChoice.SKIP, ["a", "c"])])
async def test_a_step_in_doubt_is_made_again_or_skipped_as_the_operator_says(choice: DoubtChoice, asked: list[str]) -> None:
    post = http("post", "post", "method: POST")[:-1] + ", on_doubt: fail}"
    flow = f"  - {http('a', 'a')}\n  - {post}\n  - {http('c', 'c')}"
    world = Replays(flow)
    end = await world.run(dies_at="post")
    assert end.failed is not None
    await world.desk.keep(end.failed)
    assert end.receipt.failure is not None
    assert end.receipt.failure.code is FailureCode.IN_DOUBT
    assert (await world.retry(choice)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == asked
    lost = Replays(flow)
    message = make_message(lost.body)
    message.is_redriven = True
    assert (await lost.perform(message)).receipt.failed_step == "post"
    assert (await lost.retry(choice)).receipt.outcome is RunOutcome.FINISHED
    assert lost.asked == asked


async def test_a_try_that_failed_while_catching_catches_again() -> None:
    steps = f"""
  - id: block
    kind: try
    branches:
      - {{name: try, steps: [{http("t", "t")}]}}
      - {{name: catch, steps: [{http("u", "u")}]}}
      - {{name: finally, steps: [{http("f", "f")}]}}
  - {http("z", "z")}"""
    world = Replays(steps)
    world.fails |= {"t": 400, "u": 400}
    await world.fail()
    assert world.asked == ["t", "u", "f"]
    world.fails.clear()
    assert (await world.retry()).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["t", "u", "f", "u", "z"]


async def test_a_loop_goes_on_in_the_turn_that_failed() -> None:
    inner = http("post", "{{item}}", "method: PUT")
    loop = f"  - {{id: loop, kind: each, with: {{items: '{{{{webhookData.items}}}}'}}, branches: [{{steps: [{inner}]}}]}}"
    world = Replays(loop)
    world.fails["b"] = 400
    await world.fail()
    world.fails.clear()
    assert (await world.retry()).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["a", "b", "b", "c"]


async def test_a_cancelled_run_makes_no_further_call_and_says_so() -> None:
    world, cancelled = World(CHAIN), CancelledRuns()
    message = make_message(world.body)

    async def check() -> StopReason | None:
        if world.asked:
            cancelled.learn(TENANT, message.run)
        return StopReason.CANCELLED if cancelled.has(TENANT, message.run) else None

    end = await Runner(FakeClock(), world.open_line).perform(world.plan, message, guard=check)
    assert isinstance(end, Ended)
    assert (end.receipt.outcome, end.receipt.reason) == (RunOutcome.CANCELLED, StopReason.CANCELLED)
    assert world.asked == ["a"]
