"""One transaction, whose rows it may touch, and what differs between the two databases. Used by the stores beside it.

On PostgreSQL the database itself keeps tenants apart (row_security.py): a transaction says for whom it is, and sees that
tenant's rows only, whatever its WHERE says. The word is local to the transaction: a pooled connection carries nothing over.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.model.errors import ConflictError, UnavailableError
from blubees.model.ids import TenantId

_REFUSED_BY_POSTGRESQL: Final = "42501"  # insufficient_privilege: also what row security says to another tenant's row


@asynccontextmanager
async def opening(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction about no tenant: on PostgreSQL it sees no tenant's rows. Raises as `using`."""
    try:
        async with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        if getattr(getattr(error, "orig", None), "sqlstate", "") == _REFUSED_BY_POSTGRESQL:
            raise  # trying again would not help: our own query forgot its tenant
        raise UnavailableError("The database does not answer.", retry_after_seconds=5) from error


@asynccontextmanager
async def using(engine: AsyncEngine, tenant: TenantId) -> AsyncIterator[AsyncConnection]:
    """One transaction that sees and changes one tenant's rows.

    Raises:
        UnavailableError: the database is away; its own text stays behind.
    """
    async with opening(engine) as connection:
        await turn_to(connection, tenant)
        yield connection


@asynccontextmanager
async def reading_all_tenants(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that sees every tenant's rows and can change none: for operators and the control plane's own rounds.

    To change what was found, turn to each row's tenant (`turn_to`) and compare and swap: another control plane may be at it.
    """
    async with opening(engine) as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.text("SELECT set_config('blubees.all_tenants', 'read', true)"))
        yield connection


async def turn_to(connection: AsyncConnection, tenant: TenantId) -> None:
    """From here on, this transaction is about that tenant: for work that many tenants share, one after the other."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.text("SELECT set_config('blubees.tenant', :tenant, true)"), {"tenant": tenant})


@asynccontextmanager
async def refusing_gone_keys() -> AsyncIterator[None]:
    """Around a transaction that keeps what is sealed under a tenant's key: the database takes it only while that key is there.

    Raises:
        ConflictError: another process has changed the tenant's key meanwhile.
    """
    try:
        yield
    except IntegrityError as error:
        raise ConflictError("The tenant's key was changed meanwhile.") from error


def insert_into(engine: AsyncEngine, table: sa.Table) -> Any:  # noqa: ANN401 - two dialects, one shape, no common type
    """Give the dialect's own INSERT, which knows ON CONFLICT."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - one of two dialects is loaded
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # noqa: PLC0415 - see above
    return insert(table)
