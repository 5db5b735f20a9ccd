"""Registrations that end by themselves, in the database (port RenewalStore)."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import HOOK_RENEWALS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.ports import RenewalRow


class SqlRenewalStore:
    """Port RenewalStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, row: RenewalRow) -> None:
        """See the port."""
        values = _write(row)
        insert = insert_into(self._engine, HOOK_RENEWALS).values(**values)
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=values))

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RenewalRow]:
        """See the port."""
        due = HOOK_RENEWALS.c.due
        query = sa.select(HOOK_RENEWALS).where(due <= now_milliseconds).order_by(due).limit(limit)
        async with reading_all_tenants(self._engine) as connection:
            return [_read(row) for row in (await connection.execute(query)).mappings()]

    async def swap(self, seen: RenewalRow, changed: RenewalRow) -> bool:
        """See the port."""
        async with using(self._engine, seen.tenant) as connection:
            update = sa.update(HOOK_RENEWALS).where(_is(seen)).values(**_write(changed))
            return bool((await connection.execute(update)).rowcount)

    async def remove(self, seen: RenewalRow) -> None:
        """See the port."""
        async with using(self._engine, seen.tenant) as connection:
            await connection.execute(sa.delete(HOOK_RENEWALS).where(_is(seen)))


def _is(row: RenewalRow) -> sa.ColumnElement[bool]:
    return sa.and_(*(HOOK_RENEWALS.c[name] == value for name, value in _write(row).items()))


def _write(row: RenewalRow) -> dict[str, object]:
    return {name.removesuffix("_milliseconds"): value for name, value in msgspec.structs.asdict(row).items()}


def _read(row: sa.RowMapping) -> RenewalRow:
    fields = msgspec.structs.fields(RenewalRow)
    return RenewalRow(**{each.name: row[each.name.removesuffix("_milliseconds")] for each in fields})
