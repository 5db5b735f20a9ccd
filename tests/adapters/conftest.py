"""Real brokers and databases for the tests of the ports."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blubees.adapters.broker import link
from blubees.adapters.database import Database, open_database
from blubees.main.postgres_child import PostgresChild
from fakes.brokers import Brokers, run_brokers
from fakes.databases import PostgresDatabase, make_database, run_postgresql


@pytest.fixture
async def brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Brokers]:
    monkeypatch.setattr(link, "RUNS_PER_TENANT_AND_LANE", 3)
    async with run_brokers(tmp_path) as running:
        yield running


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresChild]:
    with run_postgresql(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture
async def postgres(postgresql: PostgresChild) -> AsyncIterator[PostgresDatabase]:
    async with make_database(postgresql) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An open database: every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
        await opened.prepare()
        yield opened
        await opened.close()
        return
    async with make_database(request.getfixturevalue("postgresql")) as made:
        opened = await open_database(made.service_url)
        await opened.prepare()
        yield opened
        await opened.close()
