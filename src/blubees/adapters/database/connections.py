"""Connections, sealed secrets and wrapped tenant keys in the database (port ConnectionStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import CONNECTIONS, TENANT_KEYS
from blubees.adapters.database.transaction import insert_into, using
from blubees.model.connection import Connection, ConnectionKind
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import SecretRow


class SqlConnectionStore:
    """Port ConnectionStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, row: SecretRow) -> None:
        """See the port."""
        each = row.connection
        values = {
            "kind": each.kind.value,
            "hosts": " ".join(each.hosts),
            "user_name": each.user_name,
            "parameter": each.parameter,
            "fingerprint": each.fingerprint,
            "created_at": each.created_at_milliseconds,
            "key_version": row.key_version,
            "sealed": row.sealed,
        }
        insert = insert_into(self._engine, CONNECTIONS).values(tenant=each.tenant, name=each.name, **values)
        async with using(self._engine, each.tenant) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "name"], set_=values))

    async def load(self, tenant: TenantId, name: ConnectionName) -> SecretRow | None:
        """See the port."""
        query = sa.select(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant, CONNECTIONS.c.name == name)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        return SecretRow(connection=_read_connection(row), key_version=row["key_version"], sealed=bytes(row["sealed"]))

    async def list(self, tenant: TenantId) -> Sequence[Connection]:
        """See the port."""
        query = sa.select(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant).order_by(CONNECTIONS.c.name)
        async with using(self._engine, tenant) as connection:
            return [_read_connection(row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """See the port."""
        query = sa.delete(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant, CONNECTIONS.c.name == name)
        async with using(self._engine, tenant) as connection:
            return (await connection.execute(query)).rowcount > 0

    async def load_key(self, tenant: TenantId) -> tuple[int, bytes] | None:
        """See the port."""
        query = (
            sa.select(TENANT_KEYS.c.version, TENANT_KEYS.c.wrapped)
            .where(TENANT_KEYS.c.tenant == tenant)
            .order_by(TENANT_KEYS.c.version.desc())
            .limit(1)
        )
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).first()
            return (int(row[0]), bytes(row[1])) if row else None

    async def add_key(self, tenant: TenantId, version: int, wrapped: bytes) -> bool:
        """See the port."""
        insert = insert_into(self._engine, TENANT_KEYS).values(tenant=tenant, version=version, wrapped=wrapped)
        async with using(self._engine, tenant) as connection:
            return (await connection.execute(insert.on_conflict_do_nothing())).rowcount > 0

    async def delete_keys(self, tenant: TenantId) -> None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            await connection.execute(sa.delete(TENANT_KEYS).where(TENANT_KEYS.c.tenant == tenant))


def _read_connection(row: Mapping[Any, Any]) -> Connection:
    return Connection(
        tenant=row["tenant"],
        name=row["name"],
        kind=ConnectionKind(row["kind"]),
        hosts=tuple(row["hosts"].split()),
        user_name=row["user_name"],
        parameter=row["parameter"],
        fingerprint=row["fingerprint"],
        created_at_milliseconds=row["created_at"],
    )
