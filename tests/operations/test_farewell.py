"""A site that uninstalls the app is shredded: at once, told in the trail, and gone on with wherever the process was killed."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.main.control_plane import ReceiptKeeper
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal
from blubees.model.errors import TamperedError
from blubees.model.grant import Grant
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.receipt import LicenceState, TenantSeen
from blubees.operations.audit import AuditLog
from blubees.operations.farewell import Farewell
from blubees.operations.tenants import TenantService
from blubees.operations.vault_keys import VaultKeys
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.rotation import Rotation
from blubees.vault.run_keys import RunKeys
from blubees.vault.secrets import VaultService
from fakes.boards import FakeBoard
from fakes.dying import Dying, KilledError
from fakes.engine import FakeBox
from fakes.machine import FakeChance, FakeClock
from fakes.vault_rows import make_parked_row

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NAME, RUN = ConnectionName("crm"), RunId("r" + "1" * 26)
WRITES = {"leave", "shred", "rewrap", "renew", "retire"}


class World:
    """A control plane's vault; two sites with a connection, a grant and a parked run each."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.file, self.clock, self.chance = database, folder / "local.key", FakeClock(), FakeChance()
        self.told: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.writes = self.dies_before = self.dies_after = 0
        self.provider = LocalKeyProvider(self.file)
        keys, tenants, provider = (
            Dying(each, self, WRITES) for each in (self.database.keys, self.database.tenants, self.provider)
        )
        self.keyring = Keyring(keys, provider, self.chance, self.clock)
        self.vault = VaultService(self.database.connections, self.keyring, self.clock, self.chance)
        log = AuditLog(self.database.audit, self.clock, self.chance)
        rotation = Rotation(keys, self.database.connections, self.keyring, provider, self.vault, self.chance, self.clock)
        vault_keys = VaultKeys(keys, self.keyring, provider, rotation, self.clock, log)
        self.farewell = Farewell(tenants, keys, self.keyring, provider, vault_keys, log, self.clock, self.note)

    def note(self, event: str, /, **_fields: object) -> None:
        self.told.append(event)

    async def install(self, tenant: TenantId) -> None:
        await self.database.tenants.record(self.see(tenant))
        await self.vault.save(tenant, name=NAME, kind=ConnectionKind.BEARER, hosts=("a.example",), secret="s3cret-0123456789")
        await self.database.grants.save(Grant(tenant=tenant, connection=NAME), after=0)
        version, sealed = await RunKeys(self.keyring, self.chance).make(tenant, RUN)
        await self.database.parked.open(make_parked_row(tenant, RUN, (version, sealed)))

    def see(self, tenant: TenantId, *, uninstalled: bool = False) -> TenantSeen:
        return TenantSeen(
            tenant=tenant,
            environment_id="e",
            environment_type="DEVELOPMENT",
            cloud_id="c",
            installation_id="i",
            licence=LicenceState.ACTIVE,
            seen_at_milliseconds=self.clock.now_milliseconds(),
            uninstalled=uninstalled,
        )

    async def say(self) -> None:
        """The first one uninstalls the app."""
        os.utime(self.file, (self.clock.now_milliseconds() / 1000 - 60,) * 2)  # the file's clock is not the fake one
        await self.farewell.say(self.see(A, uninstalled=True))

    async def shreddings(self, tenant: TenantId) -> list[tuple[str, str, str]]:
        events = await self.database.audit.list(tenant, connection="", before="", limit=9)
        return [(each.action, each.actor, each.detail) for each in events if each.action == "tenant_shredded"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    made = World(database, tmp_path)
    for tenant in (A, B):
        await made.install(tenant)
    made.clock.advance(60)
    yield made
    await database.close()


async def expect_gone(world: World) -> None:
    assert [bool(row.wrapped) for row in await world.database.keys.load(A)] == [False]
    assert await world.vault.open_lease(A, NAME) is LeaseRefusal.MISSING
    assert await world.database.grants.load(A, NAME) is None
    row = await world.database.parked.load(A, RUN)
    assert row is not None
    assert row.sealed_key == b""
    assert await world.shreddings(A) == [("tenant_shredded", "control_plane", "uninstalled")]
    assert isinstance(await world.vault.open_lease(B, NAME), Lease)
    assert await world.shreddings(B) == []


async def test_a_goodbye_shreds_the_site_and_no_other_and_a_copy_of_the_database_opens_no_more(world: World) -> None:
    copy = (await world.database.keys.load(A))[0]
    await world.say()
    await expect_gone(world)
    context = {"tenant": A, "purpose": "tenant-key", "version": "1"}
    assert await world.provider.unwrap(copy.wrapped, context)
    await world.farewell.see_to_all()
    for provider in (world.provider, LocalKeyProvider(world.file)):
        with pytest.raises(TamperedError):
            await provider.unwrap(copy.wrapped, context)
    world.restart()
    await expect_gone(world)
    stamp = world.file.stat().st_mtime_ns
    await world.farewell.see_to_all()  # nothing is left to do
    assert world.file.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("dies", ["dies_before", "dies_after"])
async def test_killed_at_any_write_it_is_gone_on_with_although_nobody_says_it_again(world: World, dies: str) -> None:
    copy, number, is_killed = (await world.database.keys.load(A))[0], 0, True
    while is_killed:
        number += 1
        if number > 1:
            world.restart()
            await world.install(A)
            world.clock.advance(60)
            copy = (await world.database.keys.load(A))[0]
        setattr(world, dies, number)
        is_heard = number > 1 or dies == "dies_after"
        before = len(await world.shreddings(A))
        try:
            await world.say()
            await world.farewell.see_to_all()
            is_killed = False
        except KilledError:
            assert world.writes == number
        world.restart()
        if not is_heard:  # the broker says it again
            await world.say()
        await world.farewell.see_to_all()
        assert not any(row.wrapped for row in await world.database.keys.load(A)), number
        assert len(await world.shreddings(A)) == before + 1, number
        assert (await world.provider.describe()).keys == 1, number
        with pytest.raises(TamperedError):
            await world.provider.unwrap(copy.wrapped, {"tenant": A, "purpose": "tenant-key", "version": str(copy.version)})
        assert isinstance(await world.vault.open_lease(B, NAME), Lease)
    assert number == 7  # a write more than there are: leave, shred, renew, rewrap by the provider, keep it, retire


async def test_installed_again_a_site_has_another_key_which_an_old_goodbye_does_not_touch(world: World) -> None:
    goodbye = world.see(A, uninstalled=True)
    await world.farewell.say(goodbye)
    world.clock.advance(60)
    await world.install(A)
    assert [(row.version, bool(row.wrapped)) for row in await world.database.keys.load(A)] == [(3, True), (2, False)]
    for _ in range(2):
        await world.farewell.say(goodbye)  # the broker did not hear that it was kept
        await world.farewell.see_to_all()
    lease = await world.vault.open_lease(A, NAME)
    assert isinstance(lease, Lease)
    assert len(await world.shreddings(A)) == 1


async def test_a_key_file_that_can_not_be_written_keeps_nothing_from_being_destroyed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.say()
    monkeypatch.setattr("blubees.adapters.keys._write_new", _refuse)
    await world.farewell.see_to_all()
    assert world.told == ["tenant_shredded", "older_keys_stay"]
    await expect_gone(world)


async def test_what_is_told_of_a_site_in_receipts_is_done(world: World) -> None:
    box = FakeBox()
    box.sent = [world.see(A, uninstalled=True), world.see(B)]
    forgotten = list[TenantId]()

    class Others:
        async def record(self, _receipts: object) -> None: ...

        async def finish_runs(self, _receipts: object) -> None: ...

        async def forget_tenant(self, tenant: TenantId) -> None:
            forgotten.append(tenant)

    others: Any = Others()
    board, timetable = FakeBoard(), Timetable(world.database.schedules, world.clock)
    flows = FlowService(world.database.flows, board, timetable, world.clock, world.chance, load_book())
    for tenant in (A, B):
        for trigger in ("{on: webhook}", "{on: schedule, every_seconds: 60}"):
            flow = f"f{len(trigger)}"
            await flows.save_draft(tenant, f"id: {flow}\nname: F\ntrigger: {trigger}\nsteps: [{{id: a, kind: stop}}]\n")
            await flows.publish(tenant, FlowId(flow))
    tenants = TenantService(world.database.tenants)
    keeper = ReceiptKeeper(box, others, tenants, others, others, world.farewell, flows, world.note)
    await keeper.keep_forever()
    await expect_gone(world)
    assert forgotten == [A]
    assert [len(await flows.list_live(tenant)) for tenant in (A, B)] == [0, 2], "what is gone starts no run"
    assert {tenant for (tenant, _), (_, plan) in board.kept.items() if plan is not None} == {B}
    assert [len(await world.database.schedules.list(tenant)) for tenant in (A, B)] == [0, 1]
    world.clock.advance(60)
    await world.database.tenants.record(world.see(A))
    await flows.publish(A, FlowId("f13"))
    await keeper.keep_forever()
    assert len(await flows.list_live(A)) == 1, "a goodbye that comes again takes nothing from the site that is back"


async def test_flows_of_a_site_that_is_gone_are_not_known_at_a_start(world: World) -> None:
    flows = FlowService(
        world.database.flows,
        FakeBoard(),
        Timetable(world.database.schedules, world.clock),
        world.clock,
        world.chance,
        load_book(),
    )
    for tenant in (A, B):
        await flows.save_draft(tenant, "id: f\nname: F\ntrigger: {on: webhook}\nsteps: [{id: a, kind: stop}]\n")
        await flows.publish(tenant, FlowId("f"))
    await world.say()  # and the process dies before it takes the flows down
    assert [row.tenant for row, _ in await world.database.flows.list_live()] == [B]


async def test_it_waits_for_no_hour_when_a_goodbye_was_said(world: World) -> None:
    rounds = asyncio.create_task(world.farewell.see_to_all_forever())
    await asyncio.sleep(0.05)
    await world.say()
    async with asyncio.timeout(10):
        while world.file.stat().st_mtime < world.clock.now_milliseconds() / 1000:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)
        while (await world.provider.describe()).keys > 1:  # noqa: ASYNC110 - its last act: it holds nothing of the database then
            await asyncio.sleep(0.01)
    rounds.cancel()
    await asyncio.wait({rounds})


def _refuse(*_given: object) -> None:
    raise PermissionError(13, "no")
