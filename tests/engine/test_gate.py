"""The gate across conduits: one state for all, in the broker's memory; a run keeps its slot, whoever performs it."""

import asyncio
from typing import Any

import pytest

from blubees.engine import gate as gate_module
from blubees.engine.gate import Gate, Visit, choose_delay
from blubees.engine.journal import RunLostError
from blubees.engine.message import RunState
from blubees.expressions.errors import EvaluationError
from blubees.model.errors import UnavailableError
from blubees.model.receipt import StopReason
from fakes.engine import TENANT, FakeGates, make_message, make_plan
from fakes.machine import FakeClock

KEY = b"g" * 32
STOP = "  - {id: a, kind: stop}"


class World:
    """Two conduits at one broker."""

    def __init__(self, runs: str) -> None:
        self.plan, self.store, self.clock = make_plan(STOP, head=f"runs: {runs}"), FakeGates(), FakeClock()
        self.gates = [Gate(self.store, KEY, self.clock) for _ in range(2)]

    def visit(self, number: int, conduit: int = 0, body: bytes = b"{}", state: RunState | None = None) -> Visit:
        message = make_message(body, number=number)
        message.state = state or message.state
        return self.gates[conduit].visit(self.plan, message)

    async def come(self, number: int, conduit: int = 0, deliveries: int = 1, **more: Any) -> float | StopReason | None:
        return await self.visit(number, conduit, **more).enter(deliveries)

    async def go(self, number: int, conduit: int = 0) -> None:
        await self.visit(number, conduit).leave()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(gate_module, "HOLD_SECONDS", 0.02)


async def test_runs_in_two_conduits_wait_for_each_other() -> None:
    world = World("{mode: queued}")
    assert await world.come(1) is None
    assert await world.come(2, conduit=1) == choose_delay(0, 1)
    assert await world.come(3) == choose_delay(1, 1)
    await world.go(1)
    assert await world.come(3, deliveries=2) is not None
    assert await world.come(2, deliveries=2) is None, "the other conduit may go on with it"


async def test_a_run_that_is_taken_over_has_its_slot_still() -> None:
    world = World("{mode: single}")
    assert await world.come(1) is None
    assert await world.come(1, conduit=1, deliveries=2) is None
    assert await world.come(2) is StopReason.ALREADY_RUNNING
    await world.go(1, conduit=1)
    assert await world.come(3) is None


async def test_a_run_near_its_slot_waits_here_and_goes_on_when_another_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "LOOK_SECONDS", 30.0)
    monkeypatch.setattr(gate_module, "HOLD_SECONDS", 30.0)
    world = World("{mode: queued}")
    await world.come(1)
    waiting = asyncio.create_task(world.come(2))
    await asyncio.sleep(0.01)
    await world.go(1)
    async with asyncio.timeout(5):
        assert await waiting is None


def test_those_far_from_their_slot_and_those_that_asked_often_come_back_later() -> None:
    delays = [choose_delay(position, 1) for position in (0, 10, 100, 900)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.25, 5.0)
    assert choose_delay(0, 1) < choose_delay(0, 5) < choose_delay(0, 50) <= 5.0


async def test_runs_with_another_key_do_not_wait() -> None:
    world = World("{mode: queued, key: '{{webhookData.k}}'}")
    assert await world.come(1, body=b'{"k": 1}') is None
    assert await world.come(2, body=b'{"k": 2}') is None
    assert await world.come(3, body=b'{"k": "1"}') is not None
    names = " ".join(name for _, name in world.store.kept)
    assert "k" not in names
    assert b"webhookData" not in b"".join(data for _, data in world.store.kept.values())


async def test_a_key_that_can_not_be_worked_out_is_an_error_not_another_key() -> None:
    with pytest.raises(EvaluationError):
        World("""{mode: queued, key: '{{webhookData.k.left(webhookData.k)}}'}""").visit(1, body=b'{"k": "abc"}')


