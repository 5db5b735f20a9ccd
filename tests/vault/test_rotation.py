"""Keys are changed while all goes on: killed at any row, all still opens; gone on with, nothing is left under an old key."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.errors import BluBeesError, TamperedError
from blubees.model.ids import ConnectionName, RunId, TenantId
from blubees.model.vault import Level, RotationStep
from blubees.ports import KeyRow
from blubees.vault.keyring import Keyring
from blubees.vault.rotation import Rotation
from blubees.vault.run_keys import RunKeys
from blubees.vault.secrets import VaultService
from fakes.dying import Dying, KilledError
from fakes.machine import FakeChance, FakeClock
from fakes.vault_rows import make_parked_row, make_shredding

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
RUNS = [RunId(f"r{number:026d}") for number in range(3)]
WRITES = frozenset(("reseal", "rewrap", "retire", "swap_derived", "swap_run_key", "add", "save"))
NAMES = [ConnectionName(f"c{number}") for number in range(3)]


class World:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.clock, self.chance = database, folder, FakeClock(), FakeChance()
        self.writes = self.dies_before = self.dies_after = 0
        self.run_keys: dict[tuple[TenantId, RunId], bytes] = {}
        self.restart()

    def restart(self) -> None:
        """Begin as a new process: nothing is in memory."""
        self.writes = self.dies_before = self.dies_after = 0
        self.provider = LocalKeyProvider(self.folder / "local.key")
        keys, connections = Dying(self.database.keys, self, WRITES), Dying(self.database.connections, self, WRITES)
        self.keyring = Keyring(keys, self.provider, self.chance, self.clock)
        self.vault = VaultService(connections, self.keyring, self.clock, self.chance)
        self.runs = RunKeys(self.keyring, self.chance)
        self.rotation = Rotation(keys, connections, self.keyring, self.provider, self.vault, self.chance, self.clock)

    async def fill(self, tenant: TenantId) -> None:
        for name in NAMES:
            await self.vault.save(tenant, name=name, kind=ConnectionKind.BEARER, hosts=("a.example",), secret=f"secret-{name}")
        for run in RUNS:
            version, sealed = await self.runs.make(tenant, run)
            await self.database.parked.open(make_parked_row(tenant, run, (version, sealed)))
            self.run_keys[tenant, run] = await self.runs.open(tenant, run, version, sealed)
        self.seen = await self.keyring.derive(tenant, "seen")

    async def check(self, tenant: TenantId) -> None:
        """All opens, and is what it was."""
        for name in NAMES:
            lease = await self.vault.open_lease(tenant, name)
            assert isinstance(lease, Lease)
            assert lease.secret == f"secret-{name}"
        for run in RUNS:
            row = await self.database.parked.load(tenant, run)
            assert row is not None
            assert await self.runs.open(tenant, run, row.key_version, row.sealed_key) == self.run_keys[tenant, run]
        assert await self.keyring.derive(tenant, "seen") == self.seen

    async def rotate(self, tenant: TenantId, level: Level, before: int, *, limit: int = 2) -> list[RotationStep]:
        steps, after = list[RotationStep](), ""
        while not steps or after:
            steps.append(await self.rotation.step(tenant, level, before, after, limit=limit))
            after = steps[-1].after
        return steps


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    made = World(database, tmp_path)
    await made.fill(A)
    yield made
    await database.close()


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("dies", ["dies_before", "dies_after"])
async def test_killed_at_each_row_all_opens_and_it_is_gone_on_with(world: World, level: Level, dies: str) -> None:
    rows = {Level.KMS: 1, Level.TENANT: 9, Level.SECRET: 3}[level]
    for number in range(1, rows + 1):
        world.clock.advance(60)
        before = world.clock.now_milliseconds()
        if level is Level.KMS:
            await world.provider.renew()
        old = await world.database.keys.load(A)
        world.writes = 0
        setattr(world, dies, number)
        with pytest.raises(KilledError):
            await world.rotate(A, level, before)
        world.restart()
        await world.check(A)
        steps = await world.rotate(A, level, before)
        assert not any(step.stuck for step in steps)
        await world.check(A)
        world.restart()
        await world.check(A)
        await check_nothing_is_old(world, level, old, before)


async def check_nothing_is_old(world: World, level: Level, old: "list[KeyRow] | Any", before: int) -> None:
    found = await world.database.keys.describe(A)
    connections = await world.database.connections.list(A)
    assert found.under_older == 0
    if level is Level.KMS:
        assert await world.provider.retire(await world.database.keys.list_wrapped()) == 1
        assert (await world.provider.describe()).keys == 1
        with pytest.raises(TamperedError):
            await world.provider.unwrap(old[0].wrapped, {"tenant": A, "purpose": "tenant-key", "version": "1"})
    elif level is Level.TENANT:
        assert [(row.version, row.minimum) for row in found.versions] == [(old[0].version + 1, old[0].version + 1)]
        with pytest.raises(TamperedError):
            await world.keyring.open(A, old[0].version)
    else:
        assert all(each.sealed_at_milliseconds >= before for each in connections)


async def test_a_version_below_the_minimum_does_not_open_even_when_it_comes_back(world: World) -> None:
    (old,) = await world.database.keys.load(A)
    row = await world.database.connections.load(A, NAMES[0])
    assert row is not None
    await world.rotate(A, Level.TENANT, old.created_at_milliseconds + 1)
    await world.database.keys.add(old)  # as a backup would bring it back
    kept = await world.database.connections.load(A, NAMES[0])
    assert kept is not None
    assert await world.database.connections.reseal(row, kept)
    world.restart()
    with pytest.raises(TamperedError):
        await world.vault.open_lease(A, NAMES[0])


async def test_what_is_as_young_as_asked_for_stays(world: World) -> None:
    before = world.clock.now_milliseconds()
    for level in Level:
        assert [step.changed for step in await world.rotate(A, level, before, limit=100) if step.changed] == []
    assert [row.version for row in await world.database.keys.load(A)] == [1]
    assert await world.rotate(B, Level.TENANT, before) == [RotationStep(changed=0)], "who has no key gets none"


async def test_another_control_plane_saves_while_a_key_is_changed(world: World) -> None:
    other = Keyring(world.database.keys, world.provider, world.chance, world.clock)
    vault, runs = VaultService(world.database.connections, other, world.clock, world.chance), RunKeys(other, world.chance)
    await other.load(A)  # it holds version 1 now, and does not look again for some time
    await world.rotate(A, Level.TENANT, world.clock.now_milliseconds() + 1)
    await vault.save(A, name=NAMES[0], kind=ConnectionKind.BEARER, hosts=("a.example",), secret=f"secret-{NAMES[0]}")
    version, sealed = await runs.make(A, RUNS[0])
    assert version == 2
    assert await other.open(A, 2)
    await world.check(A)
    assert len(sealed) > 32


async def test_readers_and_writers_go_on_during_a_rotation(world: World) -> None:
    other = VaultService(
        world.database.connections,
        Keyring(world.database.keys, world.provider, world.chance, world.clock),
        world.clock,
        world.chance,
    )
    done = False

    async def read() -> int:
        count = 0
        while not done:
            for name in NAMES:
                lease = await other.open_lease(A, name)
                assert isinstance(lease, Lease)
                assert lease.secret.startswith(f"secret-{name}")
                count += 1
        return count

    async def write() -> int:
        count = 0
        while not done:
            opened = await other.open(A, NAMES[1])
            assert opened is not None
            new = {"token": f"secret-{NAMES[1]}-{count}"}
            count += await other.replace_fields(A, NAMES[1], opened.connection.version, new) is not None
        return count

    tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
    for _ in range(5):
        world.clock.advance(1)
        for level in Level:
            await world.rotate(A, level, world.clock.now_milliseconds(), limit=1)
    done = True
    reads, writes = await asyncio.gather(*tasks)
    assert reads > 5
    assert writes > 0
    await world.rotate(A, Level.TENANT, 0)
    assert (await world.database.keys.describe(A)).under_older == 0


async def test_a_row_that_does_not_open_is_told_and_keeps_its_key(world: World) -> None:
    row = await world.database.connections.load(A, NAMES[1])
    assert row is not None
    broken = type(row)(
        connection=row.connection,
        key_version=1,
        wrapped_key=row.wrapped_key[:-1] + bytes([row.wrapped_key[-1] ^ 1]),
        sealed=row.sealed,
    )
    assert await world.database.connections.reseal(broken, row)
    steps = await world.rotate(A, Level.TENANT, world.clock.now_milliseconds() + 1)
    assert [step.stuck for step in steps if step.stuck] == [(NAMES[1],)]
    assert [each.version for each in await world.database.keys.load(A)] == [2, 1]
    assert (await world.database.keys.describe(A)).under_older == 1
    await world.database.connections.delete(A, NAMES[1])
    await world.rotate(A, Level.TENANT, 0)
    assert [each.version for each in await world.database.keys.load(A)] == [2]


async def test_a_shredded_tenant_opens_nowhere_and_others_do(world: World, tmp_path: Path) -> None:
    await world.fill(B)
    world.clock.advance(1)
    copy = [*await world.database.keys.load(A)]
    assert await world.keyring.shred(A, make_shredding(A))
    for run in RUNS:
        row = await world.database.parked.load(A, run)
        assert row is not None
        with pytest.raises(TamperedError):
            await world.runs.open(A, run, row.key_version, row.sealed_key)
    # the wrapped key from a copy of the database opens with the key file until that has a new key, too
    context = {"tenant": A, "purpose": "tenant-key", "version": "1"}
    assert await world.provider.unwrap(copy[0].wrapped, context)
    await world.provider.renew()
    await world.rotate(B, Level.KMS, world.clock.now_milliseconds())
    assert await world.provider.retire(await world.database.keys.list_wrapped()) == 1
    for provider in (world.provider, LocalKeyProvider(tmp_path / "local.key")):
        with pytest.raises(TamperedError):
            await provider.unwrap(copy[0].wrapped, context)
    world.restart()
    await world.check(B)
    assert await world.vault.list(A) == ()
    await world.fill(A)  # installed again: with another key
    assert [(row.version, bool(row.wrapped)) for row in await world.database.keys.load(A)] == [(3, True), (2, False)]


async def test_two_control_planes_share_a_key_file(tmp_path: Path) -> None:
    one, two = LocalKeyProvider(tmp_path / "k"), LocalKeyProvider(tmp_path / "k")
    context = {"tenant": A}
    old = await one.wrap(b"1" * 32, context)
    await one.renew()
    new = await one.wrap(b"2" * 32, context)
    assert await two.unwrap(new, context) == b"2" * 32
    assert await two.unwrap(old, context) == b"1" * 32
    assert await two.is_current(await two.wrap(b"3" * 32, context))
    assert await two.is_current(new)
    assert not await two.is_current(old)
    assert await two.retire([old, new]) == 0
    assert await two.retire([new]) == 1
    with pytest.raises(TamperedError):
        await one.unwrap(await _flip(new), context)
    (tmp_path / "k").write_text("")
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(BluBeesError, match="hex digits"):
        await one.wrap(b"4" * 32, context)


async def _flip(wrapped: bytes) -> bytes:
    return wrapped[:-1] + bytes([wrapped[-1] ^ 1])
