"""Registrations and removals in real databases of both kinds: one becomes the other in one step, and one control plane has it."""

import asyncio

import msgspec

from blubees.adapters.database import Database
from blubees.model.ids import FlowId, TenantId
from blubees.ports import RegistrationRow, RemovalRow

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
NOW = 1_795_000_000_000


def registration(tenant: TenantId = A, flow: str = "f", **more: object) -> RegistrationRow:
    made = RegistrationRow(tenant=tenant, flow=FlowId(flow), source="s", connection="team", action="back", inputs='{"id": 1}')
    return msgspec.structs.replace(made, registered_at_milliseconds=NOW, **more)


def removal(tenant: TenantId = A, name: str = "1", **more: object) -> RemovalRow:
    made = RemovalRow(
        tenant=tenant, removal=name * 32, flow=FlowId("f"), connection="team", action="back", inputs='{"id": 1}',
        connector="{}", since_milliseconds=NOW, tries=1, next_milliseconds=NOW + 5,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


async def test_a_registration_becomes_a_removal_once_and_only_as_it_was_seen(database: Database) -> None:
    store = database.registrations
    await store.save(registration())
    await store.save(registration(B))
    newer = registration(inputs='{"id": 2}')
    assert await store.retire(newer, removal()) is False
    done = await asyncio.gather(*(store.retire(registration(), removal(name=str(number))) for number in range(3)))
    assert sorted(done) == [False, False, True]
    assert await store.list(A) == []
    assert [each.tenant for each in await store.list(B)] == [B]
    assert len(await store.list_removals(A)) == 1
    assert await store.list_removals(B) == []


async def test_what_is_due_of_all_tenants_comes_the_longest_due_first_and_one_has_it(database: Database) -> None:
    store = database.registrations
    rows = [removal(), removal(B, "2", next_milliseconds=NOW + 1), removal(name="3", next_milliseconds=0)]
    for row in rows:
        await store.save(registration(row.tenant))
        assert await store.retire(registration(row.tenant), row)
    assert await store.list_due(NOW, limit=9) == []
    assert await store.list_due(NOW + 5, limit=9) == [rows[1], rows[0]]
    assert await store.list_due(NOW + 5, limit=1) == [rows[1]]
    held = msgspec.structs.replace(rows[0], tries=2, next_milliseconds=NOW + 99, failure="busy")
    done = await asyncio.gather(*(store.swap(rows[0], held) for _ in range(3)))
    assert sorted(done) == [False, False, True]
    assert await store.list_removals(A) == [held, rows[2]]
    await store.drop(held)
    assert await store.list_removals(A) == [rows[2]]
    await store.purge(NOW)
    assert await store.list_removals(A) == [rows[2]]
    await store.purge(NOW + 1)
    assert await store.list_removals(A) == []
    assert await store.list_removals(B) == [rows[1]], "what is still tried stays"