async def test_many_at_a_time_in_two_conduits_get_one_slot_each_in_turn() -> None:
    world = World("{mode: queued, most: 3, waiting: 200}")
    inside, most, ended = 0, 0, list[int]()

    async def perform(number: int) -> None:
        nonlocal inside, most
        deliveries = 1
        while (wait := await world.come(number, conduit=number % 2, deliveries=deliveries)) is not None:
            assert isinstance(wait, float)
            deliveries += 1
            await asyncio.sleep(wait / 100)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        await world.go(number, conduit=number % 2)
        ended.append(number)

    async with asyncio.timeout(20):
        await asyncio.gather(*(perform(number) for number in range(1, 41)))
    assert (most, len(ended)) == (3, 40)
    assert not world.gates[0]._locks


async def test_restart_tells_the_earlier_run_before_its_next_call() -> None:
    world = World("{mode: restart}")
    first = world.visit(1)
    assert await first.enter(1) is None
    assert await first.check() is None
    assert await world.come(2, conduit=1) is not None
    assert await first.check() is StopReason.RESTARTED
    await first.leave()
    assert await world.come(2, conduit=1, deliveries=2) is None
    assert await world.come(1, deliveries=2) is StopReason.RESTARTED


async def test_when_nobody_can_say_whether_to_stop_the_run_makes_no_call() -> None:
    world = World("{mode: restart}")
    first = world.visit(1)
    await first.enter(1)
    world.store.away = 1
    with pytest.raises(RunLostError):
        await first.check()


@pytest.mark.parametrize("fault", ["away", "unconfirmed"])
async def test_a_broker_that_does_not_confirm_loses_no_slot_and_gives_none_twice(fault: str) -> None:
    world = World("{mode: queued}")
    setattr(world.store, fault, 1)
    with pytest.raises(UnavailableError):
        await world.come(1)
    assert await world.come(1, deliveries=2) is None
    assert await world.come(2, conduit=1) is not None
    setattr(world.store, fault, 1)
    with pytest.raises(UnavailableError):
        await world.go(1)
    await world.go(1)
    assert await world.come(2, conduit=1, deliveries=2) is None


async def test_above_the_rate_runs_come_back_at_their_time_and_only_then() -> None:
    world = World("{rate: {count: 2, per_seconds: 10}}")
    assert [await world.come(number, conduit=number % 2) for number in (1, 2, 3, 4)] == [None, None, 5.0, 10.0]
    assert await world.come(3, deliveries=2) == 5.0, "brought again early, it keeps its time"
    world.clock.advance(5)
    assert await world.come(3, conduit=1, deliveries=3) is None
    assert await world.come(4, deliveries=2) == 5.0
    world.clock.advance(5)
    assert await world.come(4, deliveries=3) is None


async def test_a_run_that_waits_for_a_slot_pays_the_rate_once() -> None:
    world = World("{mode: queued, rate: {count: 1, per_seconds: 10}}")
    assert await world.come(1) is None
    assert await world.come(2) == 10.0
    world.clock.advance(10)
    assert await world.come(2, deliveries=2) == choose_delay(0, 2), "now it waits for the slot"
    assert await world.come(2, deliveries=3) == choose_delay(0, 3)
    world.clock.advance(10)
    assert await world.come(3) == choose_delay(1, 1)


async def test_a_run_that_was_begun_pays_no_rate_and_is_not_refused() -> None:
    world = World("{mode: single, rate: {count: 1, per_seconds: 10}}")
    assert await world.come(1) is None
    begun = RunState(done={"a": 1})
    assert await world.come(2, state=begun) == choose_delay(0, 1)


async def test_a_run_whose_flow_is_not_known_any_more_is_let_out() -> None:
    world = World("{mode: single, key: '{{webhookData.k}}'}")
    await world.come(1, body=b'{"k": 1}')
    await world.gates[1].let_out(TENANT, make_message(number=1).run)
    await world.gates[1].let_out(TENANT, make_message(number=7).run)
    assert await world.come(2, body=b'{"k": 1}') is None


async def test_nothing_is_left_when_all_have_gone() -> None:
    world = World("{mode: queued, rate: {count: 9, per_seconds: 1}}")
    for number in (1, 2):
        await world.come(number)
        await world.go(number)
    runs = [name for _, name in world.store.kept if name.startswith("r0")]
    assert runs == []
    assert len(world.store.kept) == 2, "the gate and the rate of the flow"
