"""Parked runs that are woken again: when the brokers have lost their memory meanwhile, and when a clock was ahead."""

from pathlib import Path

import pytest

from blubees.engine.message import RunMessage
from blubees.engine.runner import Ended, Parked
from blubees.model.parking import SlotVerdict, WaitKind
from blubees.ports import ParkedStatus
from fakes.engine import TENANT, make_message
from fakes.parked_world import ParkedWorld, park_world

STEPS = """\
  - {id: first, kind: http, with: {url: "https://a.example.com/first"}}
  - {id: pause, kind: wait, with: {days: 2}}
  - {id: last, kind: http, with: {url: "https://a.example.com/last", method: POST}}"""
DAYS = 2 * 86_400


def lose_memory(world: ParkedWorld) -> None:
    """All brokers die, and all conduits with them."""
    world.queue.epochs = [world.queue.epochs[-1] + 1]
    world.queue.deliveries.clear()
    world.store.kept.clear()
    world.orders.given.clear()


async def expect_doubt(world: ParkedWorld, run: RunMessage) -> None:
    before = list(world.asked)
    end = await world.perform(run)
    assert isinstance(end, Parked)
    assert [(wait.step, wait.kind) for wait in end.waits] == [("last", WaitKind.DOUBT)]
    assert world.asked == before, "an unsafe call is not made again unasked"
    assert await world.parker.park(end.message, end.waits) is None
    await world.service.answer_doubt(TENANT, run.run, "skip")
    (woken,) = await world.carry_out()
    assert isinstance(await world.perform(woken), Ended)
    assert world.asked == before


async def test_a_run_that_went_on_and_is_lost_asks_before_it_makes_an_unsafe_call_again(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        await world.wake(DAYS)
        assert world.asked == ["first", "last"]
        lose_memory(world)
        assert await world.service.wake_if_parked(TENANT, make_message().run)
        (run,) = await world.carry_out()
        await expect_doubt(world, run)


async def test_so_does_one_of_which_nobody_heard_that_it_went_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})

        async def hear_nothing(_request: object) -> SlotVerdict:
            return SlotVerdict.UNAVAILABLE

        with monkeypatch.context() as patched:
            patched.setattr(world.desk, "tell", hear_nothing)
            await world.wake(DAYS)
        lose_memory(world)
        world.clock.advance(30)
        await world.service.wake_due()  # sooner than anybody looks for runs that are missing
        (run,) = await world.carry_out()
        await expect_doubt(world, run)


async def test_one_that_had_not_gone_on_is_in_no_doubt(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        world.clock.advance(DAYS)
        await world.service.wake_due()
        lose_memory(world)  # with the order
        assert await world.service.wake_if_parked(TENANT, make_message().run)
        world.clock.advance(30)
        await world.service.wake_due()
        (run,) = await world.carry_out()
        assert isinstance(await world.perform(run), Ended)
        assert world.asked == ["first", "last"]


async def test_the_next_parking_begins_without_doubt(tmp_path: Path) -> None:
    steps = f"{STEPS}\n  - {{id: again, kind: wait, with: {{days: 2}}}}\n{STEPS.splitlines()[-1].replace('last', 'end')}"
    async with park_world(tmp_path, steps) as world:
        await world.start({})
        end = await world.wake(DAYS)
        assert isinstance(end, Parked)
        assert await world.parker.park(end.message, end.waits) is None
        lose_memory(world)  # while it waits
        assert await world.service.wake_if_parked(TENANT, make_message().run)
        assert isinstance(await world.wake(DAYS), Ended)
        assert world.asked == ["first", "last", "end"]


async def test_memory_that_is_lost_while_the_run_is_queued_tells_that_nobody_heard_of_it(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        world.clock.advance(DAYS)
        await world.service.wake_due()
        world.queue.epochs = [1, 2]
        with pytest.raises(Exception, match="lost their memory"):
            await world.carry_out()
        row = await world.database.parked.load(TENANT, make_message().run)
        assert row is not None
        assert row.status is ParkedStatus.WAKING, "the order is given again"


async def test_an_order_that_was_noted_by_a_clock_that_was_ahead_is_given_again_all_the_same(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        world.clock.advance(DAYS + 3_600)
        await world.service.wake_due()
        world.clock.advance(-3_600)
        world.orders.given.clear()  # it was lost
        await world.service.wake_due()
        (run,) = await world.carry_out()
        assert isinstance(await world.perform(run), Ended)
