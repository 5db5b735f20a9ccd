"""The store ports on SQLAlchemy Core: SQLite on one machine, PostgreSQL in a cluster. Control plane only.

Built by main/control_plane.py. A conduit can't import it (an import-linter contract). One file a port.
"""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from blubees.adapters.database.audit import SqlAuditStore
from blubees.adapters.database.connections import SqlConnectionStore
from blubees.adapters.database.connectors import SqlConnectorStore
from blubees.adapters.database.flows import SqlFlowStore
from blubees.adapters.database.grants import SqlGrantStore
from blubees.adapters.database.keys import SqlKeyStore
from blubees.adapters.database.parking import SqlParkedStore
from blubees.adapters.database.registrations import SqlRegistrationStore
from blubees.adapters.database.renewals import SqlRenewalStore
from blubees.adapters.database.row_security import build_walls, check_walls
from blubees.adapters.database.runs import SqlRunStore
from blubees.adapters.database.schedules import SqlScheduleStore
from blubees.adapters.database.seen import SqlSeenStore
from blubees.adapters.database.settings import SqlSettingsStore
from blubees.adapters.database.sign_offs import SqlSignOffStore
from blubees.adapters.database.tenants import SqlTenantStore
from blubees.adapters.database.transaction import opening
from blubees.model.errors import BluBeesError, InputError, UnavailableError

NEWEST_REVISION: Final = "0020"
CONNECT_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 20.0
POOL: Final = 8  # connections of one control plane
_MIGRATION_LOCK: Final = 7_226_533  # any number that nobody else takes
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
    """An open database with its stores."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.tenants = SqlTenantStore(engine)
        self.flows = SqlFlowStore(engine)
        self.connections = SqlConnectionStore(engine)
        self.grants = SqlGrantStore(engine)
        self.connectors = SqlConnectorStore(engine)
        self.keys = SqlKeyStore(engine)
        self.audit = SqlAuditStore(engine)
        self.runs = SqlRunStore(engine)
        self.settings = SqlSettingsStore(engine)
        self.registrations = SqlRegistrationStore(engine)
        self.renewals = SqlRenewalStore(engine)
        self.schedules = SqlScheduleStore(engine)
        self.seen = SqlSeenStore(engine)
        self.parked = SqlParkedStore(engine)
        self.sign_offs = SqlSignOffStore(engine)

    async def prepare(self) -> None:
        """Make sure that the database is as this program needs it, before its first use.

        A file on this machine is brought to the newest revision. On PostgreSQL the service must not be able to change the
        schema: it looks only, and `migrate_postgresql` is what an operator runs.

        Raises:
            BluBeesError: the schema is too old, or this role could see another tenant's rows.
            UnavailableError: the database does not answer.
        """
        async with opening(self._engine) as connection:
            revision = await connection.run_sync(_read_revision)
            if self._engine.dialect.name == "postgresql":
                if revision < NEWEST_REVISION:  # a newer one is good: an upgrade is under way, and this process is next
                    raise BluBeesError(
                        f"The database has revision {revision or 'none'}, needed is {NEWEST_REVISION}. Run: blubees migrate"
                    )
                await connection.run_sync(check_walls)
            elif revision != NEWEST_REVISION:
                await connection.run_sync(_run_migrations)

    async def is_there(self) -> bool:
        """Ask the database whether it answers."""
        try:
            async with opening(self._engine) as connection:
                await connection.execute(sa.text("SELECT 1"))
        except UnavailableError:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def open_database(url: str) -> Database:
    """Open a database.

    Args:
        url: "sqlite+aiosqlite:///PATH" or "postgresql+asyncpg://…".
    """
    return Database(_create_engine(url))


async def migrate_postgresql(owner_url: str, service_url: str) -> None:
    """Bring a PostgreSQL schema to the newest revision, and put every tenant table behind row-level security.

    Safe to run again, and by two at a time.

    Args:
        owner_url: as the role that owns the tables.
        service_url: as the service's role, which gets rights on rows and none on the schema.

    Raises:
        InputError: the two are the same role, or one is no PostgreSQL address.
        UnavailableError: the database does not answer.
    """
    owner, role = sa.make_url(owner_url), sa.make_url(service_url).username
    if owner.get_backend_name() != "postgresql" or not role or role == owner.username:
        raise InputError(
            "The owner's and the service's address must be postgresql+asyncpg://ROLE…, with two roles (docs/cluster.md)."
        )
    engine = _create_engine(owner_url)
    try:
        async with opening(engine) as connection:
            await connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))  # one at a time
            await connection.run_sync(_run_migrations)
            await connection.run_sync(build_walls, role)
    finally:
        await engine.dispose()


def _create_engine(url: str) -> AsyncEngine:
    try:
        backend = sa.make_url(url).get_backend_name()
    except sa.exc.ArgumentError:
        raise InputError("The database's address must be postgresql+asyncpg://ROLE:PASSWORD@HOST/NAME.") from None
    if backend == "sqlite":
        # one at a time: a file has one writer, and others that want to be it would sleep and try again, for seconds at last
        engine = create_async_engine(url, hide_parameters=True, poolclass=sa.AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
        sa.event.listen(engine.sync_engine, "connect", _set_pragmas)
        return engine
    limits = {"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS}
    return create_async_engine(url, hide_parameters=True, connect_args=limits, pool_size=POOL, max_overflow=0)


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
