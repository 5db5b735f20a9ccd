"""The scheduler on a real database file: each tick once, none lost, none after its flow is gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from blubees.adapters.database import Database, open_database
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.errors import ConflictError, MissingError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Fire, Order
from blubees.model.receipt import Fired, LicenceState, TenantSeen
from blubees.model.schedule import Timing
from blubees.operations.schedules import ANSWER_MILLISECONDS, TRY_MILLISECONDS, Scheduler
from blubees.ports import ScheduleRow
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.machine import FakeChance, FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
FLOW = FlowId("tick")
START = 1_795_000_000_000  # a whole minute and 20 s
SCHEDULE = "{on: schedule, every_seconds: 60}"
JQL = "{on: schedule, every_seconds: 60, jql: project = A}"
POLL = (
    "{on: poll, every_seconds: 60, poll: {url: 'https://a.example/%s', items: '{{response.body}}', "
    "id: '{{item}}', cursor: '{{response.body.n}}'}}"
)


class FakeOrders:
    """Port OrderBox: the same name counts once; away as often as told."""

    def __init__(self) -> None:
        self.sent: dict[str, Fire] = {}
        self.away = 0

    async def send(self, order: Order, *, name: str) -> None:
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        assert isinstance(order, Fire)
        self.sent.setdefault(name, order)

    @property
    def orders(self) -> list[Fire]:
        return list(self.sent.values())


class World:
    """A control plane's parts around one database."""

    def __init__(self, database: Database) -> None:
        self.database, self.store = database, database.schedules
        self.clock, self.orders = FakeClock(START), FakeOrders()
        self.flows = FlowService(
            database.flows, FakeBoard(), Timetable(self.store, self.clock), self.clock, FakeChance(), load_book()
        )
        self.scheduler = self.build_scheduler()

    def build_scheduler(self) -> Scheduler:
        return Scheduler(self.store, self.orders, self.flows.mend_timetable, self.clock, lambda *_args, **_fields: None)

    async def publish(self, trigger: str, tenant: TenantId = A, flow: str = FLOW, steps: str = "{id: a, kind: stop}") -> int:
        await self.flows.save_draft(tenant, f"id: {flow}\nname: T\ntrigger: {trigger}\nsteps: [{steps}]\n")
        return (await self.flows.publish(tenant, FlowId(flow))).version

    async def install(self, tenant: TenantId, *, gone: bool = False) -> None:
        seen = TenantSeen(
            tenant=tenant,
            environment_id="e",
            environment_type="DEVELOPMENT",
            cloud_id="0" * 36,
            installation_id="i",
            licence=LicenceState.ACTIVE,
            seen_at_milliseconds=self.clock.now_milliseconds(),
            uninstalled=gone,
        )
        await self.database.tenants.record(seen)

    async def row(self, tenant: TenantId = A) -> ScheduleRow:
        found = await self.store.load(tenant, FLOW)
        assert found is not None
        return found

    def answer(self, order: Fire, failure: Failure | None = None, cursor: str = "") -> Fired:
        return Fired(
            tenant=order.tenant,
            flow=order.flow,
            version=order.version,
            due_milliseconds=order.due_milliseconds,
            runs=0 if failure else 1,
            cursor=cursor,
            is_last_try=order.is_last_try,
            failure=failure,
        )

    async def fire_and_answer(self, cursor: str = "") -> Fire:
        await self.scheduler.fire_due()
        await self.scheduler.note(self.answer(self.orders.orders[-1], cursor=cursor))
        return self.orders.orders[-1]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    made = World(database)
    for tenant in (A, B):
        await made.install(tenant)
    yield made
    await database.close()


async def test_ticks_come_on_their_times_and_each_knows_the_one_before(world: World) -> None:
    await world.publish(SCHEDULE)
    assert await world.scheduler.fire_due() == 0
    dues = []
    for seconds in (60.3, 60.4, 59.8):
        world.clock.advance(seconds)
        order = await world.fire_and_answer()
        dues.append((order.due_milliseconds - START, order.last_milliseconds and order.last_milliseconds - START))
        assert await world.scheduler.fire_due() == 0, "each once"
    assert dues == [(60_000, 0), (120_000, 60_000), (180_000, 120_000)], "no drift"


