"""The store ports on SQLAlchemy Core: SQLite on one machine, written so that PostgreSQL works too. Control plane only.

Built by main/control_plane.py. A conduit can't import it (an import-linter contract).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from blubees.adapters.schema import CONNECTIONS, FLOWS, RUNS, TENANT_KEYS, TENANTS, VERSIONS
from blubees.model.connection import Connection, ConnectionKind
from blubees.model.errors import ConflictError, UnavailableError
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.receipt import LicenceState, RunReceipt, TenantSeen
from blubees.ports import FlowRow, SecretRow, TenantRow, VersionRow

NEWEST_REVISION: Final = "0001"
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "secure_delete=ON",
    "temp_store=MEMORY",
    "cache_size=-4000",
)


class Database:
    """An open database with its four stores."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.tenants = SqlTenantStore(engine)
        self.flows = SqlFlowStore(engine)
        self.connections = SqlConnectionStore(engine)
        self.runs = SqlRunStore(engine)

    async def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        async with self._engine.connect() as connection:
            if await connection.run_sync(_read_revision) == NEWEST_REVISION:
                return
        async with self._engine.begin() as connection:
            await connection.run_sync(_run_migrations)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def open_database(url: str) -> Database:
    """Open a database.

    Args:
        url: "sqlite+aiosqlite:///PATH" or "postgresql+asyncpg://…".
    """
    engine = create_async_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine.sync_engine, "connect", _set_pragmas)
    return Database(engine)


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
        insert = _insert(self._engine, TENANTS).values(tenant=seen.tenant, first_seen_at=seen.seen_at_milliseconds, **values)
        newer = TENANTS.c.seen_at <= seen.seen_at_milliseconds
        async with _using(self._engine) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant"], set_=values, where=newer))

    async def list(self) -> Sequence[TenantRow]:
        """See the port."""
        async with _using(self._engine) as connection:
            rows = await connection.execute(sa.select(TENANTS).order_by(TENANTS.c.first_seen_at.desc()))
            return [_read_tenant(row) for row in rows.mappings()]

    async def load(self, tenant: TenantId) -> TenantRow | None:
        """See the port."""
        async with _using(self._engine) as connection:
            row = (await connection.execute(sa.select(TENANTS).where(TENANTS.c.tenant == tenant))).mappings().first()
            return _read_tenant(row) if row else None


