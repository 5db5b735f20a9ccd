"""Row-level security on a real PostgreSQL: for every table that there is, and every one that will be."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from blubees.adapters.database import migrate_postgresql, open_database
from blubees.adapters.database.row_security import find_open_tables
from blubees.adapters.database.schema import METADATA
from blubees.adapters.database.transaction import opening, reading_all_tenants, turn_to, using
from blubees.model.errors import BluBeesError, InputError, UnavailableError
from blubees.model.ids import TenantId
from fakes.databases import PostgresDatabase

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
TABLES = [table for table in METADATA.sorted_tables if "tenant" in table.c]
NEVER_CHANGED = {"audit_events"}  # not even one's own
WITHOUT_TENANT: dict[str, str] = {}  # table: why it is about no tenant


@pytest.fixture
async def service(postgres: PostgresDatabase) -> AsyncIterator[AsyncEngine]:
    """The service's own connection, with a row of A and one of B in every table."""
    engine = create_async_engine(postgres.service_url, pool_size=1, max_overflow=0)
    for table in TABLES:
        for tenant in (A, B):
            async with using(engine, tenant) as connection:
                await connection.execute(sa.insert(table).values(make_row(table, tenant)))
    yield engine
    await engine.dispose()


def make_row(table: sa.Table, tenant: TenantId) -> dict[str, object]:
    made = {str: "x", int: 1, bool: True, bytes: b"x", float: 1.0}
    return {column.name: made[column.type.python_type] for column in table.c} | {"tenant": tenant}


async def tenants_in(
    service: AsyncEngine, table: sa.Table, tenant: TenantId | None, *, where: TenantId | None = None
) -> set[str]:
    query = sa.select(table.c.tenant) if where is None else sa.select(table.c.tenant).where(table.c.tenant == where)
    async with opening(service) if tenant is None else using(service, tenant) as connection:
        return set((await connection.execute(query)).scalars())


def test_every_table_has_a_tenant_or_says_why_not() -> None:
    assert {table.name for table in METADATA.sorted_tables if "tenant" not in table.c} == set(WITHOUT_TENANT)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_who_names_no_tenant_sees_nothing_and_who_names_one_sees_its_rows_only(
    service: AsyncEngine, table: sa.Table
) -> None:
    assert await tenants_in(service, table, A) == {A}
    assert await tenants_in(service, table, A, where=B) == set(), "a wrong WHERE must not help"
    assert await tenants_in(service, table, None) == set(), "the connection must not remember a tenant"
    assert await tenants_in(service, table, None, where=A) == set()
    async with reading_all_tenants(service) as connection:
        assert set((await connection.execute(sa.select(table.c.tenant))).scalars()) == {A, B}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_nobody_changes_another_tenants_rows(service: AsyncEngine, table: sa.Table) -> None:
    for where in (sa.true(), table.c.tenant == B):
        async with using(service, A) as connection:
            for other in reversed(TABLES):  # what refers to it goes first
                if any(key.column.table is table for key in other.foreign_keys):
                    await connection.execute(sa.delete(other))
            await connection.execute(sa.delete(table).where(where))
    for opened in (opening(service), reading_all_tenants(service)):
        async with opened as connection:
            assert (await connection.execute(sa.delete(table))).rowcount == 0
    assert await tenants_in(service, table, B) == {B}
    assert await tenants_in(service, table, A) == set()
    for opened in (opening(service), using(service, A), reading_all_tenants(service)):
        with pytest.raises(DBAPIError, match="row-level security"):
            async with opened as connection:
                await connection.execute(sa.insert(table).values(make_row(table, TenantId("t" + "c" * 24))))
    refusal = "permission denied" if table.name in NEVER_CHANGED else "row-level security"
    with pytest.raises(DBAPIError, match=refusal):
        async with using(service, B) as connection:
            await connection.execute(sa.update(table).values(tenant=A))


async def test_a_transaction_that_turns_to_another_tenant_sees_that_one_only(service: AsyncEngine) -> None:
    async with using(service, A) as connection:
        await turn_to(connection, B)
        assert set((await connection.execute(sa.select(TABLES[0].c.tenant))).scalars()) == {B}


async def test_a_table_that_was_forgotten_is_found_refused_and_mended(postgres: PostgresDatabase) -> None:
    owner = create_async_engine(postgres.owner_url)
    async with owner.begin() as connection:
        assert await connection.run_sync(find_open_tables) == ()
        await connection.execute(sa.text("CREATE TABLE forgotten (tenant text, word text)"))
        await connection.execute(sa.text("ALTER TABLE runs NO FORCE ROW LEVEL SECURITY"))
        assert await connection.run_sync(find_open_tables) == ("forgotten", "runs")
    database = await open_database(postgres.service_url)
    with pytest.raises(BluBeesError, match="forgotten, runs"):
        await database.prepare()
    await migrate_postgresql(postgres.owner_url, postgres.service_url)
    await database.prepare()
    async with owner.begin() as connection:
        assert await connection.run_sync(find_open_tables) == ()
        assert (await connection.execute(sa.text("SELECT count(*) FROM runs"))).scalar() == 0, "forced: the owner too sees none"
    await database.close()
    await owner.dispose()


async def test_the_service_does_not_start_as_a_role_for_whom_there_is_no_wall(postgres: PostgresDatabase) -> None:
    database = await open_database(postgres.owner_url)
    with pytest.raises(BluBeesError, match="owner of the tables"):
        await database.prepare()
    await database.close()
    with pytest.raises(InputError):
        await migrate_postgresql(postgres.owner_url, postgres.owner_url)


async def test_the_service_waits_for_the_migration_and_can_change_no_schema(postgres: PostgresDatabase) -> None:
    owner = create_async_engine(postgres.owner_url)
    async with owner.begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    database = await open_database(postgres.service_url)
    with pytest.raises(BluBeesError, match="Run: blubees migrate"):
        await database.prepare()
    service = create_async_engine(postgres.service_url)
    for statement in (
        "ALTER TABLE runs DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_tenant ON runs",
        "CREATE TABLE mine (a int)",
        "UPDATE alembic_version SET version_num = '9999'",
        "TRUNCATE runs",
        "SET ROLE blubees_owner",
    ):
        with pytest.raises(DBAPIError, match=r"must be owner|permission denied"):
            async with service.begin() as connection:
                await connection.execute(sa.text(statement))
    await database.close()
    await service.dispose()
    await owner.dispose()


async def test_a_server_that_is_away_says_so_without_its_words(unused_port: int) -> None:
    database = await open_database(f"postgresql+asyncpg://me:secret-word@127.0.0.1:{unused_port}/x")
    with pytest.raises(UnavailableError) as caught:
        await database.prepare()
    assert "secret-word" not in str(caught.value)
    assert not await database.is_there()
    await database.close()
