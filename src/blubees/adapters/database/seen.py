"""Marks of keys that were seen, in the database (port SeenStore)."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import SEEN
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, turn_to, using
from blubees.model.ids import TenantId


class SqlSeenStore:
    """Port SeenStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def mark(self, tenant: TenantId, mark: str, asker: str, now_milliseconds: int, expires_milliseconds: int) -> bool:
        """See the port."""
        values = {"asker": asker, "expires_at": expires_milliseconds}
        insert = insert_into(self._engine, SEEN).values(tenant=tenant, mark=mark, **values)
        statement = insert.on_conflict_do_update(
            index_elements=["tenant", "mark"], set_=values, where=SEEN.c.expires_at <= now_milliseconds
        )
        query = sa.select(SEEN.c.asker).where(SEEN.c.tenant == tenant, SEEN.c.mark == mark)
        async with using(self._engine, tenant) as connection:
            await connection.execute(statement)  # the row is ours to the end of the transaction: the first one wins
            return bool((await connection.execute(query)).scalar_one() != asker)

    async def purge(self, now_milliseconds: int) -> None:
        """See the port."""
        expired = SEEN.c.expires_at <= now_milliseconds
        async with reading_all_tenants(self._engine) as connection:
            for tenant in (await connection.execute(sa.select(SEEN.c.tenant).where(expired).distinct())).scalars().all():
                await turn_to(connection, TenantId(tenant))
                await connection.execute(sa.delete(SEEN).where(SEEN.c.tenant == tenant, expired))
