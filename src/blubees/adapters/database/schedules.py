"""Schedules and polls in the database (port ScheduleStore)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.columns import read_columns, write_columns
from blubees.adapters.database.schema import SCHEDULES, TENANTS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.model.ids import FlowId, TenantId
from blubees.model.schedule import Timing
from blubees.ports import ScheduleRow

_SEEN: Final = ("version", "next_due", "claimed_due", "deadline", "attempts")  # what tells that nobody changed a row meanwhile


class SqlScheduleStore:
    """Port ScheduleStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, row: ScheduleRow) -> None:
        """See the port."""
        values = _write_row(row)
        insert = insert_into(self._engine, SCHEDULES).values(tenant=row.tenant, flow=row.flow, **values)
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=values))

    async def load(self, tenant: TenantId, flow: FlowId) -> ScheduleRow | None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(sa.select(SCHEDULES).where(_is_row(tenant, flow)))).mappings().first()
        return _read_row(row) if row else None

    async def list(self, tenant: TenantId) -> Sequence[ScheduleRow]:
        """See the port."""
        query = sa.select(SCHEDULES).where(SCHEDULES.c.tenant == tenant).order_by(SCHEDULES.c.flow)
        async with using(self._engine, tenant) as connection:
            return [_read_row(row) for row in (await connection.execute(query)).mappings()]

    async def remove(self, tenant: TenantId, flow: FlowId) -> None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.delete(SCHEDULES).where(_is_row(tenant, flow)))

    async def list_due(self, now_milliseconds: int, *, ahead_milliseconds: int, limit: int) -> Sequence[ScheduleRow]:
        """See the port."""
        is_due = (SCHEDULES.c.claimed_due == 0) & (SCHEDULES.c.next_due <= now_milliseconds)
        is_unanswered = (SCHEDULES.c.claimed_due > 0) & (SCHEDULES.c.deadline <= now_milliseconds)
        query = (
            sa.select(SCHEDULES)
            .join(TENANTS, TENANTS.c.tenant == SCHEDULES.c.tenant)
            .where(is_due | is_unanswered | (SCHEDULES.c.claimed_at > ahead_milliseconds), TENANTS.c.uninstalled == sa.false())
            .order_by(SCHEDULES.c.next_due)
            .limit(limit)
        )
        async with reading_all_tenants(self._engine) as connection:
            return [_read_row(row) for row in (await connection.execute(query)).mappings()]

    async def swap(self, seen: ScheduleRow, changed: ScheduleRow) -> bool:
        """See the port."""
        before = _write_row(seen)
        same = [SCHEDULES.c[name] == before[name] for name in _SEEN]
        update = sa.update(SCHEDULES).where(_is_row(seen.tenant, seen.flow), *same).values(_write_row(changed))
        async with using(self._engine, seen.tenant) as connection:
            return bool((await connection.execute(update)).rowcount)


def _is_row(tenant: TenantId, flow: FlowId) -> sa.ColumnElement[bool]:
    return (SCHEDULES.c.tenant == tenant) & (SCHEDULES.c.flow == flow)


def _write_row(row: ScheduleRow) -> dict[str, Any]:
    values = write_columns(row) | {"timing": msgspec.json.encode(row.timing).decode()}
    return {name: value for name, value in values.items() if name not in {"tenant", "flow"}}


def _read_row(row: sa.RowMapping) -> ScheduleRow:
    return read_columns(ScheduleRow, row, timing=msgspec.json.decode(row["timing"], type=Timing))