async def test_two_schedulers_on_one_database_fire_each_tick_once(world: World, tmp_path: Path) -> None:
    other_database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    other = Scheduler(other_database.schedules, world.orders, world.flows.mend_timetable, world.clock, lambda *_, **__: None)
    for number in range(10):
        await world.publish(SCHEDULE, flow=f"tick-{number}")
    sent = 0
    for _ in range(3):
        world.clock.advance(60)
        sent += sum(await asyncio.gather(*(each.fire_due() for each in (world.scheduler, other) * 3)))
        for order in world.orders.orders:
            await world.scheduler.note(world.answer(order))
    await other_database.close()
    assert sent == 30
    assert len({(each.flow, each.due_milliseconds) for each in world.orders.orders}) == 30
    assert all(name.endswith("|1") for name in world.orders.sent), "nothing was sent again"


async def test_a_tick_whose_order_could_not_be_sent_is_sent_later(world: World) -> None:
    await world.publish(SCHEDULE)
    world.orders.away = 2
    world.clock.advance(60)
    assert await world.scheduler.fire_due() == 0
    assert (await world.row()).claimed_due_milliseconds == START + 60_000
    for _ in range(2):
        world.clock.advance(2.1)
        await world.build_scheduler().fire_due()  # another control plane: the claim stands in the row, not in a process
    assert [each.due_milliseconds for each in world.orders.orders] == [START + 60_000]


async def test_a_tick_that_nobody_answers_is_ordered_again_and_later_ones_wait_and_become_one(world: World) -> None:
    await world.publish(SCHEDULE)
    world.clock.advance(60)
    await world.scheduler.fire_due()
    first = world.orders.orders[0]
    assert first.expires_at_milliseconds > world.clock.milliseconds + ANSWER_MILLISECONDS, "clocks may differ"
    world.clock.advance(29)
    assert await world.scheduler.fire_due() == 0
    for _ in range(10):
        world.clock.advance(31)
        await world.scheduler.fire_due()
    assert len(world.orders.orders) == 11
    assert {each.due_milliseconds for each in world.orders.orders} == {first.due_milliseconds}, "one at a time"
    await world.scheduler.note(world.answer(first))
    order = await world.fire_and_answer()
    assert (order.due_milliseconds - START, order.missed) == (360_000, 4)
    await world.scheduler.note(world.answer(first))  # a late second answer changes nothing
    assert (await world.row()).last_due_milliseconds == order.due_milliseconds


async def test_after_a_standstill_there_is_one_run_or_none(world: World) -> None:
    await world.publish(SCHEDULE)
    await world.publish("{on: schedule, every_seconds: 60, missed: skip}", tenant=B)
    world.clock.advance(3 * 3600 + 5)
    await world.fire_and_answer()
    assert [(each.tenant, each.missed) for each in world.orders.orders] == [(A, 179), (B, 179)], "B's newest is 5 s old"
    for order in world.orders.orders:
        await world.scheduler.note(world.answer(order))
    await world.publish("{on: schedule, every_seconds: 3600, missed: skip}", tenant=B)
    world.clock.advance(3 * 3600 + 600)
    await world.scheduler.fire_due()
    assert [each.tenant for each in world.orders.orders] == [A, B, A]
    assert (await world.row(B)).next_due_milliseconds > world.clock.milliseconds


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_clock_that_was_ahead_stops_no_schedule(world: World, is_answered: bool) -> None:
    await world.publish(SCHEDULE)
    world.clock.advance(3_600 + 5)
    await world.scheduler.fire_due()
    early = world.orders.orders[0]
    if is_answered:
        await world.scheduler.note(world.answer(early))
    world.clock.advance(-3_600)
    await world.scheduler.fire_due()
    if not is_answered:
        assert await world.scheduler.fire_due() == 1, "it is asked for again at once, and not when that clock's time comes"
        await world.scheduler.note(world.answer(early))
    dues = []
    for _ in range(61):
        world.clock.advance(60)
        await world.scheduler.fire_due()
        dues.append((await world.row()).claimed_due_milliseconds)
        await world.scheduler.note(world.answer(msgspec.structs.replace(early, due_milliseconds=dues[-1])))
    assert dues == [START + 60_000 * number for number in range(1, 62)], "each at its time"
    assert early.due_milliseconds in dues, "and the early one again, whose runs are known by it"
    second = next(order for order in world.orders.orders if order.due_milliseconds == START + 60_000)
    assert second.last_milliseconds <= START + 5_000, "what is searched since then is not searched since tomorrow"


