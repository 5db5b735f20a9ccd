"""When registrations are renewed, kept in both databases: all tenants' are found, and each change wins once."""

import msgspec

from blubees.adapters.database import Database
from blubees.model.ids import FlowId, TenantId
from blubees.ports import RenewalRow

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


def make_row(tenant: TenantId, due: int, flow: str = "flow") -> RenewalRow:
    return RenewalRow(
        tenant=tenant, flow=FlowId(flow), inputs='{"id":"S1"}', registered_at_milliseconds=7, due_milliseconds=due
    )


async def test_what_is_due_is_found_of_all_tenants_and_changed_once(database: Database) -> None:
    store = database.renewals
    first, second, later = make_row(B, 10), make_row(A, 20), make_row(A, 31, "other")
    for row in (later, second, make_row(B, 99), first):
        await store.put(row)
    assert await store.list_due(30, limit=9) == [first, second]
    assert await store.list_due(30, limit=1) == [first]
    held = msgspec.structs.replace(first, tries=1, due_milliseconds=50)
    assert [await store.swap(first, held), await store.swap(first, held)] == [True, False]
    await store.remove(first)
    await store.remove(second)
    assert await store.list_due(60, limit=9) == [later, held]
