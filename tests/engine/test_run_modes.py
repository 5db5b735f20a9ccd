"""Run modes in two workers at one queue: what a third party sees, and what the receipts say."""

import asyncio
import json

import msgspec
import pytest

from blubees.engine import gate as gate_module
from blubees.engine import work as work_module
from blubees.engine.gate import Gate
from blubees.engine.message import RunMessage, seal_run
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.parking import Answered, WaitEnd
from blubees.model.receipt import RunOutcome, RunReceipt, StopReason
from blubees.ports import Lane
from fakes.engine import (
    TENANT,
    FakeGates,
    FakeLine,
    FakeTaken,
    make_message,
    make_plan,
    make_shelf,
)
from fakes.machine import FakeClock
from fakes.workbench import SEALER, Workbench, until

CALLS = "\n".join(
    f"  - {{id: {name}, kind: http, with: {{method: PUT, url: 'https://a.example.com/{name}-{{{{webhookData.n}}}}'}}}}"
    for name in ("one", "two")
)


class Taken(FakeTaken):
    """Comes again when it is handed back, ten times as soon as told."""

    def __init__(self, world: "World", sealed: bytes, deliveries: int) -> None:
        super().__init__(TENANT, sealed, deliveries)
        self._world = world

    async def hand_back(self, after_seconds: float = 0.0) -> None:
        self.said.append(f"hand back {after_seconds}")
        again = Taken(self._world, self.sealed, self.deliveries + 1)
        asyncio.get_running_loop().call_later(after_seconds / 10, self._world.queue.give[Lane.PROMPT].append, again)


