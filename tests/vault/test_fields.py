"""Secrets by field: changed by compare and swap, bound to their place, and taken over from the form before."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.model.connection import Connection, ConnectionKind, Lease, LeaseRefusal, OpenConnection
from blubees.model.errors import InputError, TamperedError
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import SecretRow
from blubees.vault.envelope import TenantKey, open_row, seal_row
from blubees.vault.keyring import Keyring
from blubees.vault.seal import seal_committed
from blubees.vault.secrets import VaultService
from fakes.keys import EC_KEY, EC_PEM, write_certificate
from fakes.machine import FakeChance, FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NAME = ConnectionName("shop")
KIND = ConnectionKind.OAUTH2_CODE
SECRETS = {"client_secret": "a-client-secret-abcd"}
SETTINGS = {"client_id": "c", "authorize_url": "https://shop.example.com/ok", "token_url": "https://shop.example.com/token"}
GRANT = {"access_token": "access-token-0001-efgh", "refresh_token": "short"}


class World:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.clock = database, folder, FakeClock()

    def open(self) -> VaultService:
        """A control plane's vault: there may be several."""
        provider = LocalKeyProvider(self.folder / "local.key")
        chance = FakeChance()
        self.keyring = Keyring(self.database.keys, provider, chance, self.clock)
        return VaultService(self.database.connections, self.keyring, self.clock, chance)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    yield World(database, tmp_path)
    await database.close()


async def save(vault: VaultService, **more: object) -> Connection:
    facts = {"name": NAME, "kind": KIND, "hosts": ("api.example.com",), "secrets": SECRETS, "settings": SETTINGS}
    return await vault.save(A, **{**facts, **more})  # type: ignore[arg-type]


async def test_a_conduit_gets_the_leased_fields_only(world: World) -> None:
    vault = world.open()
    saved = await save(vault)
    assert await vault.open_lease(A, NAME) is LeaseRefusal.MISSING, "nobody has said yes"
    assert await vault.replace_fields(A, NAME, saved.version, GRANT) is not None
    lease = await vault.open_lease(A, NAME)
    assert isinstance(lease, Lease)
    assert (lease.secret, lease.others, lease.settings) == (GRANT["access_token"], {}, SETTINGS)
    opened = await vault.open(A, NAME)
    assert isinstance(opened, OpenConnection)
    assert opened.secrets == SECRETS | GRANT
    assert "secret" not in repr(opened)
    keys = {"client_certificate": write_certificate(EC_KEY), "client_key": EC_PEM}
    await vault.save(A, name="mine", kind=ConnectionKind.BEARER, hosts=("a.example",), secret="t", secrets=keys)
    lease = await vault.open_lease(A, ConnectionName("mine"))
    assert isinstance(lease, Lease)
    assert (lease.secret, lease.others) == ("t", keys)


async def test_some_fields_change_and_the_others_stay_as_they_are(world: World) -> None:
    vault = world.open()
    saved = await save(vault)
    changed = await vault.replace_fields(A, NAME, saved.version, GRANT, {"expires": "1", "client_id": ""})
    assert changed is not None
    assert changed.version == saved.version + 1
    assert changed.settings == {"expires": "1"} | {name: SETTINGS[name] for name in ("authorize_url", "token_url")}
    assert [(fact.field, fact.version - saved.version) for fact in changed.fields] == [
        ("access_token", 1),
        ("client_secret", 0),
        ("refresh_token", 1),
    ]
    hints = {fact.field: fact.last_four for fact in changed.fields}
    assert hints == {"client_secret": "abcd", "access_token": "efgh", "refresh_token": ""}
    opened = await vault.open(A, NAME)
    assert opened is not None
    assert opened.secrets == SECRETS | GRANT
    gone = await vault.replace_fields(A, NAME, changed.version, {"refresh_token": ""})
    assert gone is not None
    assert [fact.field for fact in gone.fields] == ["access_token", "client_secret"]
    with pytest.raises(InputError, match="no such secret"):
        await vault.replace_fields(A, NAME, gone.version, {"cookie": "c"})
    with pytest.raises(InputError, match="control characters"):
        await vault.replace_fields(A, NAME, gone.version, {"access_token": "a\nb"})
    await vault.save(A, name="mine", kind=ConnectionKind.BEARER, hosts=("a.example",), secret="t")
    mine = await vault.open(A, ConnectionName("mine"))
    assert mine is not None
    with pytest.raises(InputError, match="token: bearer needs"):
        await vault.replace_fields(A, ConnectionName("mine"), mine.connection.version, {"token": ""})


