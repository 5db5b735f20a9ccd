"""Registrations that end by themselves, in the database (port RenewalStore)."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.columns import read_columns, write_columns
from blubees.adapters.database.schema import HOOK_RENEWALS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.ports import RenewalRow


class SqlRenewalStore:
    """Port RenewalStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, row: RenewalRow) -> None:
        """See the port."""
        values = write_columns(row)
        insert = insert_into(self._engine, HOOK_RENEWALS).values(**values)
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=values))

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RenewalRow]:
        """See the port."""
        due = HOOK_RENEWALS.c.due
        query = sa.select(HOOK_RENEWALS).where(due <= now_milliseconds).order_by(due).limit(limit)
        async with reading_all_tenants(self._engine) as connection:
            return [read_columns(RenewalRow, row) for row in (await connection.execute(query)).mappings()]

    async def swap(self, seen: RenewalRow, changed: RenewalRow) -> bool:
        """See the port."""
        async with using(self._engine, seen.tenant) as connection:
            update = sa.update(HOOK_RENEWALS).where(_is(seen)).values(**write_columns(changed))
            return bool((await connection.execute(update)).rowcount)

    async def remove(self, seen: RenewalRow) -> None:
        """See the port."""
        async with using(self._engine, seen.tenant) as connection:
            await connection.execute(sa.delete(HOOK_RENEWALS).where(_is(seen)))


def _is(row: RenewalRow) -> sa.ColumnElement[bool]:
    return sa.and_(*(HOOK_RENEWALS.c[name] == value for name, value in write_columns(row).items()))
