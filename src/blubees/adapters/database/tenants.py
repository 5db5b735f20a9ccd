"""Tenants in the database (port TenantStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import TENANTS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.model.ids import TenantId
from blubees.model.receipt import STRAGGLING_MILLISECONDS, LicenceState, TenantSeen
from blubees.ports import TenantRow


class SqlTenantStore:
    """Port TenantStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, seen: TenantSeen) -> None:
        """See the port."""
        values = {
            "environment_id": seen.environment_id,
            "environment_type": seen.environment_type,
            "cloud_id": seen.cloud_id,
            "installation_id": seen.installation_id,
            "licence": seen.licence.value,
            "uninstalled": seen.uninstalled,
            "seen_at": seen.seen_at_milliseconds,
        }
        insert = insert_into(self._engine, TENANTS).values(
            tenant=seen.tenant, first_seen_at=seen.seen_at_milliseconds, **values
        )
        newer = TENANTS.c.seen_at <= seen.seen_at_milliseconds
        if not seen.uninstalled:
            until = TENANTS.c.seen_at + STRAGGLING_MILLISECONDS
            is_same = TENANTS.c.installation_id == seen.installation_id
            is_straggler = sa.and_(TENANTS.c.uninstalled == sa.true(), is_same, until > seen.seen_at_milliseconds)
            newer = sa.and_(newer, sa.not_(is_straggler))
        async with using(self._engine, TenantId(seen.tenant)) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant"], set_=values, where=newer))

    async def leave(self, goodbye: TenantSeen, heard_at_milliseconds: int) -> None:
        """See the port."""
        tenant, said_at = TenantId(goodbye.tenant), goodbye.seen_at_milliseconds
        is_new = sa.and_(TENANTS.c.tenant == tenant, TENANTS.c.gone_at < said_at)
        is_same = TENANTS.c.installation_id == goodbye.installation_id
        has_left = sa.or_(
            TENANTS.c.uninstalled == sa.true(), sa.and_(is_same, TENANTS.c.seen_at < said_at + STRAGGLING_MILLISECONDS)
        )
        values = {"gone_at": max(said_at, heard_at_milliseconds), "uninstalled": has_left}
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.update(TENANTS).where(is_new).values(**values))

    async def list(self) -> Sequence[TenantRow]:
        """See the port."""
        async with reading_all_tenants(self._engine) as connection:
            rows = await connection.execute(sa.select(TENANTS).order_by(TENANTS.c.first_seen_at.desc()))
            return [_read_tenant(row) for row in rows.mappings()]

    async def load(self, tenant: TenantId) -> TenantRow | None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(sa.select(TENANTS).where(TENANTS.c.tenant == tenant))).mappings().first()
            return _read_tenant(row) if row else None


def _read_tenant(row: Mapping[Any, Any]) -> TenantRow:
    seen = TenantSeen(
        tenant=row["tenant"],
        environment_id=row["environment_id"],
        environment_type=row["environment_type"],
        cloud_id=row["cloud_id"],
        installation_id=row["installation_id"],
        licence=LicenceState(row["licence"]),
        seen_at_milliseconds=row["seen_at"],
        uninstalled=bool(row["uninstalled"]),
    )
    return TenantRow(seen=seen, first_seen_at_milliseconds=row["first_seen_at"])
