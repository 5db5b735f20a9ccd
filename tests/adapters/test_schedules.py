"""Schedules in real databases of both kinds and through a real broker: one claim wins, one order is carried out, one tick is noted."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from blubees.adapters.broker.orders import NatsOrders
from blubees.adapters.broker.receipts import NatsReceiptBox
from blubees.adapters.database import Database, open_database
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Fire, Order
from blubees.model.receipt import Fired, LicenceState, TenantSeen
from blubees.model.schedule import Missed, Timing
from blubees.operations.schedules import Scheduler
from blubees.ports import ScheduleRow
from fakes.brokers import Brokers
from fakes.machine import FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NOW = 1_795_000_000_000


def row(tenant: TenantId = A, flow: str = "tick", **changes: object) -> ScheduleRow:
    made = ScheduleRow(
        tenant=tenant,
        flow=FlowId(flow),
        version=1,
        timing=Timing(cron="30 2 * * *", time_zone="Europe/Berlin", missed=Missed.SKIP),
        anchor_milliseconds=NOW,
        next_due_milliseconds=NOW,
        cursor="c:1",
    )
    return msgspec.structs.replace(made, **changes)


def seen(tenant: TenantId, *, gone: bool = False) -> TenantSeen:
    return TenantSeen(
        tenant=tenant,
        environment_id="e",
        environment_type="DEVELOPMENT",
        cloud_id="0" * 36,
        installation_id="i",
        licence=LicenceState.ACTIVE,
        seen_at_milliseconds=NOW,
        uninstalled=gone,
    )


async def test_rows_are_kept_as_they_are_and_belong_to_one_tenant(database: Database) -> None:
    store = database.schedules
    await store.put(row())
    await store.put(row(B, next_due_milliseconds=NOW - 1))
    await store.put(row(flow="other", next_due_milliseconds=NOW + 1))
    assert await store.load(A, FlowId("tick")) == row()
    assert [each.flow for each in await store.list(A)] == ["other", "tick"]
    await store.put(row(version=2))
    assert await store.load(A, FlowId("tick")) == row(version=2)
    await store.remove(B, FlowId("other"))
    assert len(await store.list(A)) == 2
    await store.remove(A, FlowId("tick"))
    assert await store.load(A, FlowId("tick")) is None
    assert await store.load(B, FlowId("tick")) is not None


async def test_what_is_due_is_listed_for_all_installed_tenants_the_longest_due_first(database: Database) -> None:
    store = database.schedules
    for tenant in (A, B):
        await database.tenants.record(seen(tenant))
    claimed: dict[str, Any] = {"claimed_due_milliseconds": NOW - 9, "next_due_milliseconds": NOW + 9}
    await store.put(row(next_due_milliseconds=NOW - 1))
    await store.put(row(B, next_due_milliseconds=NOW - 2))
    await store.put(row(flow="not-yet", next_due_milliseconds=NOW + 1))
    await store.put(row(flow="unanswered", deadline_milliseconds=NOW, **claimed))
    await store.put(row(flow="under-way", deadline_milliseconds=NOW + 1, **claimed))
    listed = [(each.tenant, each.flow) for each in await store.list_due(NOW, ahead_milliseconds=NOW, limit=9)]
    assert listed == [(B, "tick"), (A, "tick"), (A, "unanswered")]
    assert len(await store.list_due(NOW, ahead_milliseconds=NOW, limit=1)) == 1
    assert [each.flow for each in await store.list_due(0, ahead_milliseconds=NOW, limit=9)] == []
    await store.put(row(flow="ahead", next_due_milliseconds=NOW + 9, claimed_at_milliseconds=NOW + 1))
    assert [each.flow for each in await store.list_due(0, ahead_milliseconds=NOW, limit=9)] == ["ahead"]
    await store.remove(A, FlowId("ahead"))
    await database.tenants.record(seen(B, gone=True))
    assert [each.tenant for each in await store.list_due(NOW, ahead_milliseconds=NOW, limit=9)] == [A, A]


async def test_of_many_that_swap_at_a_time_one_wins(database: Database) -> None:
    store, before = database.schedules, row()
    await store.put(before)
    claims = [msgspec.structs.replace(before, claimed_due_milliseconds=NOW, claimed_at_milliseconds=each) for each in range(12)]
    won = await asyncio.gather(*(store.swap(before, claim) for claim in claims))
    assert won.count(True) == 1
    assert await store.load(A, FlowId("tick")) == claims[won.index(True)]


async def test_two_control_planes_and_two_conduits_carry_out_each_tick_once(brokers: Brokers, tmp_path: Path) -> None:
    databases = [await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}") for _ in range(2)]
    await databases[0].prepare()
    await databases[0].tenants.record(seen(A))
    clock, carried_out = FakeClock(NOW), list[tuple[str, int]]()
    noted, noted_one = set[tuple[str, int]](), asyncio.Event()
    timing = Timing(every_seconds=60)
    for number in range(4):
        await databases[0].schedules.put(row(flow=f"tick-{number}", timing=timing, next_due_milliseconds=NOW + 60_000))

    async def mend(_tenant: TenantId, _flow: FlowId) -> None:
        """All is in step."""

    schedulers = [
        Scheduler(each.schedules, NatsOrders(brokers.control), mend, clock, lambda *_args, **_fields: None)
        for each in databases
    ]
    box = NatsReceiptBox(brokers.conduit)

    async def perform(order: Order) -> None:
        assert isinstance(order, Fire)
        carried_out.append((order.flow, order.due_milliseconds))
        fired = Fired(tenant=order.tenant, flow=order.flow, version=order.version, due_milliseconds=order.due_milliseconds)
        await box.send([fired])

    async def note() -> None:
        async for receipts, _, finish in NatsReceiptBox(brokers.control).collect():
            for receipt in receipts:
                assert isinstance(receipt, Fired)
                await schedulers[0].note(receipt)
                noted.add((receipt.flow, receipt.due_milliseconds))
            noted_one.set()
            await finish()

    tasks = [asyncio.create_task(NatsOrders(brokers.conduit).supply(perform)) for _ in range(2)]
    tasks.append(asyncio.create_task(note()))
    for turn in range(1, 4):
        clock.milliseconds = NOW + turn * 60_000
        await asyncio.gather(*(each.fire_due() for each in schedulers))
        async with asyncio.timeout(20):
            while len(noted) < 4 * turn:
                await noted_one.wait()
                noted_one.clear()
    assert {each.last_due_milliseconds for each in await databases[0].schedules.list(A)} == {clock.milliseconds}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in databases:
        await each.close()
    assert sorted(carried_out) == sorted((f"tick-{number}", NOW + turn * 60_000) for number in range(4) for turn in (1, 2, 3))
