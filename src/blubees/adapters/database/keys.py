"""Wrapped keys of tenants in the database (port KeyStore)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.audit import write_event
from blubees.adapters.database.schema import (
    AUDIT_EVENTS,
    CONNECTIONS,
    DERIVED_KEYS,
    HOOK_REGISTRATIONS,
    HOOK_REMOVALS,
    HOOK_RENEWALS,
    PARKED_RUNS,
    TENANT_KEYS,
    TENANTS,
)
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, refusing_gone_keys, using
from blubees.model.audit import AuditEvent
from blubees.model.errors import ConflictError, UnavailableError
from blubees.model.ids import TenantId
from blubees.ports import DerivedKeyRow, KeyRow, RunKeyRow, TenantVault

SHRED_TRIES: Final = 5


class SqlKeyStore:
    """Port KeyStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, tenant: TenantId) -> Sequence[KeyRow]:
        """See the port."""
        query = sa.select(TENANT_KEYS).where(TENANT_KEYS.c.tenant == tenant).order_by(TENANT_KEYS.c.version.desc())
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_read_key(row) for row in rows]

    async def add(self, row: KeyRow) -> bool:
        """See the port."""
        insert = insert_into(self._engine, TENANT_KEYS).values(
            tenant=row.tenant,
            version=row.version,
            wrapped=row.wrapped,
            minimum=row.minimum,
            created_at=row.created_at_milliseconds,
            wrapped_at=row.wrapped_at_milliseconds,
        )
        async with using(self._engine, row.tenant) as connection:
            return (await connection.execute(insert.on_conflict_do_nothing())).rowcount > 0

    async def rewrap(self, row: KeyRow, before: bytes) -> bool:
        """See the port."""
        is_it = sa.and_(
            TENANT_KEYS.c.tenant == row.tenant, TENANT_KEYS.c.version == row.version, TENANT_KEYS.c.wrapped == before
        )
        values = {"wrapped": row.wrapped, "wrapped_at": row.wrapped_at_milliseconds}
        async with using(self._engine, row.tenant) as connection:
            return (await connection.execute(sa.update(TENANT_KEYS).where(is_it).values(**values))).rowcount > 0

    async def retire(self, tenant: TenantId, below: int) -> bool:
        """See the port."""
        columns = TENANT_KEYS.c
        raised = sa.update(TENANT_KEYS).where(columns.tenant == tenant, columns.version == below, columns.minimum < below)
        try:
            async with refusing_gone_keys(), using(self._engine, tenant) as connection:
                # the database refuses it while something refers to one of them: see schema.py
                await connection.execute(sa.delete(TENANT_KEYS).where(columns.tenant == tenant, columns.version < below))
                await connection.execute(raised.values(minimum=below))
        except ConflictError:
            return False
        return True

    async def list_tenants(self) -> Sequence[TenantId]:
        """See the port."""
        query = sa.select(TENANT_KEYS.c.tenant).distinct().order_by(TENANT_KEYS.c.tenant)
        async with reading_all_tenants(self._engine) as connection:
            return [TenantId(each) for each in (await connection.execute(query)).scalars()]

    async def describe(self, tenant: TenantId) -> TenantVault:
        """See the port."""
        versions = await self.load(tenant)
        newest = max((row.version for row in versions), default=0)

        def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            return sa.select(sa.func.count()).select_from(table).where(table.c.tenant == tenant, *where).scalar_subquery()

        sealed = (CONNECTIONS, DERIVED_KEYS, PARKED_RUNS)
        older = [count(table, table.c.key_version < newest) for table in sealed]
        query = sa.select(count(CONNECTIONS), count(PARKED_RUNS, PARKED_RUNS.c.key_version > 0), *older)
        async with using(self._engine, tenant) as connection:
            connections, run_keys, *under = (await connection.execute(query)).one()
        return TenantVault(tenant=tenant, versions=versions, connections=connections, run_keys=run_keys, under_older=sum(under))

    async def list_wrapped(self) -> Sequence[bytes]:
        """See the port."""
        query = sa.select(TENANT_KEYS.c.wrapped).where(sa.func.length(TENANT_KEYS.c.wrapped) > 0)
        async with reading_all_tenants(self._engine) as connection:
            return [bytes(each) for each in (await connection.execute(query)).scalars()]

    async def list_derived(self, tenant: TenantId, *, below: int) -> Sequence[DerivedKeyRow]:
        """See the port."""
        query = sa.select(DERIVED_KEYS).where(DERIVED_KEYS.c.tenant == tenant, DERIVED_KEYS.c.key_version < below)
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            DerivedKeyRow(tenant=tenant, purpose=row["purpose"], key_version=row["key_version"], wrapped=bytes(row["wrapped"]))
            for row in rows
        ]

    async def swap_derived(self, row: DerivedKeyRow, before: bytes) -> bool:
        """See the port."""
        columns = DERIVED_KEYS.c
        is_it = sa.and_(columns.tenant == row.tenant, columns.purpose == row.purpose, columns.wrapped == before)
        update = sa.update(DERIVED_KEYS).where(is_it).values(key_version=row.key_version, wrapped=row.wrapped)
        async with refusing_gone_keys(), using(self._engine, row.tenant) as connection:
            return (await connection.execute(update)).rowcount > 0

    async def list_run_keys(self, tenant: TenantId, *, below: int, after: str, limit: int) -> Sequence[RunKeyRow]:
        """See the port."""
        columns = PARKED_RUNS.c
        query = sa.select(columns.run, columns.key_version, columns.sealed_key).where(
            columns.tenant == tenant, columns.key_version < below, columns.run > after
        )
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query.order_by(columns.run).limit(limit))).mappings().all()
        return [
            RunKeyRow(tenant=tenant, run=row["run"], key_version=row["key_version"], sealed=bytes(row["sealed_key"]))
            for row in rows
        ]

    async def swap_run_key(self, row: RunKeyRow, before: bytes) -> bool:
        """See the port."""
        columns = PARKED_RUNS.c
        is_it = sa.and_(columns.tenant == row.tenant, columns.run == row.run, columns.sealed_key == before)
        update = sa.update(PARKED_RUNS).where(is_it).values(key_version=row.key_version, sealed_key=row.sealed)
        async with refusing_gone_keys(), using(self._engine, row.tenant) as connection:
            return (await connection.execute(update)).rowcount > 0

    async def shred(self, tenant: TenantId, event: AuditEvent) -> bool:
        """See the port."""
        for _ in range(SHRED_TRIES):
            with suppress(ConflictError):
                return await self._shred(tenant, event)
        raise UnavailableError("The tenant's keys are in use by another process.")

    async def list_gone(self) -> Sequence[TenantId]:
        """See the port."""
        is_left = sa.and_(sa.func.length(TENANT_KEYS.c.wrapped) > 0, TENANT_KEYS.c.created_at <= TENANTS.c.gone_at)
        query = sa.select(TENANT_KEYS.c.tenant).join(TENANTS, TENANTS.c.tenant == TENANT_KEYS.c.tenant)
        query = query.where(TENANTS.c.gone_at > 0, is_left).distinct().order_by(TENANT_KEYS.c.tenant)
        async with reading_all_tenants(self._engine) as connection:
            return [TenantId(each) for each in (await connection.execute(query)).scalars()]

    async def shredded_at(self) -> int:
        """See the port."""
        query = sa.select(sa.func.max(TENANT_KEYS.c.wrapped_at)).where(sa.func.length(TENANT_KEYS.c.wrapped) == 0)
        async with reading_all_tenants(self._engine) as connection:
            return (await connection.execute(query)).scalar() or 0

    async def load_derived(self, tenant: TenantId, purpose: str) -> DerivedKeyRow | None:
        """See the port."""
        query = sa.select(DERIVED_KEYS).where(DERIVED_KEYS.c.tenant == tenant, DERIVED_KEYS.c.purpose == purpose)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        wrapped = bytes(row["wrapped"])
        return DerivedKeyRow(tenant=tenant, purpose=purpose, key_version=row["key_version"], wrapped=wrapped)

    async def add_derived(self, row: DerivedKeyRow) -> bool:
        """See the port."""
        values = {"tenant": row.tenant, "purpose": row.purpose, "key_version": row.key_version, "wrapped": row.wrapped}
        insert = insert_into(self._engine, DERIVED_KEYS).values(**values).on_conflict_do_nothing()
        async with refusing_gone_keys(), using(self._engine, row.tenant) as connection:
            return (await connection.execute(insert)).rowcount > 0

    async def _shred(self, tenant: TenantId, event: AuditEvent) -> bool:
        keys = TENANT_KEYS.c
        newest = sa.select(sa.func.max(keys.version)).where(keys.tenant == tenant, sa.func.length(keys.wrapped) > 0)
        async with refusing_gone_keys(), using(self._engine, tenant) as connection:
            version = (await connection.execute(newest)).scalar()
            if version is None:
                return False
            for table in (CONNECTIONS, DERIVED_KEYS, HOOK_REGISTRATIONS, HOOK_REMOVALS, HOOK_RENEWALS):
                await connection.execute(sa.delete(table).where(table.c.tenant == tenant))
            no_key = {"key_version": None, "sealed_key": b""}
            await connection.execute(sa.update(PARKED_RUNS).where(PARKED_RUNS.c.tenant == tenant).values(**no_key))
            # rows that are gone, not emptied: the database refuses what another process would seal under them yet
            await connection.execute(sa.delete(TENANT_KEYS).where(keys.tenant == tenant))
            at = event.at_milliseconds
            grave = {"tenant": tenant, "version": version + 1, "minimum": version + 1, "wrapped": b""}
            await connection.execute(sa.insert(TENANT_KEYS).values(**grave, created_at=at, wrapped_at=at))
            await connection.execute(sa.insert(AUDIT_EVENTS), [write_event(event)])
        return True


def _read_key(row: Mapping[Any, Any]) -> KeyRow:
    return KeyRow(
        tenant=row["tenant"],
        version=row["version"],
        wrapped=bytes(row["wrapped"]),
        minimum=row["minimum"],
        created_at_milliseconds=row["created_at"],
        wrapped_at_milliseconds=row["wrapped_at"],
    )
