"""Sign-offs and what people answered, in the database (port SignOffStore)."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.adapters.database.parking import is_run, join_waits, read_row, read_wait
from blubees.adapters.database.schema import PARKED_RUNS, SIGN_OFF_ANSWERS, SIGN_OFFS, WAITS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.model.ids import RunId, TenantId
from blubees.model.parking import Wait
from blubees.model.sign_off import AnswerSignOff, Choice, decide, list_notices
from blubees.ports import DueNotice, OpenSignOff, ParkedStatus, Tally

_OPEN = (ParkedStatus.WAITING.value, ParkedStatus.WAKING.value, ParkedStatus.RUNNING.value)


class SqlSignOffStore:
    """Port SignOffStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_open(self, tenant: TenantId, *, limit: int) -> Sequence[OpenSignOff]:
        """See the port."""
        is_same = sa.and_(
            SIGN_OFFS.c.tenant == WAITS.c.tenant, SIGN_OFFS.c.run == WAITS.c.run, SIGN_OFFS.c.path == WAITS.c.path
        )
        query = (
            join_waits()
            .join(SIGN_OFFS, is_same)
            .where(SIGN_OFFS.c.tenant == tenant, WAITS.c.answer == "", PARKED_RUNS.c.status.in_(_OPEN))
            .order_by(WAITS.c.due, WAITS.c.run)
            .limit(limit)
        )
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
            given = (await connection.execute(sa.select(SIGN_OFF_ANSWERS).where(SIGN_OFF_ANSWERS.c.tenant == tenant))).all()
        answers: dict[tuple[str, str, str], dict[str, Choice]] = {}
        for each in given:
            answers.setdefault((each.run, each.path, each.question), {})[each.account] = Choice(each.choice)
        found = []
        for row in rows:
            wait = read_wait(row)
            if wait.wait.rule is not None:
                key = (wait.run, wait.wait.path, wait.wait.rule.question)
                found.append(OpenSignOff(row=read_row(row), wait=wait.wait, answers=answers.get(key, {})))
        return found

    async def load(self, tenant: TenantId, run: RunId, path: str) -> OpenSignOff | None:
        """See the port."""
        query = join_waits().where(WAITS.c.tenant == tenant, WAITS.c.run == run, WAITS.c.path == path)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                return None
            wait = read_wait(row)
            if wait.wait.rule is None:
                return None
            answers = await _read_answers(connection, tenant, run, path, wait.wait.rule.question)
        parked = read_row(row)
        is_over = wait.answer is not None or parked.status.value not in _OPEN
        return OpenSignOff(row=parked, wait=wait.wait, answers=answers, is_over=is_over)

    async def answer(self, given: AnswerSignOff, at_milliseconds: int) -> Tally | None:
        """See the port."""
        tenant, run = TenantId(given.tenant), RunId(given.run)
        this = sa.and_(is_run(WAITS, tenant, run), WAITS.c.path == given.path, WAITS.c.answer == "")
        async with using(self._engine, tenant) as connection:
            # first a write to the one row: whoever answers at the same time stands in line, and then sees this answer
            if (await connection.execute(sa.update(WAITS).where(this).values(due=WAITS.c.due))).rowcount == 0:
                return None
            text = (await connection.execute(sa.select(WAITS.c.wait).where(this))).scalar_one()
            wait = msgspec.json.decode(text, type=Wait)
            if wait.rule is None or wait.rule.question != given.question or at_milliseconds >= wait.due_milliseconds:
                return None
            values = {
                "tenant": tenant,
                "run": run,
                "path": given.path,
                "question": given.question,
                "account": given.account,
                "choice": given.choice.value,
                "answered_at": at_milliseconds,
            }
            insert = insert_into(self._engine, SIGN_OFF_ANSWERS).values(**values).on_conflict_do_nothing()
            await connection.execute(insert)
            answers = await _read_answers(connection, tenant, run, given.path, given.question)
            ended = decide(wait, answers, at_milliseconds)
            if ended is not None:
                await connection.execute(sa.update(WAITS).where(this).values(answer=msgspec.json.encode(ended).decode()))
        return Tally(choice=answers[given.account], ended=ended)

    async def list_due_notices(self, now_milliseconds: int, *, limit: int) -> Sequence[DueNotice]:
        """See the port."""
        query = (
            sa.select(SIGN_OFFS, WAITS.c.wait)
            .join(
                WAITS,
                sa.and_(WAITS.c.tenant == SIGN_OFFS.c.tenant, WAITS.c.run == SIGN_OFFS.c.run, WAITS.c.path == SIGN_OFFS.c.path),
            )
            .where(SIGN_OFFS.c.notice_due.between(1, now_milliseconds), WAITS.c.answer == "")
            .order_by(SIGN_OFFS.c.notice_due)
            .limit(limit)
        )
        async with reading_all_tenants(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        found = []
        for row in rows:
            wait = msgspec.json.decode(row.wait, type=Wait)
            notices = list_notices(wait.rule, row.armed_at) if wait.rule is not None else ()
            if row.notices < len(notices):
                after = notices[row.notices + 1][1] if row.notices + 1 < len(notices) else 0
                found.append(
                    DueNotice(
                        tenant=TenantId(row.tenant),
                        run=RunId(row.run),
                        path=row.path,
                        question=row.question,
                        number=row.notices,
                        notice=notices[row.notices][0],
                        next_milliseconds=after,
                    )
                )
        return found

    async def note_notice(self, sent: DueNotice) -> None:
        """See the port."""
        update = (
            sa.update(SIGN_OFFS)
            .where(is_run(SIGN_OFFS, sent.tenant, sent.run), SIGN_OFFS.c.path == sent.path)
            .where(SIGN_OFFS.c.question == sent.question, SIGN_OFFS.c.notices == sent.number)
            .values(notices=sent.number + 1, notice_due=sent.next_milliseconds)
        )
        async with using(self._engine, sent.tenant) as connection:
            await connection.execute(update)

    async def list_unwoken(self, *, limit: int) -> Sequence[tuple[TenantId, RunId]]:
        """See the port."""
        query = (
            sa.select(WAITS.c.tenant, WAITS.c.run)
            .join(PARKED_RUNS, sa.and_(WAITS.c.tenant == PARKED_RUNS.c.tenant, WAITS.c.run == PARKED_RUNS.c.run))
            .where(WAITS.c.answer != "", PARKED_RUNS.c.status == ParkedStatus.WAITING.value)
            .distinct()
            .limit(limit)
        )
        async with reading_all_tenants(self._engine) as connection:
            return [(TenantId(row.tenant), RunId(row.run)) for row in await connection.execute(query)]


async def _read_answers(
    connection: AsyncConnection, tenant: TenantId, run: RunId, path: str, question: str
) -> dict[str, Choice]:
    columns = SIGN_OFF_ANSWERS.c
    query = (
        sa.select(columns.account, columns.choice)
        .where(is_run(SIGN_OFF_ANSWERS, tenant, run), columns.path == path, columns.question == question)
        .order_by(columns.answered_at, columns.account)
    )
    return {row.account: Choice(row.choice) for row in await connection.execute(query)}
