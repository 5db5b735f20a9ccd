"""Connections and their sealed secrets in the database (port ConnectionStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.adapters.database.schema import CONNECTIONS, SECRET_FIELDS
from blubees.adapters.database.transaction import insert_into, refusing_gone_keys, using
from blubees.model.authorisation import list_leased
from blubees.model.connection import Connection, ConnectionKind, SecretFact
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import SecretRow

_FACTS = ("field", "version", "sealed", "fingerprint", "last_four", "changed_at")
_IS_ITS = sa.and_(SECRET_FIELDS.c.tenant == CONNECTIONS.c.tenant, SECRET_FIELDS.c.connection == CONNECTIONS.c.name)
_ONE = (  # with its fields, in one question: every lease asks it
    sa.select(
        CONNECTIONS,
        *(SECRET_FIELDS.c[name].label(f"field_{name}") for name in _FACTS),
    )
    .select_from(CONNECTIONS.outerjoin(SECRET_FIELDS, _IS_ITS))
    .where(CONNECTIONS.c.tenant == sa.bindparam("of"), CONNECTIONS.c.name == sa.bindparam("which"))
    .order_by(SECRET_FIELDS.c.field)
)
_FIELDS = sa.select(SECRET_FIELDS).where(SECRET_FIELDS.c.tenant == sa.bindparam("of")).order_by(SECRET_FIELDS.c.field)


class SqlConnectionStore:
    """Port ConnectionStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, row: SecretRow, *, after: int) -> bool:
        """See the port."""
        each = row.connection
        async with refusing_gone_keys(), using(self._engine, each.tenant) as connection:
            if not await self._write_head(connection, row, after):
                return False
            is_its = sa.and_(SECRET_FIELDS.c.tenant == each.tenant, SECRET_FIELDS.c.connection == each.name)
            if after:
                await connection.execute(sa.delete(SECRET_FIELDS).where(is_its))
            if each.fields:
                await connection.execute(sa.insert(SECRET_FIELDS), [_write_field(row, fact) for fact in each.fields])
        return True

    async def _write_head(self, connection: AsyncConnection, row: SecretRow, after: int) -> bool:
        each = row.connection
        values = {
            "kind": each.kind.value,
            "hosts": " ".join(each.hosts),
            "user_name": each.user_name,
            "parameter": each.parameter,
            "settings": msgspec.json.encode(each.settings, order="sorted").decode(),
            "flows": " ".join(each.flows),
            "version": each.version,
            "created_at": each.created_at_milliseconds,
            "changed_at": each.changed_at_milliseconds,
            "sealed_at": each.sealed_at_milliseconds,
            "key_version": row.key_version,
            "wrapped_key": row.wrapped_key,
        }
        statement: sa.Insert | sa.Update
        if after:
            is_it = sa.and_(CONNECTIONS.c.tenant == each.tenant, CONNECTIONS.c.name == each.name)
            statement = sa.update(CONNECTIONS).where(is_it, CONNECTIONS.c.version == after).values(**values)
        else:
            insert = insert_into(self._engine, CONNECTIONS).values(tenant=each.tenant, name=each.name, **values)
            statement = insert.on_conflict_do_nothing(index_elements=["tenant", "name"])
        return (await connection.execute(statement)).rowcount > 0

    async def load(self, tenant: TenantId, name: ConnectionName) -> SecretRow | None:
        """See the port."""
        which = {"of": tenant, "which": name}
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(_ONE, which)).mappings().all()
        if not rows:
            return None
        row = rows[0]
        fields = [{name: each[f"field_{name}"] for name in _FACTS} for each in rows if each["field_field"] is not None]
        return SecretRow(
            connection=_read_connection(row, fields),
            key_version=row["key_version"],
            wrapped_key=bytes(row["wrapped_key"]),
            sealed={field["field"]: bytes(field["sealed"]) for field in fields},
        )

    async def list(self, tenant: TenantId) -> Sequence[Connection]:
        """See the port."""
        query = sa.select(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant).order_by(CONNECTIONS.c.name)
        fields: dict[str, list[Mapping[Any, Any]]] = {}
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
            for field in (await connection.execute(_FIELDS, {"of": tenant})).mappings():
                fields.setdefault(field["connection"], []).append(field)
        return [_read_connection(row, fields.get(row["name"], [])) for row in rows]

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """See the port."""
        query = sa.delete(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant, CONNECTIONS.c.name == name)
        async with using(self._engine, tenant) as connection:
            return (await connection.execute(query)).rowcount > 0

    async def list_sealed(
        self, tenant: TenantId, *, key_below: int, before_milliseconds: int, after: str, limit: int
    ) -> Sequence[ConnectionName]:
        """See the port."""
        columns = CONNECTIONS.c
        is_old = sa.or_(columns.key_version < key_below, columns.sealed_at < before_milliseconds)
        query = sa.select(columns.name).where(columns.tenant == tenant, columns.name > after, is_old)
        async with using(self._engine, tenant) as connection:
            names = await connection.execute(query.order_by(columns.name).limit(limit))
            return [ConnectionName(name) for name in names.scalars()]

    async def reseal(self, row: SecretRow, before: SecretRow) -> bool:
        """See the port."""
        each, columns, fields = row.connection, CONNECTIONS.c, SECRET_FIELDS.c
        is_it = sa.and_(columns.tenant == each.tenant, columns.name == each.name)
        is_as_before = sa.and_(
            columns.version == before.connection.version,
            columns.wrapped_key == before.wrapped_key,
            columns.version == each.version,
        )
        head = {"key_version": row.key_version, "wrapped_key": row.wrapped_key, "sealed_at": each.sealed_at_milliseconds}
        is_its = sa.and_(fields.tenant == each.tenant, fields.connection == each.name, fields.field == sa.bindparam("which"))
        update = sa.update(SECRET_FIELDS).where(is_its).values(sealed=sa.bindparam("anew"))
        anew = [{"which": name, "anew": sealed} for name, sealed in row.sealed.items() if before.sealed[name] != sealed]
        async with refusing_gone_keys(), using(self._engine, each.tenant) as connection:
            changed = await connection.execute(sa.update(CONNECTIONS).where(is_it, is_as_before).values(**head))
            if changed.rowcount == 0:
                return False
            for values in anew:
                await connection.execute(update, values)
        return True


