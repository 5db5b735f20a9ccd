"""Every lease is an audit event before it is handed out; what is in the trail is never changed, and goes when its time is over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.model.audit import Actor, AuditEvent
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Purpose, Use
from blubees.model.errors import InputError, KeyDisabledError, MissingError, TamperedError, UnavailableError
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.vault import Level
from blubees.operations.audit import AT_ONCE, DAY_MILLISECONDS, LEASE_DAYS, OTHER_DAYS, AuditLog, LeaseClerk
from blubees.operations.connections import ConnectionService
from blubees.operations.vault_keys import VaultKeys
from blubees.vault.keyring import Keyring
from blubees.vault.rotation import Rotation
from blubees.vault.secrets import VaultService
from fakes.machine import FakeChance, FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NAME = ConnectionName("crm")
USE = Use(flow="greet", run="r1", step="loop[2]/ask")


class World:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock, chance = database, FakeClock(), FakeChance()
        provider = LocalKeyProvider(folder / "local.key")
        keyring = Keyring(database.keys, provider, chance, self.clock)
        vault = VaultService(database.connections, keyring, self.clock, chance)
        self.log = AuditLog(database.audit, self.clock, chance)
        self.vault = vault
        self.clerk = LeaseClerk(self.open_lease, self.log)
        no_grants: Any = None  # what is saved here has none
        self.connections = ConnectionService(vault, no_grants, no_grants, no_grants, self.log)
        rotation = Rotation(database.keys, database.connections, keyring, provider, vault, chance, self.clock)
        self.keys = VaultKeys(database.keys, keyring, provider, rotation, self.clock, self.log)

    async def open_lease(self, tenant: TenantId, name: ConnectionName, use: Use, _refused: str) -> Lease | LeaseRefusal:
        return await self.vault.open_lease(tenant, name, use)

    async def save(self, tenant: TenantId = A, **more: object) -> None:
        facts: dict[str, object] = {
            "name": NAME,
            "kind": ConnectionKind.BEARER,
            "hosts": ("a.example",),
            "secret": "s3cret-0123456789",
        }
        await self.connections.save(tenant, **facts | more)  # type: ignore[arg-type]

    async def told(self, tenant: TenantId = A) -> list[tuple[str, str, str, int, str]]:
        events = await self.log.list(tenant)
        return [(each.action.value, each.connection, each.step, each.uses, each.detail) for each in reversed(events)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    yield World(database, tmp_path)
    await database.close()


async def test_each_lease_is_told_with_its_use_and_without_its_secret(world: World) -> None:
    await world.save()
    world.clock.advance(120)
    assert isinstance(await world.clerk.answer(A, NAME, [USE, USE, Use(flow="greet", run="r2", step="ask")]), Lease)
    assert await world.clerk.answer(A, ConnectionName("none"), [USE]) is LeaseRefusal.MISSING
    assert await world.told() == [
        ("connection_saved", "crm", "", 1, ""),
        ("lease_opened", "crm", "loop[2]/ask", 2, ""),
        ("lease_opened", "crm", "ask", 1, ""),
        ("lease_refused", "none", "loop[2]/ask", 1, "missing"),
    ]
    newest = (await world.log.list(A))[1]
    assert (newest.actor, newest.purpose, newest.flow, newest.run) == (Actor.CONDUIT, "call", "greet", "r2")
    assert await world.told(B) == []
    (connection,) = await world.connections.list(A)
    assert connection.used_at_milliseconds == world.clock.milliseconds
    assert "s3cret" not in repr(await world.log.list(A))
    assert [each.step for each in await world.log.list(A, connection="crm", limit=1)] == ["ask"]
    assert [each.action.value for each in await world.log.list(A, leases=False)] == ["connection_saved"]
    assert len(await world.log.list(A, before=newest.event)) == 2


async def test_only_flows_that_are_permitted_get_a_lease_and_only_for_what_its_kind_is(world: World) -> None:
    await world.save(flows=("other",))
    assert await world.clerk.answer(A, NAME, [USE]) is LeaseRefusal.NOT_ALLOWED
    assert isinstance(await world.clerk.answer(A, NAME, [Use(flow="other")]), Lease)
    assert (await world.connections.permit(A, NAME, ("greet", "other"))).flows == ("greet", "other")
    assert isinstance(await world.clerk.answer(A, NAME, [USE]), Lease)
    assert await world.clerk.answer(A, NAME, [Use(flow="greet", purpose=Purpose.SIGNATURE)]) is LeaseRefusal.NOT_ALLOWED
    assert (await world.connections.permit(A, NAME, ())).flows == ()
    assert isinstance(await world.clerk.answer(A, NAME, [Use(flow="any")]), Lease)
    with pytest.raises(InputError, match="number 1 is no flow"):
        await world.connections.permit(A, NAME, ("Not A Flow",))
    with pytest.raises(MissingError):
        await world.connections.permit(B, NAME, ())


async def test_conduits_get_no_lease_for_what_the_control_plane_alone_does(world: World) -> None:
    await world.save(flows=("other",))
    for purpose in (Purpose.REGISTER, Purpose.TAKE_BACK):
        assert await world.clerk.answer(A, NAME, [Use(flow="other", purpose=purpose)]) is LeaseRefusal.NOT_ALLOWED
    assert isinstance(await world.clerk.answer_own(A, NAME, [Use(flow="greet", purpose=Purpose.TAKE_BACK)]), Lease)
    assert await world.clerk.answer_own(A, NAME, [Use(flow="greet", purpose=Purpose.REGISTER)]) is LeaseRefusal.NOT_ALLOWED
    assert isinstance(await world.clerk.answer(A, NAME, [Use(flow="other")]), Lease)
    told = [(each.action.value, each.actor.value, each.purpose) for each in reversed(await world.log.list(A))][1:]
    assert told == [
        ("lease_refused", "conduit", "register"),
        ("lease_refused", "conduit", "take_back"),
        ("lease_opened", "control_plane", "take_back"),
        ("lease_refused", "control_plane", "register"),
        ("lease_opened", "conduit", "call"),
    ]


async def test_a_permission_that_was_changed_in_the_database_does_not_open(world: World, tmp_path: Path) -> None:
    await world.save(flows=("other",))
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE connections SET flows = 'greet'"))
    await engine.dispose()
    with pytest.raises(TamperedError):
        await world.clerk.answer(A, NAME, [USE])


class SlowStore:
    """Port AuditStore: takes its time, and fails when told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.is_away = False

    async def append(self, events: Sequence[AuditEvent]) -> None:
        self.batches.append(len(events))
        await asyncio.sleep(0.01)
        if self.is_away:
            raise UnavailableError("away")

    async def list(
        self, tenant: TenantId, *, connection: str, before: str, limit: int, leases: bool = True
    ) -> Sequence[AuditEvent]:
        raise NotImplementedError

    async def purge(self, _leases: int, _others: int) -> int:
        raise NotImplementedError


