"""What is in a database before a migration is there after it."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import blubees.adapters.database
from blubees.adapters.database import open_database
from blubees.model.connection import ConnectionKind
from blubees.model.ids import ConnectionName, RunId, TenantId

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
RUNS = [RunId(f"r{number:026d}") for number in range(2)]


def make_old(path: Path, revision: str) -> None:
    """A database as it was at a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(blubees.adapters.database.__file__).with_name("migrations")))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


async def test_secrets_from_before_they_had_fields_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    make_old(path, "0010")
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO tenant_keys VALUES (?, 1, X'77')", (A,))
        file.execute("INSERT INTO connections VALUES (?, 'mine', 'basic', 'a.example', 'me', '', 'print', 7, 1, X'5e')", (A,))
        for run, key in zip(RUNS, (b"", b"k"), strict=True):
            sql = "INSERT INTO parked_runs VALUES (?, ?, 1, 'waiting', 'f', 1, 'webhook', 1, '', 0, 1, ?, 1, 0)"
            file.execute(sql, (A, run, key))
    file.close()
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    await database.prepare()
    row = await database.connections.load(A, ConnectionName("mine"))
    assert row is not None
    assert (row.sealed, row.wrapped_key, row.key_version) == ({"password": b"\x5e"}, b"", 1)
    kept = row.connection
    assert (kept.kind, kept.hosts, kept.user_name) == (ConnectionKind.BASIC, ("a.example",), "me")
    assert (kept.fingerprint, kept.created_at_milliseconds) == ("print", 7)
    parked = [await database.parked.load(A, run) for run in RUNS]
    assert [(each.key_version, each.sealed_key) for each in parked if each is not None] == [(0, b""), (1, b"k")]
    assert [(key.version, key.wrapped) for key in await database.keys.load(A)] == [(1, b"w")]
    await database.close()


async def test_sites_that_were_gone_already_are_shredded_next(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    make_old(path, "0017")
    with sqlite3.connect(path) as file:
        for tenant, gone in ((A, 1), (B, 0)):
            file.execute("INSERT INTO tenants VALUES (?, 'e', 'DEVELOPMENT', 'c', 'i', 'active', ?, 10, 50)", (tenant, gone))
            file.execute("INSERT INTO tenant_keys VALUES (?, 1, X'77', 0, 20, 20)", (tenant,))
    file.close()
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    await database.prepare()
    assert list(await database.keys.list_gone()) == [A]
    await database.close()
