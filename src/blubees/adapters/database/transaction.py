"""One transaction, and what differs between the two databases. Used by the stores beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.model.errors import UnavailableError


@asynccontextmanager
async def using(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction; a database that is away becomes UnavailableError, and its text stays behind."""
    try:
        async with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        raise UnavailableError("The database does not answer.", retry_after_seconds=5) from error


def insert_into(engine: AsyncEngine, table: sa.Table) -> Any:  # noqa: ANN401 - two dialects, one shape, no common type
    """Give the dialect's own INSERT, which knows ON CONFLICT."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - one of two dialects is loaded
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # noqa: PLC0415 - see above
    return insert(table)
