"""Rows of sign-offs, as they come and go with the waits of parked runs. Used by parking.py beside it."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.adapters.database.schema import SIGN_OFF_ANSWERS, SIGN_OFFS
from blubees.adapters.database.transaction import insert_into
from blubees.model.parking import ArmSlot
from blubees.model.sign_off import list_notices

_TABLES = (SIGN_OFFS, SIGN_OFF_ANSWERS)


async def arm_sign_offs(engine: AsyncEngine, connection: AsyncConnection, request: ArmSlot, at_milliseconds: int) -> None:
    """Note the sign-offs that a run waits for; forget those that it no longer waits for."""
    asked = [(wait.path, wait.rule) for wait in request.waits if wait.rule is not None]
    for table in _TABLES if request.ordinal > 1 else ():  # the first time: there can be none of it yet
        columns = table.c
        these = sa.and_(columns.tenant == request.tenant, columns.run == request.run)
        await connection.execute(sa.delete(table).where(these, columns.path.not_in([path for path, _ in asked])))
    for path, rule in asked:
        notices = list_notices(rule, at_milliseconds)
        insert = insert_into(engine, SIGN_OFFS)
        values = {
            "tenant": request.tenant,
            "run": request.run,
            "path": path,
            "question": rule.question,
            "notices": 0,
            "armed_at": at_milliseconds,
            "notice_due": notices[0][1] if notices else 0,
        }
        await connection.execute(insert.values(**values).on_conflict_do_nothing())


async def forget_sign_offs(connection: AsyncConnection, tenant: str, runs: Sequence[str]) -> None:
    """Their runs have ended."""
    for table in _TABLES:
        await connection.execute(sa.delete(table).where(table.c.tenant == tenant, table.c.run.in_(runs)))
