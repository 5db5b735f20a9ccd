"""What is registered at vendors for flows, in the database (port RegistrationStore)."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.columns import read_columns, write_columns
from blubees.adapters.database.schema import HOOK_REGISTRATIONS, HOOK_REMOVALS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, turn_to, using
from blubees.model.ids import FlowId, TenantId
from blubees.ports import RegistrationRow, RemovalRow


class SqlRegistrationStore:
    """Port RegistrationStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, row: RegistrationRow) -> None:
        """See the port."""
        values = write_columns(row)
        insert = insert_into(self._engine, HOOK_REGISTRATIONS).values(**values)
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=values))

    async def load(self, tenant: TenantId, flow: FlowId) -> RegistrationRow | None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(sa.select(HOOK_REGISTRATIONS).where(_is(tenant, flow)))).mappings().first()
        return read_columns(RegistrationRow, row) if row is not None else None

    async def list(self, tenant: TenantId) -> Sequence[RegistrationRow]:
        """See the port."""
        query = sa.select(HOOK_REGISTRATIONS).where(HOOK_REGISTRATIONS.c.tenant == tenant).order_by(HOOK_REGISTRATIONS.c.flow)
        async with using(self._engine, tenant) as connection:
            return [read_columns(RegistrationRow, row) for row in (await connection.execute(query)).mappings()]

    async def retire(self, row: RegistrationRow, removal: RemovalRow) -> bool:
        """See the port."""
        is_same = HOOK_REGISTRATIONS.c.registered_at == row.registered_at_milliseconds
        is_same &= (HOOK_REGISTRATIONS.c.source == row.source) & (HOOK_REGISTRATIONS.c.inputs == row.inputs)
        async with using(self._engine, row.tenant) as connection:
            gone = await connection.execute(sa.delete(HOOK_REGISTRATIONS).where(_is(row.tenant, row.flow), is_same))
            if not gone.rowcount:
                return False
            await connection.execute(sa.insert(HOOK_REMOVALS).values(**write_columns(removal)))
        return True

    async def list_removals(self, tenant: TenantId) -> Sequence[RemovalRow]:
        """See the port."""
        query = sa.select(HOOK_REMOVALS).where(HOOK_REMOVALS.c.tenant == tenant)
        query = query.order_by(HOOK_REMOVALS.c.since.desc(), HOOK_REMOVALS.c.removal)
        async with using(self._engine, tenant) as connection:
            return [read_columns(RemovalRow, row) for row in (await connection.execute(query)).mappings()]

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RemovalRow]:
        """See the port."""
        is_due = (HOOK_REMOVALS.c.next > 0) & (HOOK_REMOVALS.c.next <= now_milliseconds)
        query = sa.select(HOOK_REMOVALS).where(is_due).order_by(HOOK_REMOVALS.c.next).limit(limit)
        async with reading_all_tenants(self._engine) as connection:
            return [read_columns(RemovalRow, row) for row in (await connection.execute(query)).mappings()]

    async def swap(self, seen: RemovalRow, changed: RemovalRow) -> bool:
        """See the port."""
        is_same = (HOOK_REMOVALS.c.tries == seen.tries) & (HOOK_REMOVALS.c.next == seen.next_milliseconds)
        update = sa.update(HOOK_REMOVALS).where(_is_removal(seen), is_same).values(**write_columns(changed))
        async with using(self._engine, seen.tenant) as connection:
            return bool((await connection.execute(update)).rowcount)

    async def drop(self, seen: RemovalRow) -> None:
        """See the port."""
        async with using(self._engine, seen.tenant) as connection:
            await connection.execute(sa.delete(HOOK_REMOVALS).where(_is_removal(seen)))

    async def purge(self, before_milliseconds: int) -> None:
        """See the port."""
        is_over = (HOOK_REMOVALS.c.next == 0) & (HOOK_REMOVALS.c.since < before_milliseconds)
        async with reading_all_tenants(self._engine) as connection:
            for tenant in (
                (await connection.execute(sa.select(HOOK_REMOVALS.c.tenant).where(is_over).distinct())).scalars().all()
            ):
                await turn_to(connection, TenantId(tenant))
                await connection.execute(sa.delete(HOOK_REMOVALS).where(HOOK_REMOVALS.c.tenant == tenant, is_over))


def _is(tenant: TenantId, flow: FlowId) -> sa.ColumnElement[bool]:
    return sa.and_(HOOK_REGISTRATIONS.c.tenant == tenant, HOOK_REGISTRATIONS.c.flow == flow)


def _is_removal(row: RemovalRow) -> sa.ColumnElement[bool]:
    return sa.and_(HOOK_REMOVALS.c.tenant == row.tenant, HOOK_REMOVALS.c.removal == row.removal)