def _write_field(row: SecretRow, fact: SecretFact) -> dict[str, object]:
    return {
        "tenant": row.connection.tenant,
        "connection": row.connection.name,
        "field": fact.field,
        "version": fact.version,
        "sealed": row.sealed[fact.field],
        "fingerprint": fact.fingerprint,
        "last_four": fact.last_four,
        "changed_at": fact.changed_at_milliseconds,
    }


def _read_connection(row: Mapping[Any, Any], fields: Sequence[Mapping[Any, Any]]) -> Connection:
    kind = ConnectionKind(row["kind"])
    facts = tuple(
        SecretFact(
            field=field["field"],
            version=field["version"],
            fingerprint=field["fingerprint"],
            last_four=field["last_four"],
            changed_at_milliseconds=field["changed_at"],
        )
        for field in fields
    )
    return Connection(
        tenant=row["tenant"],
        name=row["name"],
        kind=kind,
        hosts=tuple(row["hosts"].split()),
        user_name=row["user_name"],
        parameter=row["parameter"],
        settings=msgspec.json.decode(row["settings"], type=dict[str, str]),
        flows=tuple(row["flows"].split()),
        version=row["version"],
        fields=facts,
        fingerprint=next((fact.fingerprint for fact in facts if fact.field == list_leased(kind)[0]), ""),
        created_at_milliseconds=row["created_at"],
        changed_at_milliseconds=row["changed_at"],
        sealed_at_milliseconds=row["sealed_at"],
        used_at_milliseconds=row["used_at"],
    )