async def test_of_many_who_change_what_they_saw_one_is_first(world: World) -> None:
    vaults = [world.open() for _ in range(4)]
    saved = await save(vaults[0])
    changes = [
        vault.replace_fields(A, NAME, saved.version, {"access_token": f"t{number}"}) for number, vault in enumerate(vaults)
    ]
    done = await asyncio.gather(*changes)
    assert sum(each is not None for each in done) == 1
    lease = await vaults[0].open_lease(A, NAME)
    assert isinstance(lease, Lease)
    assert lease.secret == f"t{[each is not None for each in done].index(True)}"


async def test_nothing_follows_a_connection_that_was_made_anew(world: World) -> None:
    vault = world.open()
    saved = await save(vault)
    await vault.delete(A, NAME)
    assert await vault.replace_fields(A, NAME, saved.version, {"access_token": "stale"}) is None
    world.clock.advance(1)
    again = await save(vault)
    assert again.version > saved.version
    assert await vault.replace_fields(A, NAME, saved.version, {"access_token": "stale"}) is None


async def test_saving_anew_replaces_all_and_keeps_when_it_was_made(world: World) -> None:
    vault = world.open()
    first = await save(vault)
    granted = await vault.replace_fields(A, NAME, first.version, GRANT)
    assert granted is not None
    assert granted.fingerprint
    world.clock.advance(60)
    second = await save(vault)
    assert second.fields == first.fields, "the grant is gone, and the secret is the same"
    assert second.fingerprint == ""
    assert second.created_at_milliseconds == first.created_at_milliseconds < second.changed_at_milliseconds


async def test_a_row_of_the_first_form_opens_and_is_sealed_anew(world: World) -> None:
    vault = world.open()
    version, key = await world.keyring.load(B)
    chance = FakeChance()
    bound = ("secret", B, "old", "token", str(version), "bearer", "api.example.com")
    old = seal_committed(key, b"old-secret", bound, chance)
    with sqlite3.connect(world.folder / "db.sqlite3") as file:
        file.execute(
            "INSERT INTO connections (tenant, name, kind, hosts, user_name, parameter, created_at, key_version, wrapped_key) "
            "VALUES (?, 'old', 'bearer', 'api.example.com', '', '', 5, ?, X'')",
            (B, version),
        )
        file.execute("INSERT INTO secret_fields VALUES (?, 'old', 'token', 1, ?, 'print', '', 5)", (B, old))
    for _ in range(2):
        lease = await vault.open_lease(B, ConnectionName("old"))
        assert isinstance(lease, Lease)
        assert lease.secret == "old-secret"
    row = await world.database.connections.load(B, ConnectionName("old"))
    assert row is not None
    assert row.wrapped_key
    assert row.sealed["token"] != old
    assert row.connection.created_at_milliseconds == 5


NAMES = st.sampled_from(["a", "ab", "shop"])
PLACES = st.tuples(st.sampled_from([A, B]), NAMES, st.integers(1, 3), st.integers(1, 2))
KEYS = {1: TenantKey(version=1, key=b"1" * 32), 2: TenantKey(version=2, key=b"2" * 32)}


def row_at(place: tuple[TenantId, str, int, int], host: str = "a.example") -> SecretRow:
    tenant, name, version, key = place
    connection = Connection(tenant=tenant, name=ConnectionName(name), kind=KIND, hosts=(host,), version=version)
    return seal_row(connection, {"access_token": "t", "refresh_token": "i"}, KEYS[key], b"f" * 32, FakeChance(), now=1)


@given(PLACES, PLACES, st.sampled_from(["access_token", "refresh_token"]), st.sampled_from(["access_token", "refresh_token"]))
def test_a_field_in_another_place_never_opens(
    place: tuple[TenantId, str, int, int], other: tuple[TenantId, str, int, int], field: str, source: str
) -> None:
    here, there = row_at(place), row_at(other)  # chance repeats itself: all are sealed under the same own key
    swapped = msgspec.structs.replace(here, sealed={**here.sealed, field: there.sealed[source]})
    if (place[:3], field) == (other[:3], source):
        assert open_row(swapped, KEYS[place[3]], FakeChance())[1] == {"access_token": "t", "refresh_token": "i"}
    else:
        with pytest.raises(TamperedError):
            open_row(swapped, KEYS[place[3]], FakeChance())


@given(PLACES, PLACES)
def test_a_wrapped_key_in_another_place_never_opens(
    place: tuple[TenantId, str, int, int], other: tuple[TenantId, str, int, int]
) -> None:
    here, there = row_at(place), row_at(other, host="b.example")
    moved = msgspec.structs.replace(here, wrapped_key=there.wrapped_key, sealed=there.sealed)
    with pytest.raises(TamperedError):
        open_row(moved, KEYS[place[3]], FakeChance())
    assert open_row(here, KEYS[place[3]], FakeChance())[1] == {"access_token": "t", "refresh_token": "i"}