class SqlFlowStore:
    """Port FlowStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save_draft(self, row: FlowRow) -> None:
        """See the port."""
        changed = {"name": row.name, "draft": row.draft, "changed_at": row.changed_at_milliseconds}
        insert = _insert(self._engine, FLOWS).values(
            tenant=row.tenant, flow=row.flow, live_version=0, newest_version=0, hook_token_hash="", **changed
        )
        async with _using(self._engine) as connection:
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
        }
        try:
            async with _using(self._engine) as connection:
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
        async with _using(self._engine) as connection:
            row = (await connection.execute(query)).mappings().first()
            return _read_flow(row) if row else None

    async def list(self, tenant: TenantId) -> Sequence[FlowRow]:
        """See the port."""
        query = sa.select(FLOWS).where(FLOWS.c.tenant == tenant).order_by(FLOWS.c.flow)
        async with _using(self._engine) as connection:
            return [_read_flow(row) for row in (await connection.execute(query)).mappings()]

    async def load_version(self, tenant: TenantId, flow: FlowId, version: int) -> VersionRow | None:
        """See the port."""
        query = sa.select(VERSIONS).where(_is_flow(VERSIONS, tenant, flow), VERSIONS.c.version == version)
        async with _using(self._engine) as connection:
            row = (await connection.execute(query)).mappings().first()
            return _read_version(row) if row else None

    async def list_versions(self, tenant: TenantId, flow: FlowId) -> Sequence[VersionRow]:
        """See the port."""
        query = sa.select(VERSIONS).where(_is_flow(VERSIONS, tenant, flow)).order_by(VERSIONS.c.version.desc())
        async with _using(self._engine) as connection:
            return [_read_version(row) for row in (await connection.execute(query)).mappings()]

    async def list_live(self) -> Sequence[tuple[FlowRow, VersionRow]]:
        """See the port."""
        live = sa.and_(
            VERSIONS.c.tenant == FLOWS.c.tenant,
            VERSIONS.c.flow == FLOWS.c.flow,
            VERSIONS.c.version == FLOWS.c.live_version,
        )
        query = sa.select(FLOWS, VERSIONS.c.version, VERSIONS.c.text, VERSIONS.c.published_at).join(VERSIONS, live)
        async with _using(self._engine) as connection:
            rows = (await connection.execute(query)).mappings()
            return [(_read_flow(row), _read_version(row)) for row in rows]

    async def _change(self, tenant: TenantId, flow: FlowId, values: Mapping[str, object]) -> None:
        async with _using(self._engine) as connection:
            await connection.execute(sa.update(FLOWS).where(_is_flow(FLOWS, tenant, flow)).values(**values))


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
        insert = _insert(self._engine, CONNECTIONS).values(tenant=each.tenant, name=each.name, **values)
        async with _using(self._engine) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "name"], set_=values))

    async def load(self, tenant: TenantId, name: ConnectionName) -> SecretRow | None:
        """See the port."""
        query = sa.select(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant, CONNECTIONS.c.name == name)
        async with _using(self._engine) as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        return SecretRow(connection=_read_connection(row), key_version=row["key_version"], sealed=bytes(row["sealed"]))

    async def list(self, tenant: TenantId) -> Sequence[Connection]:
        """See the port."""
        query = sa.select(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant).order_by(CONNECTIONS.c.name)
        async with _using(self._engine) as connection:
            return [_read_connection(row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """See the port."""
        query = sa.delete(CONNECTIONS).where(CONNECTIONS.c.tenant == tenant, CONNECTIONS.c.name == name)
        async with _using(self._engine) as connection:
            return (await connection.execute(query)).rowcount > 0

    async def load_key(self, tenant: TenantId) -> tuple[int, bytes] | None:
        """See the port."""
        query = (
            sa.select(TENANT_KEYS.c.version, TENANT_KEYS.c.wrapped)
            .where(TENANT_KEYS.c.tenant == tenant)
            .order_by(TENANT_KEYS.c.version.desc())
            .limit(1)
        )
        async with _using(self._engine) as connection:
            row = (await connection.execute(query)).first()
            return (int(row[0]), bytes(row[1])) if row else None

    async def add_key(self, tenant: TenantId, version: int, wrapped: bytes) -> bool:
        """See the port."""
        insert = _insert(self._engine, TENANT_KEYS).values(tenant=tenant, version=version, wrapped=wrapped)
        async with _using(self._engine) as connection:
            return (await connection.execute(insert.on_conflict_do_nothing())).rowcount > 0

    async def delete_keys(self, tenant: TenantId) -> None:
        """See the port."""
        async with _using(self._engine) as connection:
            await connection.execute(sa.delete(TENANT_KEYS).where(TENANT_KEYS.c.tenant == tenant))


class SqlRunStore:
    """Port RunStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, receipts: Sequence[RunReceipt]) -> None:
        """See the port."""
        insert = _insert(self._engine, RUNS)
        more = sa.case((insert.excluded.deliveries > RUNS.c.deliveries, insert.excluded.deliveries), else_=RUNS.c.deliveries)
        statement = insert.on_conflict_do_update(index_elements=["tenant", "run"], set_={"deliveries": more})
        rows = [
            {
                "tenant": each.tenant,
                "run": each.run,
                "flow": each.flow,
                "outcome": each.outcome.value,
                "deliveries": each.deliveries,
                "receipt": msgspec.json.encode(each).decode(),
            }
            for each in receipts
        ]
        async with _using(self._engine) as connection:
            await connection.execute(statement, rows)

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """See the port."""
        query = sa.select(RUNS.c.receipt, RUNS.c.deliveries).where(RUNS.c.tenant == tenant, RUNS.c.run == run)
        async with _using(self._engine) as connection:
            row = (await connection.execute(query)).first()
            return _read_receipt(row[0], row[1]) if row else None

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None, limit: int, before: RunId | None
    ) -> Sequence[RunReceipt]:
        """See the port."""
        query = sa.select(RUNS.c.receipt, RUNS.c.deliveries).order_by(RUNS.c.run.desc()).limit(limit)
        for column, value in ((RUNS.c.tenant, tenant), (RUNS.c.flow, flow)):
            query = query if value is None else query.where(column == value)
        query = query if before is None else query.where(RUNS.c.run < before)
        async with _using(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [msgspec.structs.replace(_read_receipt(row[0], row[1]), steps=()) for row in rows]


@asynccontextmanager
async def _using(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction; a database that is away becomes UnavailableError, and its text stays behind."""
    try:
        async with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        raise UnavailableError("The database does not answer.", retry_after_seconds=5) from error


def _insert(engine: AsyncEngine, table: sa.Table) -> Any:  # noqa: ANN401 - two dialects, one shape, no common type
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - one of two dialects is loaded
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # noqa: PLC0415 - see above
    return insert(table)


def _is_flow(table: sa.Table, tenant: TenantId, flow: FlowId) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant == tenant, table.c.flow == flow)


def _set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own type
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _read_revision(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _run_migrations(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and needed only when the schema is not current
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


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
    )


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


def _read_receipt(text: str, deliveries: int) -> RunReceipt:
    return msgspec.structs.replace(msgspec.json.decode(text, type=RunReceipt), deliveries=deliveries)
