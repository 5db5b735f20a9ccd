"""Flows and their versions in the database (port FlowStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import FLOWS, TENANTS, VERSIONS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.model.errors import ConflictError
from blubees.model.ids import FlowId, TenantId
from blubees.ports import FlowRow, VersionRow


class SqlFlowStore:
    """Port FlowStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save_draft(self, row: FlowRow) -> None:
        """See the port."""
        changed = {"name": row.name, "draft": row.draft, "changed_at": row.changed_at_milliseconds}
        insert = insert_into(self._engine, FLOWS).values(
            tenant=row.tenant, flow=row.flow, live_version=0, newest_version=0, hook_token_hash="", **changed
        )
        async with using(self._engine, row.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "flow"], set_=changed))

    async def publish(self, row: VersionRow, *, hook_token_hash: str) -> None:
        """See the port."""
        update = (
            sa.update(FLOWS)
            .where(_is_flow(FLOWS, row.tenant, row.flow))
            .values(
                live_version=row.version,
                newest_version=row.version,
                hook_token_hash=hook_token_hash,
                changed_at=row.published_at_milliseconds,
            )
        )
        values = {
            "tenant": row.tenant,
            "flow": row.flow,
            "version": row.version,
            "text": row.text,
            "published_at": row.published_at_milliseconds,
            "connectors": row.connectors.decode(),
        }
        try:
            async with using(self._engine, row.tenant) as connection:
                await connection.execute(sa.insert(VERSIONS).values(values))
                await connection.execute(update)
        except IntegrityError as error:
            raise ConflictError("Somebody published this flow meanwhile. Look at it and publish again.") from error

    async def make_live(self, tenant: TenantId, flow: FlowId, version: int, at_milliseconds: int) -> None:
        """See the port."""
        await self._change(tenant, flow, {"live_version": version, "changed_at": at_milliseconds})

    async def set_hook(self, tenant: TenantId, flow: FlowId, hook_token_hash: str) -> None:
        """See the port."""
        await self._change(tenant, flow, {"hook_token_hash": hook_token_hash})

    async def load(self, tenant: TenantId, flow: FlowId) -> FlowRow | None:
        """See the port."""
        query = sa.select(FLOWS).where(_is_flow(FLOWS, tenant, flow))
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
            return _read_flow(row) if row else None

    async def list(self, tenant: TenantId) -> Sequence[FlowRow]:
        """See the port."""
        query = sa.select(FLOWS).where(FLOWS.c.tenant == tenant).order_by(FLOWS.c.flow)
        async with using(self._engine, tenant) as connection:
            return [_read_flow(row) for row in (await connection.execute(query)).mappings()]

    async def load_version(self, tenant: TenantId, flow: FlowId, version: int) -> VersionRow | None:
        """See the port."""
        query = sa.select(VERSIONS).where(_is_flow(VERSIONS, tenant, flow), VERSIONS.c.version == version)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
            return _read_version(row) if row else None

    async def list_versions(self, tenant: TenantId, flow: FlowId) -> Sequence[VersionRow]:
        """See the port."""
        query = sa.select(VERSIONS).where(_is_flow(VERSIONS, tenant, flow)).order_by(VERSIONS.c.version.desc())
        async with using(self._engine, tenant) as connection:
            return [_read_version(row) for row in (await connection.execute(query)).mappings()]

    async def list_live(self, tenant: TenantId | None = None) -> Sequence[tuple[FlowRow, VersionRow]]:
        """See the port."""
        live = sa.and_(
            VERSIONS.c.tenant == FLOWS.c.tenant,
            VERSIONS.c.flow == FLOWS.c.flow,
            VERSIONS.c.version == FLOWS.c.live_version,
        )
        query = sa.select(FLOWS, VERSIONS.c.version, VERSIONS.c.text, VERSIONS.c.published_at, VERSIONS.c.connectors).join(
            VERSIONS, live
        )
        is_gone = sa.exists().where(TENANTS.c.tenant == FLOWS.c.tenant, TENANTS.c.uninstalled == sa.true())
        query = query.where(~is_gone) if tenant is None else query.where(FLOWS.c.tenant == tenant)
        opened = reading_all_tenants(self._engine) if tenant is None else using(self._engine, tenant)
        async with opened as connection:
            rows = (await connection.execute(query)).mappings()
            return [(_read_flow(row), _read_version(row)) for row in rows]

    async def _change(self, tenant: TenantId, flow: FlowId, values: Mapping[str, object]) -> None:
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.update(FLOWS).where(_is_flow(FLOWS, tenant, flow)).values(**values))


def _is_flow(table: sa.Table, tenant: TenantId, flow: FlowId) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant == tenant, table.c.flow == flow)


def _read_flow(row: Mapping[Any, Any]) -> FlowRow:
    return FlowRow(
        tenant=row["tenant"],
        flow=row["flow"],
        name=row["name"],
        draft=row["draft"],
        live_version=row["live_version"],
        newest_version=row["newest_version"],
        hook_token_hash=row["hook_token_hash"],
        changed_at_milliseconds=row["changed_at"],
    )


def _read_version(row: Mapping[Any, Any]) -> VersionRow:
    return VersionRow(
        tenant=row["tenant"],
        flow=row["flow"],
        version=row["version"],
        text=row["text"],
        published_at_milliseconds=row["published_at"],
        connectors=row["connectors"].encode(),
    )
