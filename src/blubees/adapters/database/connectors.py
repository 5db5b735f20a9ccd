"""Connectors that tenants imported, in the database (port ConnectorStore). Used by main/control_plane.py."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import CONNECTOR_ACTIONS, CONNECTOR_FORMS, CONNECTORS
from blubees.adapters.database.transaction import using
from blubees.model.ids import TenantId
from blubees.ports import ActionRow, ConnectorRow, FormRow

CHUNK: Final = 500  # rows of one statement, and names of one IN
_SHOWN: Final = tuple(each for each in CONNECTOR_ACTIONS.c if each.name not in {"tenant", "connector", "packed", "words"})

_Item = TypeVar("_Item")


class SqlConnectorStore:
    """Port ConnectorStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def replace(self, row: ConnectorRow, actions: Sequence[ActionRow], forms: Sequence[FormRow], *, after: int) -> bool:
        """See the port."""
        values = {
            "title": row.title,
            "source": row.source,
            "source_version": row.source_version,
            "origin": row.origin,
            "revision": row.revision,
            "actions": row.actions,
            "triggers": row.triggers,
            "imported_at": row.imported_at_milliseconds,
            "packed": row.packed,
        }
        key = {"tenant": row.tenant, "connector": row.name}
        is_it = sa.and_(CONNECTORS.c.tenant == row.tenant, CONNECTORS.c.name == row.name)
        try:
            async with using(self._engine, row.tenant) as connection:
                if after:
                    update = sa.update(CONNECTORS).where(is_it, CONNECTORS.c.revision == after).values(values)
                    if not (await connection.execute(update)).rowcount:
                        return False
                else:
                    await connection.execute(sa.insert(CONNECTORS).values(tenant=row.tenant, name=row.name, **values))
                for table in (CONNECTOR_ACTIONS, CONNECTOR_FORMS):
                    await connection.execute(sa.delete(table).where(_is_of(table, row.tenant, row.name)))
                for some in _cut(actions):
                    await connection.execute(sa.insert(CONNECTOR_ACTIONS), [key | _write_action(each) for each in some])
                for parts in _cut(forms):
                    await connection.execute(
                        sa.insert(CONNECTOR_FORMS), [key | {"name": each.name, "packed": each.packed} for each in parts]
                    )
        except IntegrityError:
            return False
        return True

    async def load(self, tenant: TenantId, name: str) -> ConnectorRow | None:
        """See the port."""
        query = sa.select(CONNECTORS).where(CONNECTORS.c.tenant == tenant, CONNECTORS.c.name == name)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
        return _read_connector(row) if row else None

    async def list(self, tenant: TenantId) -> Sequence[ConnectorRow]:
        """See the port."""
        query = sa.select(CONNECTORS).where(CONNECTORS.c.tenant == tenant).order_by(CONNECTORS.c.name)
        async with using(self._engine, tenant) as connection:
            return [_read_connector(row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, tenant: TenantId, name: str) -> bool:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            for table in (CONNECTOR_ACTIONS, CONNECTOR_FORMS):
                await connection.execute(sa.delete(table).where(_is_of(table, tenant, name)))
            query = sa.delete(CONNECTORS).where(CONNECTORS.c.tenant == tenant, CONNECTORS.c.name == name)
            return (await connection.execute(query)).rowcount > 0

    async def load_actions(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[ActionRow]:
        """See the port."""
        rows = await self._load(CONNECTOR_ACTIONS, tenant, connector, names)
        return [_read_action(each) for each in rows]

    async def load_forms(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[FormRow]:
        """See the port."""
        rows = await self._load(CONNECTOR_FORMS, tenant, connector, names)
        return [FormRow(name=each["name"], packed=bytes(each["packed"])) for each in rows]

    async def list_actions(
        self, tenant: TenantId, connector: str, *, after: str = "", limit: int = 100_000
    ) -> Sequence[ActionRow]:
        """See the port."""
        table = CONNECTOR_ACTIONS
        query = sa.select(*_SHOWN).where(_is_of(table, tenant, connector), table.c.name > after).order_by(table.c.name)
        async with using(self._engine, tenant) as connection:
            return [_read_action(row) for row in (await connection.execute(query.limit(limit))).mappings()]

    async def search(
        self, tenant: TenantId, connector: str, beginnings: Sequence[str], *, limit: int
    ) -> Sequence[tuple[str, ActionRow]]:
        """See the port."""
        table = CONNECTOR_ACTIONS
        query = sa.select(table.c.connector, *_SHOWN).where(table.c.tenant == tenant).limit(limit)
        if connector:
            query = query.where(table.c.connector == connector)
        for each in beginnings:
            query = query.where(table.c.words.contains(f" {each}", autoescape=True))
        async with using(self._engine, tenant) as connection:
            return [(row["connector"], _read_action(row)) for row in (await connection.execute(query)).mappings()]

    async def _load(
        self, table: sa.Table, tenant: TenantId, connector: str, names: Collection[str] | None
    ) -> Sequence[sa.RowMapping]:
        query = sa.select(table).where(_is_of(table, tenant, connector)).order_by(table.c.name)
        found: list[sa.RowMapping] = []
        async with using(self._engine, tenant) as connection:
            if names is None:
                return (await connection.execute(query)).mappings().all()
            for some in _cut(sorted(names)):
                found += (await connection.execute(query.where(table.c.name.in_(some)))).mappings().all()
        return found


def _is_of(table: sa.Table, tenant: TenantId, connector: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant == tenant, table.c.connector == connector)


def _cut(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _write_action(row: ActionRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "group_name": row.group,
        "effect": row.effect,
        "method": row.method,
        "path": row.path,
        "deprecated": row.is_deprecated,
        "words": row.words,
        "packed": row.packed,
    }


def _read_action(row: sa.RowMapping) -> ActionRow:
    return ActionRow(
        name=row["name"],
        title=row["title"],
        group=row["group_name"],
        effect=row["effect"],
        method=row["method"],
        path=row["path"],
        is_deprecated=row["deprecated"],
        words=row.get("words", ""),
        packed=bytes(row.get("packed", b"")),
    )


def _read_connector(row: sa.RowMapping) -> ConnectorRow:
    return ConnectorRow(
        tenant=row["tenant"],
        name=row["name"],
        title=row["title"],
        source=row["source"],
        source_version=row["source_version"],
        origin=row["origin"],
        revision=row["revision"],
        actions=row["actions"],
        triggers=row["triggers"],
        imported_at_milliseconds=row["imported_at"],
        packed=bytes(row["packed"]),
    )
