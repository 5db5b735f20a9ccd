"""Bulk work goes as fast as it can where a tenant is alone, and beside others only as fast as the event loop stays on time."""

import asyncio
from collections.abc import Iterator

import pytest

from blubees.engine import launch as launch_module
from blubees.engine import pace as pace_module
from blubees.engine.launch import Launcher
from blubees.engine.pace import ALONE, PIECES_LEAST, PIECES_MOST, Pace
from blubees.model.ids import TenantId
from blubees.ports import Lane, Put
from blubees.vault.seal import Sealer
from fakes.engine import FakeQueue, make_message
from fakes.machine import FakeChance, FakeClock

NOISY, QUIET = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


class TickClock(FakeClock):
    """Each tick's sleep takes TICK_SECONDS and what the loop is late; the rest takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def monotonic_seconds(self) -> float:
        return self.seconds


class World:
    """A pace whose ticks come at once, each as late as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.late, self.ticks = TickClock(), 0.0, 0
        self.pace = Pace(self.clock)
        self.with_company = True
        sleep = asyncio.sleep

        async def tick(seconds: float) -> None:
            self.ticks += 1
            self.clock.seconds += seconds + self.late
            if self.with_company:
                self.meet()
            await sleep(0)

        monkeypatch.setattr(asyncio, "sleep", tick)
        self.sleep = sleep

    def meet(self) -> None:
        self.pace.note(QUIET)
        self.pace.note(NOISY)

    async def begin(self, pieces: int) -> float:
        """Begin so many pieces; gives how many a tick that were."""
        before = self.ticks
        assert all(await asyncio.gather(*(self.pace.wait() for _ in range(pieces))))
        return pieces / max(1, self.ticks - before)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = World(monkeypatch)
    yield found
    found.with_company = False


async def test_a_tenant_that_is_alone_waits_for_nothing(world: World) -> None:
    for _ in range(100):
        world.pace.note(NOISY)
        assert await world.pace.wait()
    assert (world.ticks, world.pace.count()) == (0, ALONE)


async def test_beside_others_more_is_begun_as_long_as_the_loop_is_on_time(world: World) -> None:
    world.meet()
    first = await world.begin(20)
    await world.begin(3_000)
    assert first < 4
    assert await world.begin(1_000) == pytest.approx(PIECES_MOST, rel=0.2)


async def test_a_loop_that_is_late_slows_it_down_and_never_stops_it(world: World) -> None:
    world.meet()
    await world.begin(2_000)
    world.late = 0.01
    await world.begin(20)
    slow = await world.begin(50)
    assert slow == pytest.approx(PIECES_LEAST, rel=0.5)
    world.late = 0.0
    assert await world.begin(2_000) > 10 * slow


async def test_when_the_others_have_gone_all_that_waits_goes_on(world: World) -> None:
    world.meet()
    world.late = 0.01
    await world.begin(3)
    waiting = [asyncio.create_task(world.pace.wait()) for _ in range(500)]
    await world.sleep(0)
    world.with_company, world.late = False, pace_module.COMPANY_SECONDS
    assert all(await asyncio.gather(*waiting))
    assert world.pace.count() == ALONE


async def test_those_that_wait_take_turns(world: World) -> None:
    world.meet()
    order: list[int] = []

    async def go(number: int) -> None:
        await world.pace.wait()
        order.append(number)

    await asyncio.gather(*(go(number) for number in range(30)))
    assert order == sorted(order)


async def test_a_sender_for_whom_there_is_no_time_is_told_to_come_again_and_a_quiet_tenant_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(pace_module, "TICK_SECONDS", 1.0)
    monkeypatch.setattr(launch_module, "PROMPT_BURST", 2.0)
    queue, clock = FakeQueue(), FakeClock()
    launcher = Launcher(queue, Sealer(b"k" * 32, FakeChance()), b"d" * 32, clock, lambda _accepted: None)

    async def launch(tenant: TenantId, number: int) -> Put:
        message = make_message(number=number)
        message.tenant = tenant
        return await launcher.launch(message, delivery="")

    assert await launch(QUIET, 1) is Put.QUEUED
    noise = [await launch(NOISY, 10 + number) for number in range(3)]
    assert noise == [Put.QUEUED, Put.QUEUED, Put.FULL]
    assert await launch(QUIET, 2) is Put.QUEUED
    assert [lane for _, lane, _, _ in queue.put_runs] == [Lane.PROMPT] * 4