async def test_what_is_not_live_or_not_installed_fires_nothing(world: World) -> None:
    await world.publish(SCHEDULE)
    await world.publish(SCHEDULE, tenant=B)
    await world.flows.withdraw(A, FLOW)
    assert await world.store.load(A, FLOW) is None
    world.clock.advance(60)
    await world.install(B, gone=True)
    assert await world.scheduler.fire_due() == 0
    world.clock.advance(60)
    await world.install(B)
    assert await world.scheduler.fire_due() == 1, "installed again, its schedule goes on"
    await world.publish("{on: webhook}", tenant=B)
    assert await world.store.load(B, FLOW) is None


async def test_a_new_version_keeps_the_phase_and_a_rollback_brings_the_old_times(world: World) -> None:
    await world.publish(SCHEDULE)
    world.clock.advance(50)
    assert await world.publish(SCHEDULE, steps="{id: b, kind: stop}") == 2
    assert ((await world.row()).next_due_milliseconds, (await world.row()).version) == (START + 60_000, 2)
    assert await world.publish("{on: schedule, every_seconds: 600}") == 3
    assert (await world.row()).next_due_milliseconds == START + 650_000
    await world.flows.rollback(A, FLOW, 1)
    assert ((await world.row()).next_due_milliseconds, (await world.row()).version) == (START + 110_000, 1)


async def test_a_tick_under_way_is_fired_for_the_version_that_replaces_its_own(world: World) -> None:
    await world.publish(SCHEDULE)
    world.clock.advance(60)
    await world.scheduler.fire_due()
    await world.publish(SCHEDULE, steps="{id: b, kind: stop}")
    await world.scheduler.note(world.answer(world.orders.orders[0]))  # of the old version: nobody waits for it
    await world.scheduler.fire_due()
    assert [(each.version, each.due_milliseconds - START) for each in world.orders.orders] == [(1, 60_000), (2, 60_000)]


async def test_a_crash_between_publishing_and_the_table_is_mended(world: World) -> None:
    await world.publish(SCHEDULE)
    await world.publish(SCHEDULE, steps="{id: b, kind: stop}")
    await world.store.put(msgspec.structs.replace(await world.row(), version=1))  # as if the second arrange had been lost
    await world.flows.post_all()
    assert (await world.row()).version == 2
    await world.store.put(msgspec.structs.replace(await world.row(), version=1))
    world.clock.advance(60)
    for _ in range(4):
        await world.scheduler.fire_due()
        world.clock.advance(31)
    assert world.orders.orders[-1].version == 2
    await world.database.flows.make_live(A, FLOW, 0, 1)  # withdrawn, and the table not told
    for _ in range(4):
        await world.scheduler.fire_due()
        world.clock.advance(31)
    assert await world.store.load(A, FLOW) is None


