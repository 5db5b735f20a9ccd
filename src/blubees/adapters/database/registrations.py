"""What is registered at vendors for flows, in the database (port RegistrationStore)."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import HOOK_REGISTRATIONS
from blubees.adapters.database.transaction import insert_into, using
from blubees.model.ids import FlowId, TenantId
from blubees.ports import RegistrationRow


class SqlRegistrationStore:
    """Port RegistrationStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, row: RegistrationRow) -> None:
        """See the port."""
        values = {
            "source": row.source,
            "connection": row.connection,
            "action": row.action,
            "inputs": row.inputs,
            "connector": row.connector,
            "registered_at": row.registered_at_milliseconds,
        }
        insert = insert_into(self._engine, HOOK_REGISTRATIONS).values(tenant=row.tenant, flow=row.flow, **values)
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=values))

    async def load(self, tenant: TenantId, flow: FlowId) -> RegistrationRow | None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(sa.select(HOOK_REGISTRATIONS).where(_is(tenant, flow)))).mappings().first()
        if row is None:
            return None
        return RegistrationRow(
            tenant=row["tenant"],
            flow=row["flow"],
            source=row["source"],
            connection=row["connection"],
            action=row["action"],
            inputs=row["inputs"],
            connector=row["connector"],
            registered_at_milliseconds=row["registered_at"],
        )

    async def delete(self, tenant: TenantId, flow: FlowId) -> None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.delete(HOOK_REGISTRATIONS).where(_is(tenant, flow)))


def _is(tenant: TenantId, flow: FlowId) -> sa.ColumnElement[bool]:
    return sa.and_(HOOK_REGISTRATIONS.c.tenant == tenant, HOOK_REGISTRATIONS.c.flow == flow)
