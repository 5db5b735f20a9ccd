"""The vault on a real database file: sealed, bound to its owner, leased to its own hosts, and nowhere in clear."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.model.connection import Connection, ConnectionKind, Lease, LeaseRefusal
from blubees.model.errors import BluBeesError, InputError, TamperedError
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebRequest
from blubees.vault.keyring import Keyring
from blubees.vault.lease import LeaseProblem, authorise
from blubees.vault.seal import Sealer, bind, seal_committed, unseal_committed
from blubees.vault.secrets import VaultService
from fakes.machine import FakeChance, FakeClock
from fakes.vault_rows import make_shredding

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
SECRET = "s3cr3t-hfkqpwzmalx0193"
NAME = ConnectionName("mine")


class World:
    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database, self.clock = folder, database, FakeClock()
        self.keyring = Keyring(database.keys, LocalKeyProvider(folder / "keys" / "local.key"), FakeChance(), self.clock)
        self.vault = VaultService(database.connections, self.keyring, self.clock, FakeChance())

    async def save(self, tenant: TenantId = A, **changes: object) -> Connection:
        facts: dict[str, object] = {
            "name": "mine", "kind": ConnectionKind.BEARER, "hosts": ("api.example.com",), "user_name": "", "parameter": "", "secret": SECRET,
        }  # fmt: skip
        return await self.vault.save(tenant, **{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    await database.prepare()
    yield World(tmp_path, database)
    await database.close()


async def test_a_secret_comes_out_as_a_lease_and_is_in_no_file(world: World) -> None:
    saved = await world.save()
    assert SECRET not in repr(saved)
    lease = await world.vault.open_lease(A, NAME)
    assert isinstance(lease, Lease)
    assert lease.secret == SECRET
    assert SECRET not in repr(lease)
    assert lease.expires_at_milliseconds - world.clock.milliseconds == 60_000
    forms = [
        SECRET.encode(),
        base64.b64encode(SECRET.encode())[2:-4],
        SECRET.encode().hex().encode(),
        SECRET.encode("utf-16-le"),
    ]
    for file in world.folder.rglob("*"):
        assert not file.is_file() or not any(form in file.read_bytes() for form in forms), file


async def test_another_tenant_has_nothing_of_it(world: World) -> None:
    await world.save()
    assert await world.vault.open_lease(B, NAME) is LeaseRefusal.MISSING
    assert await world.vault.list(B) == ()
    assert not await world.vault.delete(B, NAME)
    assert len(await world.vault.list(A)) == 1


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE connections SET tenant = '{B}'",
        "UPDATE connections SET parameter = 'other'",
        "UPDATE connections SET hosts = 'evil.example.com'",
        "UPDATE connections SET kind = 'basic'",
        "UPDATE connections SET name = 'other'",
        "UPDATE connections SET user_name = 'other'",
        'UPDATE connections SET settings = \'{"site": "evil"}\'',
        "UPDATE connections SET wrapped_key = CAST(substr(wrapped_key, 1, length(wrapped_key) - 1) || x'00' AS BLOB)",
        "UPDATE secret_fields SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB)",
        "UPDATE secret_fields SET version = version + 1",
    ],
)
async def test_a_row_that_was_moved_or_changed_does_not_open(world: World, change: str) -> None:
    await world.save()
    await world.save(B, name="unrelated")
    engine = create_async_engine(f"sqlite+aiosqlite:///{world.folder / 'db.sqlite3'}")
    async with engine.begin() as connection:
        named = "connection" if "secret_fields" in change else "name"
        await connection.execute(sa.text(f"{change} WHERE {named} = 'mine'"))
    await engine.dispose()
    tenant = B if "tenant" in change else A
    with pytest.raises(TamperedError):
        await world.vault.open_lease(tenant, ConnectionName("other") if "SET name =" in change else NAME)


async def test_a_shredded_tenant_is_gone(world: World) -> None:
    await world.save()
    await world.keyring.shred(A, make_shredding(A))
    assert await world.vault.open_lease(A, NAME) is LeaseRefusal.MISSING
    assert await world.vault.list(A) == ()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hosts": ("x.atlassian.net",)}, "Atlassian forbids"),
        ({"secret": "ATATT3xFfGF0abc"}, "Atlassian forbids"),
        ({"hosts": ("https://api.example.com",)}, "not a plain host"),
        ({"hosts": ("*.example.com",)}, "not a plain host"),
        ({"hosts": ()}, "hosts: 0 given"),
        ({"secret": "a\r\nX: y"}, "control characters"),
        ({"secret": ""}, "0 bytes"),
        ({"name": "../x"}, "name:"),
        ({"kind": ConnectionKind.BASIC, "user_name": "a:b"}, "user_name: has characters"),
        ({"kind": ConnectionKind.API_KEY_HEADER, "parameter": "Host"}, "client itself"),
        ({"kind": ConnectionKind.API_KEY_QUERY, "parameter": "a b"}, "parameter: has characters"),
    ],
)
async def test_a_bad_connection_says_why_and_never_its_secret(world: World, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError) as caught:
        await world.save(**changes)
    assert part in str(caught.value)
    assert str(changes.get("secret", SECRET)) not in str(caught.value) or changes.get("secret") == ""


def lease(kind: ConnectionKind = ConnectionKind.BEARER, **more: str) -> Lease:
    facts = {"user_name": "", "parameter": "", "secret": "s&c=r", **more}
    return msgspec.convert(
        {"kind": kind, "hosts": ("api.example.com", "127.0.0.1:8790"), "expires_at_milliseconds": 1_000, **facts}, Lease
    )


def test_a_credential_is_added_in_its_form() -> None:
    request = WebRequest(method="GET", url="https://API.example.com:443/a?b=1")
    bearer = authorise(request, lease(), 0)
    basic = authorise(request, lease(ConnectionKind.BASIC, user_name="me"), 0)
    header = authorise(request, lease(ConnectionKind.API_KEY_HEADER, parameter="X-Key"), 0)
    query = authorise(request, lease(ConnectionKind.API_KEY_QUERY, parameter="key"), 0)
    assert [each.headers for each in (bearer, basic, header) if isinstance(each, WebRequest)] == [
        (("Authorization", "Bearer s&c=r"),),
        (("Authorization", "Basic " + base64.b64encode(b"me:s&c=r").decode()),),
        (("X-Key", "s&c=r"),),
    ]
    assert isinstance(query, WebRequest)
    assert query.url == "https://API.example.com:443/a?b=1&key=s%26c%3Dr"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://evil.example.com/", LeaseProblem.HOST),
        ("https://api.example.com.evil.com/", LeaseProblem.HOST),
        ("https://api.example.com:444/", LeaseProblem.HOST),
        ("https://api.example.com@evil.com/", LeaseProblem.URL),
        ("https://evil.com\\@api.example.com/", LeaseProblem.URL),
        ("https://evil.com#@api.example.com/", LeaseProblem.URL),
        ("https://[::1/", LeaseProblem.URL),
    ],
)
def test_a_credential_goes_to_its_own_hosts_only(url: str, problem: LeaseProblem) -> None:
    assert authorise(WebRequest(method="GET", url=url), lease(), 0) is problem


def test_a_lease_ends_and_replaces_no_header() -> None:
    request = WebRequest(method="GET", url="https://api.example.com/", headers=(("authorization", "x"),))
    assert authorise(request, lease(), 0) is LeaseProblem.HEADER
    assert authorise(request, lease(), 1_000) is LeaseProblem.EXPIRED
    assert authorise(msgspec.structs.replace(request, headers=()), lease(ConnectionKind.SIGNING_SECRET), 0) is LeaseProblem.KIND


def test_sealed_data_opens_for_its_owner_only() -> None:
    sealer, chance = Sealer(b"k" * 32, FakeChance()), FakeChance()
    sealed = sealer.seal(b"payload", ("run", "a", "bc"))
    assert b"payload" not in sealed
    assert sealer.unseal(sealed, ("run", "a", "bc")) == b"payload"
    for other in (("run", "ab", "c"), ("run", "a"), ("run", "a", "bd")):
        with pytest.raises(TamperedError):
            sealer.unseal(sealed, other)
    for number in range(len(sealed)):
        with pytest.raises(TamperedError):
            sealer.unseal(sealed[:number] + bytes([sealed[number] ^ 1]) + sealed[number + 1 :], ("run", "a", "bc"))
    with pytest.raises(TamperedError):
        Sealer(b"j" * 32, chance).unseal(sealed, ("run", "a", "bc"))
    assert bind(("a", "bc")) != bind(("ab", "c"))
    kept = seal_committed(b"k" * 32, b"x", ("a",), chance)
    assert unseal_committed(b"k" * 32, kept, ("a",), chance) == b"x"
    with pytest.raises(TamperedError):
        unseal_committed(b"k" * 32, bytes(16) + kept[16:], ("a",), chance)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "local.key"
    LocalKeyProvider(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(BluBeesError, match="chmod 600"):
        LocalKeyProvider(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(BluBeesError, match="hex digits"):
        LocalKeyProvider(path)
