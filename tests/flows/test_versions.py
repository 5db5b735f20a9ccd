"""What conduits know of a flow is what is kept of it, whoever posts at the same moment: two control planes, one database."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from blubees.adapters.database import Database, open_database
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.errors import ConflictError
from blubees.model.ids import FlowId
from blubees.model.settings import TenantSettings
from blubees.operations.settings import SettingsService
from blubees.steps.book import load_book
from fakes.boards import FakeBoard, FakeSettingsBoard
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock

FLOW = FlowId("greet")
HOOK = "webhook"


class World:
    """Two control planes on one database file and one broker."""

    def __init__(self, database: Database) -> None:
        self.database, self.board, self.settings_board = database, FakeBoard(), FakeSettingsBoard()
        self.here, self.there = self.build(), self.build()

    def build(self) -> FlowService:
        clock = FakeClock()
        timetable = Timetable(self.database.schedules, clock)
        return FlowService(self.database.flows, self.board, timetable, clock, FakeChance(), load_book())

    async def publish(self, service: FlowService, name: str) -> None:
        await service.save_draft(TENANT, f"id: {FLOW}\nname: {name}\ntrigger: {{on: {HOOK}}}\nsteps: [{{id: a, kind: stop}}]\n")
        await service.publish(TENANT, FLOW)

    async def known(self) -> tuple[int, str]:
        """The version and the webhook token's hash that conduits know; 0: none."""
        plan = (await self.board.find(TENANT, FLOW))[1]
        return (plan.version, plan.hook_token_hash) if plan is not None else (0, "")

    async def expected(self) -> tuple[int, str]:
        row = await self.here.load(TENANT, FLOW)
        return (row.live_version, row.hook_token_hash) if row.live_version else (0, "")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'flows.sqlite3'}")
    await database.prepare()
    made = World(database)
    for name in ("one", "two"):
        await made.publish(made.here, name)
    yield made
    await database.close()


Act = Callable[[World], Awaitable[object]]
ACTS: dict[str, Act] = {
    "publish": lambda world: world.publish(world.there, "three"),
    "roll back": lambda world: world.there.rollback(TENANT, FLOW, 1),
    "withdraw": lambda world: world.there.withdraw(TENANT, FLOW),
    "rotate": lambda world: world.there.rotate_hook(TENANT, FLOW),
}


@pytest.mark.parametrize("is_fresh", [True, False])
@pytest.mark.parametrize("act", ACTS)
async def test_whoever_starts_puts_nothing_older_over_what_another_changes_at_the_moment(
    world: World, act: str, *, is_fresh: bool
) -> None:
    if is_fresh:
        world.board.kept.clear()
    world.board.meanwhile = lambda: ACTS[act](world)
    await world.here.post_all()
    assert await world.known() == await world.expected()


@pytest.mark.parametrize("is_at_post", [True, False])
@pytest.mark.parametrize("mine", ["publish", "roll back", "withdraw", "rotate"])
@pytest.mark.parametrize("other", ACTS)
async def test_two_changes_at_a_moment_end_as_they_are_kept(world: World, mine: str, other: str, *, is_at_post: bool) -> None:
    async def act_too() -> None:
        world.here, world.there = world.there, world.here  # the same acts, by the other control plane
        with contextlib.suppress(ConflictError):  # nothing is live any more
            await ACTS[other](world)

    world.board.meanwhile, world.board.is_at_post = act_too, is_at_post
    await ACTS[mine](world)
    assert await world.known() == await world.expected()


async def test_who_starts_again_posts_nothing_that_is_there_so_that_earlier_versions_stay(world: World) -> None:
    before = len(world.board.posted)
    assert await world.here.post_all() == 1
    assert len(world.board.posted) == before
    world.board.kept.clear()
    assert await world.here.post_all() == 1
    assert len(world.board.posted) == before + 1


async def test_what_was_kept_and_not_posted_is_posted_at_the_next_start(world: World) -> None:
    await world.database.flows.make_live(TENANT, FLOW, 1, 5)  # and then the process died
    assert await world.known() != await world.expected()
    await world.there.post_all()
    assert await world.known() == await world.expected()


async def test_settings_are_told_as_they_are_kept_whoever_starts_at_the_moment(world: World) -> None:
    here, there = (SettingsService(world.database.settings, world.settings_board) for _ in range(2))
    await here.save(TenantSettings(tenant=TENANT, replay_hours=1))
    world.settings_board.posted.clear()
    world.settings_board.meanwhile = lambda: there.save(TenantSettings(tenant=TENANT, replay_hours=2))
    await here.post_all()
    assert world.settings_board.posted[-1].replay_hours == 2
    world.settings_board.meanwhile = lambda: there.save(TenantSettings(tenant=TENANT, replay_hours=3))
    await here.save(TenantSettings(tenant=TENANT, replay_hours=4))
    kept = await world.database.settings.load(TENANT)
    assert world.settings_board.posted[-1] == kept
