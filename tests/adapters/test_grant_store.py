"""Grants and consents in both databases: compare and swap, taken once, each tenant's own, and gone with their connection."""

import asyncio

import msgspec

from blubees.adapters.database import Database
from blubees.model.connection import Connection, ConnectionKind
from blubees.model.grant import Consent, ConsentState, Grant, GrantState
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import KeyRow, SecretRow

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NAME = ConnectionName("mine")
GRANT = Grant(
    tenant=A,
    connection=NAME,
    state=GrantState.LIVE,
    scopes=("a:b", "c"),
    expires_at_milliseconds=5_000,
    renew_at_milliseconds=4_000,
    kept={"instance_url": "https://é.example"},
    holder="h",
    held_until_milliseconds=9,
)


async def connect(database: Database, tenant: TenantId = A) -> None:
    await database.keys.add(KeyRow(tenant=tenant, version=1, wrapped=b"one"))
    connection = Connection(tenant=tenant, name=NAME, kind=ConnectionKind.OAUTH2_CODE, version=1)
    assert await database.connections.save(
        SecretRow(connection=connection, key_version=1, wrapped_key=b"k", sealed={}), after=0
    )


async def test_a_grant_changes_only_as_it_was_seen_and_goes_with_its_connection(database: Database) -> None:
    store = database.grants
    assert not await store.save(GRANT, after=0), "there is no such connection"
    await connect(database)
    assert await store.save(GRANT, after=0)
    assert not await store.save(GRANT, after=0)
    assert await store.load(A, NAME) == msgspec.structs.replace(GRANT, number=1)
    assert await store.load(B, NAME) is None
    found = await asyncio.gather(
        *(store.save(msgspec.structs.replace(GRANT, holder=str(number)), after=1) for number in range(5))
    )
    assert sorted(found) == [False] * 4 + [True]
    assert [each.number for each in await store.list(A)] == [2]
    assert list(await store.list(B)) == []
    assert [each.connection for each in await store.list_due(4_000, limit=9)] == [NAME]
    assert list(await store.list_due(3_999, limit=9)) == []
    assert await store.save(msgspec.structs.replace(GRANT, state=GrantState.DEAD), after=2)
    assert list(await store.list_due(4_000, limit=9)) == []
    assert await database.connections.delete(A, NAME)
    assert await store.load(A, NAME) is None
    assert not await store.save(GRANT, after=3)


async def test_an_answer_is_taken_once_in_time_and_by_its_own_tenant(database: Database) -> None:
    store = database.grants
    await connect(database)
    await connect(database, B)
    consent = Consent(
        tenant=A,
        mark="m" * 64,
        connection=NAME,
        kind=ConnectionKind.OAUTH2_CODE,
        by="5b10:é",
        digest="d" * 64,
        scopes=("a", "b"),
        sealed=b"\x00s",
        expires_at_milliseconds=100,
    )
    await store.add_consent(consent)
    assert await store.take_consent(B, consent.mark, 1) is None
    assert await store.take_consent(A, consent.mark, 100) is None
    found = await asyncio.gather(*(store.take_consent(A, consent.mark, 99) for _ in range(5)))
    assert sorted(each is not None for each in found) == [False] * 4 + [True]
    assert await store.load_consent(A, consent.mark) == msgspec.structs.replace(consent, state=ConsentState.TAKEN)
    await store.end_consent(B, consent.mark, ConsentState.FAILED, "no")
    await store.end_consent(A, consent.mark, ConsentState.DONE, "")
    ended = await store.load_consent(A, consent.mark)
    assert ended is not None
    assert (ended.state, ended.sealed) == (ConsentState.DONE, b"")
    await store.add_consent(msgspec.structs.replace(consent, tenant=B, expires_at_milliseconds=101))
    await store.purge_consents(100)
    assert await store.load_consent(A, consent.mark) is None
    assert await store.load_consent(B, consent.mark) is not None