async def test_a_failing_search_is_tried_for_a_quarter_of_an_hour_and_then_told(world: World) -> None:
    await world.publish(JQL)
    world.clock.advance(60)
    await world.scheduler.fire_due()
    tries = 0
    while (await world.row()).claimed_due_milliseconds:
        order = world.orders.orders[-1]
        assert order.is_last_try is (world.clock.milliseconds - START - 60_000 >= TRY_MILLISECONDS)
        await world.scheduler.note(world.answer(order, Failure(code=FailureCode.CREDENTIAL_REFUSED, detail="no_app_token")))
        tries += 1
        assert (await world.row()).failures == tries
        assert (await world.row()).failure == "credential_refused"
        if (await world.row()).claimed_due_milliseconds:
            assert await world.scheduler.fire_due() == 0, "not at once"
            world.clock.milliseconds = (await world.row()).deadline_milliseconds
            assert await world.scheduler.fire_due() == 1
    assert 6 <= tries <= 12, "patiently"
    world.clock.advance(60)
    await world.fire_and_answer()
    assert ((await world.row()).failures, (await world.row()).failure) == (0, "")


async def test_a_poll_keeps_its_cursor_and_backs_off_when_it_fails(world: World) -> None:
    await world.publish(POLL % "items")
    assert await world.scheduler.fire_due() == 1, "at once"
    await world.scheduler.note(world.answer(world.orders.orders[-1], cursor="c-1"))
    world.clock.advance(60)
    busy = Failure(code=FailureCode.BUSY, http_status=429, retry_after_seconds=200)
    waits = []
    for failure in (busy, *[Failure(code=FailureCode.UNREACHABLE)] * 8):
        world.clock.milliseconds = (await world.row()).next_due_milliseconds - 1
        assert await world.scheduler.fire_due() == 0
        world.clock.milliseconds += 1
        assert await world.scheduler.fire_due() == 1
        assert world.orders.orders[-1].cursor == "c-1"
        await world.scheduler.note(world.answer(world.orders.orders[-1], failure, cursor="lost"))
        waits.append(((await world.row()).next_due_milliseconds - world.clock.milliseconds) // 1000)
    assert waits == [200, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert (await world.row()).cursor == "c-1"
    world.clock.milliseconds = (await world.row()).next_due_milliseconds
    await world.scheduler.fire_due()
    await world.scheduler.note(world.answer(world.orders.orders[-1]))
    assert ((await world.row()).cursor, (await world.row()).failures) == ("c-1", 0), "no new cursor: the old one stays"
    await world.publish(POLL % "items", steps="{id: b, kind: stop}")
    assert (await world.row()).cursor == "c-1", "the same question"
    await world.publish(POLL % "others")
    assert ((await world.row()).cursor, (await world.row()).last_due_milliseconds) == ("", 0)


async def test_an_operator_can_fire_at_once_but_not_twice_at_a_time(world: World) -> None:
    await world.publish(SCHEDULE)
    world.clock.advance(7)
    await world.scheduler.fire_now(A, FLOW)
    await world.scheduler.fire_due()
    assert [each.due_milliseconds for each in world.orders.orders] == [START + 7_000]
    with pytest.raises(ConflictError):
        await world.scheduler.fire_now(A, FLOW)
    await world.scheduler.note(world.answer(world.orders.orders[0]))
    assert (await world.row()).next_due_milliseconds == START + 60_000
    with pytest.raises(MissingError):
        await world.scheduler.fire_now(B, FLOW)


async def test_one_flows_trouble_is_not_the_others(world: World) -> None:
    await world.publish(SCHEDULE)
    broken = msgspec.structs.replace(await world.row(), flow=FlowId("broken"), timing=Timing(cron="no cron"))
    await world.store.put(msgspec.structs.replace(broken, next_due_milliseconds=START))
    world.clock.advance(60)
    assert await world.scheduler.fire_due() == 1
    assert [each.flow for each in world.orders.orders] == [FLOW]


async def test_rows_belong_to_one_tenant(world: World) -> None:
    await world.publish(SCHEDULE)
    row = await world.row()
    assert await world.store.load(B, FLOW) is None
    assert list(await world.store.list(B)) == []
    assert await world.store.swap(msgspec.structs.replace(row, tenant=B), row) is False
    await world.store.remove(B, FLOW)
    assert list(await world.store.list(A)) == [row]
    stale = msgspec.structs.replace(row, attempts=1)
    assert await world.store.swap(stale, row) is False