async def test_events_that_come_at_a_time_are_kept_together_and_no_lease_without_its_event() -> None:
    store = SlowStore()
    log = AuditLog(store, FakeClock(), FakeChance())

    async def open_lease(_tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str) -> Lease:
        return Lease(kind=ConnectionKind.BEARER, hosts=(), user_name="", parameter="", secret="s", expires_at_milliseconds=1)

    clerk = LeaseClerk(open_lease, log)
    await asyncio.gather(*(clerk.answer(A, NAME, [USE]) for _ in range(AT_ONCE + 100)))
    assert sum(store.batches) == AT_ONCE + 100
    assert len(store.batches) <= 3
    store.is_away = True
    with pytest.raises(UnavailableError):
        await clerk.answer(A, NAME, [USE])
    store.is_away = False
    assert isinstance(await clerk.answer(A, NAME, [USE]), Lease)


async def test_a_key_that_is_disabled_is_the_reason_and_is_told(world: World) -> None:
    async def refuse(*_given: object) -> Lease:
        raise KeyDisabledError("The KMS key is disabled.")

    clerk = LeaseClerk(refuse, world.log)
    assert await clerk.answer(A, NAME, [USE]) is LeaseRefusal.KEY_DISABLED
    assert await world.told() == [("lease_refused", "crm", "loop[2]/ask", 1, "key_disabled")]


async def test_events_go_when_their_time_is_over(world: World) -> None:
    await world.save()
    await world.clerk.answer(A, NAME, [USE])
    world.clock.advance(LEASE_DAYS * DAY_MILLISECONDS / 1000 + 1)
    await world.clerk.answer(A, NAME, [USE])
    await world.log.purge()
    assert [each[0] for each in await world.told()] == ["connection_saved", "lease_opened"]
    world.clock.advance(OTHER_DAYS * DAY_MILLISECONDS / 1000)
    await world.log.purge()
    assert await world.told() == []


async def test_what_operators_do_with_keys_is_told_and_outlives_the_tenant(world: World) -> None:
    await world.save()
    before = world.clock.now_milliseconds() + 1
    world.clock.advance(1)
    for level in Level:
        after = "begin"
        while after:
            after = (await world.keys.rotate(A, level, before, "" if after == "begin" else after)).after
    await world.connections.delete(A, NAME)
    for wrong in ("", B, "x"):
        with pytest.raises(InputError, match="once more"):
            await world.keys.shred(A, wrong)
    await world.keys.shred(A, A)
    with pytest.raises(MissingError):
        await world.keys.shred(A, A)
    told = await world.told()
    assert [each[0] for each in told if each[0] != "keys_rotated"] == [
        "connection_saved",
        "connection_deleted",
        "tenant_shredded",
    ]
    assert {each[4] for each in told if each[0] == "keys_rotated"} == {"kms", "tenant", "secret"}


async def test_nobody_changes_an_event(world: World, tmp_path: Path) -> None:
    await world.save()
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    with pytest.raises(DBAPIError, match="never changed"):
        async with engine.begin() as connection:
            await connection.execute(sa.text("UPDATE audit_events SET connection = 'other'"))
    await engine.dispose()
