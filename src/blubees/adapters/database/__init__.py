"""The store ports on SQLAlchemy Core: SQLite on one machine, written so that PostgreSQL works too. Control plane only.

Built by main/control_plane.py. A conduit can't import it (an import-linter contract). One file a port.
"""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from blubees.adapters.database.connections import SqlConnectionStore
from blubees.adapters.database.flows import SqlFlowStore
from blubees.adapters.database.runs import SqlRunStore
from blubees.adapters.database.seen import SqlSeenStore
from blubees.adapters.database.settings import SqlSettingsStore
from blubees.adapters.database.tenants import SqlTenantStore

NEWEST_REVISION: Final = "0004"
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
        self.runs = SqlRunStore(engine)
        self.settings = SqlSettingsStore(engine)
        self.seen = SqlSeenStore(engine)

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
