"""A real PostgreSQL, started once for all tests, and a database of its own for each."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from blubees.adapters.database import migrate_postgresql
from blubees.main.postgres_child import PostgresChild, start_postgresql

_NUMBERS = count(1)


@dataclass(frozen=True)
class PostgresDatabase:
    """The addresses of a migrated database: as the tables' owner, and as the service."""

    owner_url: str
    service_url: str


@contextmanager
def run_postgresql(folder: Path) -> Iterator[PostgresChild]:
    """Start it; on the way out it is stopped."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    child = start_postgresql(folder, port)
    try:
        yield child
    finally:
        child.process.terminate()
        child.process.wait(20)


@asynccontextmanager
async def make_database(child: PostgresChild) -> AsyncIterator[PostgresDatabase]:
    """A new database with all tables; a copy of one that is migrated once."""
    if child not in _TEMPLATES:
        _TEMPLATES.add(child)
        await _execute(child, "CREATE DATABASE blubees_template")
        await migrate_postgresql(child.owner_url.format("blubees_template"), child.service_url.format("blubees_template"))
    name = f"blubees_{next(_NUMBERS)}"
    await _execute(child, f"CREATE DATABASE {name} TEMPLATE blubees_template")
    yield PostgresDatabase(child.owner_url.format(name), child.service_url.format(name))


_TEMPLATES: set[PostgresChild] = set()


async def _execute(child: PostgresChild, statement: str) -> None:
    engine = create_async_engine(child.owner_url.format("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
    await engine.dispose()
