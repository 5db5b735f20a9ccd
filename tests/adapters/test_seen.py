"""Marks of keys on a real database file and over a real broker: the first one wins, they expire, and no digest is kept."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from blubees.adapters.broker import seen as seen_file
from blubees.adapters.broker.seen import NatsSeenDesk
from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId
from blubees.model.seen import SeenQuestion
from blubees.operations.seen import DAY_MILLISECONDS, SeenService
from blubees.vault.keyring import Keyring
from blubees.vault.seal import Sealer
from fakes.brokers import Brokers
from fakes.machine import FakeChance, FakeClock

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


def ask(key: str = "AB-1", asker: int = 1, days: int = 7) -> SeenQuestion:
    return SeenQuestion(digest=hashlib.sha256(key.encode()).digest(), asker=bytes([asker]) * 16, days=days)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await opened.prepare()
    yield opened
    await opened.close()


def make_service(database: Database, folder: Path, clock: FakeClock) -> SeenService:
    keyring = Keyring(database.keys, LocalKeyProvider(folder / "keys" / "local.key"), FakeChance(), FakeClock())
    return SeenService(database.seen, keyring, clock)


def count_marks(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "db.sqlite3")) as connection:
        return int(connection.execute("SELECT count(*) FROM seen").fetchone()[0])


def read_files(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.glob("db.sqlite3*")]


async def test_a_mark_is_its_first_askers_until_it_expires(database: Database, tmp_path: Path) -> None:
    clock = FakeClock()
    service = make_service(database, tmp_path, clock)
    assert [await service.ask(A, ask(asker=number)) for number in (1, 2, 1, 2)] == [False, True, False, True]
    assert await service.ask(B, ask(asker=2)) is False, "another tenant's is another mark"
    assert await service.ask(A, ask("AB-2", asker=2)) is False
    clock.milliseconds += 7 * DAY_MILLISECONDS - 1
    assert await service.ask(A, ask(asker=2)) is True
    clock.milliseconds += 1
    assert await service.ask(A, ask(asker=2)) is False
    assert await service.ask(A, ask(asker=1)) is True


async def test_of_many_at_a_time_one_is_the_first(database: Database, tmp_path: Path) -> None:
    service = make_service(database, tmp_path, FakeClock())
    answers = await asyncio.gather(*(service.ask(A, ask(asker=number)) for number in range(20)))
    assert sorted(answers) == [False] + [True] * 19


async def test_a_restart_forgets_nothing_and_what_is_kept_is_no_digest(database: Database, tmp_path: Path) -> None:
    clock = FakeClock()
    await make_service(database, tmp_path, clock).ask(A, ask(asker=1))
    assert await make_service(database, tmp_path, clock).ask(A, ask(asker=2)) is True
    assert count_marks(tmp_path) == 1
    assert not any(ask().digest.hex().encode() in data for data in read_files(tmp_path))


async def test_what_has_expired_is_deleted(database: Database, tmp_path: Path) -> None:
    clock = FakeClock()
    service = make_service(database, tmp_path, clock)
    await service.ask(A, ask(days=1))
    await service.ask(A, ask("AB-2", days=2))
    clock.milliseconds += DAY_MILLISECONDS
    await service.purge()
    assert count_marks(tmp_path) == 1
    clock.milliseconds += DAY_MILLISECONDS
    await service.purge()
    assert count_marks(tmp_path) == 0


async def test_questions_and_answers_are_sealed_and_bound(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer, asked = Sealer(b"l" * 32, FakeChance()), list[tuple[TenantId, SeenQuestion]]()

    async def answer(tenant: TenantId, question: SeenQuestion) -> bool:
        if question.days == 2:
            raise UnavailableError("no database")
        asked.append((tenant, question))
        return question.asker == ask(asker=2).asker

    desk = NatsSeenDesk(brokers.conduit, sealer.seal, sealer.unseal)
    monkeypatch.setattr(seen_file, "ANSWER_WAIT_SECONDS", 0.3)
    with pytest.raises(UnavailableError):
        await desk.ask(A, ask())
    await NatsSeenDesk(brokers.control, sealer.seal, sealer.unseal).serve(answer)
    monkeypatch.setattr(seen_file, "ANSWER_WAIT_SECONDS", 5.0)
    assert [await desk.ask(A, ask(asker=number)) for number in (1, 2)] == [False, True]
    assert asked == [(A, ask(asker=1)), (A, ask(asker=2))]
    with pytest.raises(UnavailableError):
        await desk.ask(A, ask(days=2))
    other = Sealer(b"x" * 32, FakeChance())
    with pytest.raises(UnavailableError):
        await NatsSeenDesk(brokers.conduit, other.seal, other.unseal).ask(A, ask())
    assert len(asked) == 2, "a question under another key is not answered"
