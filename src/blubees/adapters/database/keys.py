"""Wrapped keys of tenants in the database (port KeyStore)."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import CONNECTIONS, DERIVED_KEYS, PARKED_RUNS, TENANT_KEYS
from blubees.adapters.database.transaction import insert_into, refusing_gone_keys, using
from blubees.model.ids import TenantId
from blubees.ports import DerivedKeyRow, KeyRow


class SqlKeyStore:
    """Port KeyStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, tenant: TenantId) -> Sequence[KeyRow]:
        """See the port."""
        query = sa.select(TENANT_KEYS).where(TENANT_KEYS.c.tenant == tenant).order_by(TENANT_KEYS.c.version.desc())
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            KeyRow(
                tenant=tenant,
                version=row["version"],
                wrapped=bytes(row["wrapped"]),
                minimum=row["minimum"],
                created_at_milliseconds=row["created_at"],
                wrapped_at_milliseconds=row["wrapped_at"],
            )
            for row in rows
        ]

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

    async def shred(self, tenant: TenantId) -> None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.update(TENANT_KEYS).where(TENANT_KEYS.c.tenant == tenant).values(wrapped=b""))
            for table in (CONNECTIONS, DERIVED_KEYS):
                await connection.execute(sa.delete(table).where(table.c.tenant == tenant))
            no_key = {"key_version": None, "sealed_key": b""}
            await connection.execute(sa.update(PARKED_RUNS).where(PARKED_RUNS.c.tenant == tenant).values(**no_key))

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