class World(Workbench):
    """Two workers, and a third party whose answers wait until they are let go."""

    def __init__(self, runs: str, steps: str = CALLS) -> None:
        self.plan = make_plan(steps, head=f"runs: {runs}")
        super().__init__(self.plan)
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        gates = FakeGates()
        self.workers = [self.make_worker(self.open_line, gate=Gate(gates, b"g" * 32, FakeClock())) for _ in range(2)]

    def open_line(self, _tenant: str) -> FakeLine:
        world = self

        class Line(FakeLine):
            async def call(self, call: Call) -> CallAnswer | Failure:
                world.asked.append(call.url.rpartition("/")[2])
                await world.go_on.wait()
                return await super().call(call)

        return Line(lambda _call: CallAnswer(status=200, headers={"content-type": "application/json"}, body=b"{}"))

    def start(self, *numbers: int) -> None:
        for number in numbers:
            message = make_message(json.dumps({"n": number}).encode(), number=number)
            self.queue.give[Lane.PROMPT].append(Taken(self, seal_run(message, SEALER), 1))

    def receipt(self, number: int) -> RunReceipt | None:
        found = [each for each in self.box.sent if isinstance(each, RunReceipt) and each.run == f"r{number:026d}"]
        assert len(found) < 2
        return found[0] if found else None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(gate_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(gate_module, "HOLD_SECONDS", 0.02)


async def test_queued_runs_follow_each_other() -> None:
    async with World("{mode: queued}") as world:
        world.start(1, 2, 3, 4, 5)
        await until(lambda: world.asked)
        await asyncio.sleep(0.1)
        assert len(world.asked) == 1
        world.go_on.set()
        await until(lambda: all(world.receipt(number) for number in range(1, 6)))
        numbers = [name[-1] for name in world.asked]
        assert len(world.asked) == 10
        assert all(numbers[place] == numbers[place + 1] for place in range(0, 10, 2)), (
            "one run's calls are never among another's"
        )


async def test_a_single_run_is_alone_and_the_others_are_told_why() -> None:
    async with World("{mode: single}") as world:
        world.start(1)
        await until(lambda: world.asked)
        world.start(2, 3)
        await until(lambda: world.receipt(2) and world.receipt(3))
        second = world.receipt(2)
        assert second is not None
        assert (second.outcome, second.reason, second.steps) == (RunOutcome.STOPPED, StopReason.ALREADY_RUNNING, ())
        world.go_on.set()
        await until(lambda: world.receipt(1))
        world.start(4)
        await until(lambda: world.receipt(4))
        assert world.asked == ["one-1", "two-1", "one-4", "two-4"]


async def test_restart_stops_the_earlier_run_before_its_next_call() -> None:
    async with World("{mode: restart}") as world:
        world.start(1)
        await until(lambda: world.asked)
        world.start(2)
        await asyncio.sleep(0.1)
        assert world.asked == ["one-1"], "the later one waits until the call under way has ended"
        world.go_on.set()
        await until(lambda: world.receipt(2))
        assert world.asked == ["one-1", "one-2", "two-2"]
        await until(lambda: world.receipt(1))
        first = world.receipt(1)
        assert first is not None
        assert (first.outcome, first.reason) == (RunOutcome.STOPPED, StopReason.RESTARTED)
        assert [step.step for step in first.steps] == ["one"]


async def test_too_many_that_wait_are_told() -> None:
    async with World("{mode: queued, waiting: 0}") as world:
        world.start(1)
        await until(lambda: world.asked)
        world.start(2)
        await until(lambda: world.receipt(2))
        second = world.receipt(2)
        assert second is not None
        assert second.reason is StopReason.TOO_MANY_WAITING
        world.go_on.set()


async def test_a_key_that_can_not_be_worked_out_fails_the_run() -> None:
    async with World("""{mode: queued, key: '{{trigger.k.left(trigger.k)}}'}""") as world:
        world.queue.give[Lane.PROMPT].append(Taken(world, seal_run(make_message(b'{"k": "abc"}'), SEALER), 1))
        await until(lambda: world.receipt(1))
        failed = world.receipt(1)
        assert failed is not None
        assert failed.failure == Failure(code=FailureCode.TEMPLATE_FAILED, field="runs.key", detail="bad_argument")
        assert world.asked == []


async def test_a_run_that_waits_gives_its_slot_back_and_waits_for_one_when_it_wakes_up() -> None:
    steps = CALLS.replace("{id: two,", "{id: wait, kind: wait, with: {days: 1}}\n  - {id: two,")
    async with World("{mode: single, key: '{{webhookData.k}}'}", steps) as world:
        parked: list[RunMessage] = []

        async def park(message: RunMessage, _waits: object) -> None:
            parked.append(message)

        for worker in world.workers:
            worker._parker.park = park  # type: ignore[method-assign,assignment]
        world.start(1)
        await until(lambda: world.asked)
        world.go_on.set()
        await until(lambda: parked)
        world.go_on.clear()
        world.start(2)
        await until(lambda: "one-2" in world.asked)
        (woken,) = parked
        end = Answered(path="wait", end=WaitEnd.DUE, at_milliseconds=1)
        woken.state = msgspec.structs.replace(woken.state, answers={"wait": end})
        world.queue.give[Lane.PROMPT].append(Taken(world, seal_run(woken, SEALER), 1))
        await asyncio.sleep(0.1)
        assert (world.asked, world.receipt(1)) == (["one-1", "one-2"], None), "it waits, and is not turned away"
        world.go_on.set()
        await until(lambda: world.receipt(1))
        assert world.asked == ["one-1", "one-2", "two-1"]


async def test_a_run_whose_flow_is_gone_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "PLAN_WAIT_DELIVERIES", 2)
    async with World("{mode: single}") as world:
        world.start(1)
        await until(lambda: world.asked)
        for worker in world.workers:
            worker._shelf = make_shelf()
        world.queue.give[Lane.PROMPT].append(Taken(world, seal_run(make_message(b'{"n": 1}', number=1), SEALER), 2))
        await until(lambda: world.receipt(1))
        gone = world.receipt(1)
        assert gone is not None
        assert gone.failure is not None
        assert gone.failure.code is FailureCode.PLAN_MISSING
        for worker in world.workers:
            worker._shelf = make_shelf(world.plan)
        world.start(2)
        await until(lambda: "one-2" in world.asked)
