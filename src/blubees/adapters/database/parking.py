"""Parked runs and their waits in the database (port ParkedStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from blubees.adapters.database.schema import PARKED_RUNS, TENANTS, WAITS
from blubees.adapters.database.sign_off_rows import arm_sign_offs, forget_sign_offs
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, refusing_gone_keys, using
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.parking import Answered, ArmSlot, Wait
from blubees.ports import Ends, ParkedRow, ParkedStatus, WaitRow

_WAITING = sa.select(PARKED_RUNS, WAITS.c.path, WAITS.c.wait, WAITS.c.answer).join(
    WAITS, sa.and_(WAITS.c.tenant == PARKED_RUNS.c.tenant, WAITS.c.run == PARKED_RUNS.c.run)
)
_LIVE = (ParkedStatus.OPEN.value, ParkedStatus.RUNNING.value)
_WOKEN = (ParkedStatus.WAKING.value, ParkedStatus.RUNNING.value)
_ENDED = (ParkedStatus.DONE.value, ParkedStatus.CLEARED.value)

# Built once: to build a statement anew costs more than to have SQLite carry it out.
_ONE = sa.select(PARKED_RUNS).where(PARKED_RUNS.c.tenant == sa.bindparam("of"), PARKED_RUNS.c.run == sa.bindparam("which"))
_ANSWERS = sa.select(WAITS.c.answer).where(
    WAITS.c.tenant == sa.bindparam("of"), WAITS.c.run == sa.bindparam("which"), WAITS.c.answer != ""
)
_ALL_NOT_ENDED = sa.select(PARKED_RUNS).where(PARKED_RUNS.c.tenant == sa.bindparam("of"), PARKED_RUNS.c.status.not_in(_ENDED))
_NOT_ENDED = _ALL_NOT_ENDED.where(PARKED_RUNS.c.run.in_(sa.bindparam("which", expanding=True)))
_MOVE = (
    sa.update(PARKED_RUNS)
    .where(
        PARKED_RUNS.c.tenant == sa.bindparam("of"),
        PARKED_RUNS.c.run == sa.bindparam("which"),
        PARKED_RUNS.c.status == sa.bindparam("before"),
    )
    .values(status=sa.bindparam("after"), changed_at=sa.bindparam("at"))
)
_TAKE = (
    sa.update(PARKED_RUNS)
    .where(
        PARKED_RUNS.c.tenant == sa.bindparam("of"),
        PARKED_RUNS.c.run == sa.bindparam("which"),
        PARKED_RUNS.c.ordinal == sa.bindparam("number"),
        PARKED_RUNS.c.status.in_(_WOKEN),
    )
    .values(woken_in=sa.case((PARKED_RUNS.c.woken_in == 0, sa.bindparam("epoch")), else_=PARKED_RUNS.c.woken_in))
    .returning(*PARKED_RUNS.c)
)
_ANSWER = (
    sa.update(WAITS)
    .where(
        WAITS.c.tenant == sa.bindparam("of"),
        WAITS.c.run == sa.bindparam("which"),
        WAITS.c.path == sa.bindparam("where"),
        WAITS.c.answer == "",
    )
    .values(answer=sa.bindparam("text"))
)


class SqlParkedStore:
    """Port ParkedStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, row: ParkedRow) -> ParkedRow | None:
        """See the port."""
        values = msgspec.structs.asdict(row) | {"status": row.status.value, "trigger": row.trigger.value}
        values["changed_at"] = values.pop("changed_at_milliseconds")
        values["accepted_at"] = values.pop("accepted_at_milliseconds")
        values["key_version"] = row.key_version or None
        insert = insert_into(self._engine, PARKED_RUNS).values(**values).on_conflict_do_nothing()
        async with refusing_gone_keys(), using(self._engine, row.tenant) as connection:
            if (await connection.execute(insert.returning(PARKED_RUNS.c.run))).first() is not None:
                return row
            kept = await _load(connection, row.tenant, row.run)
        if kept is None or kept.ordinal > row.ordinal:
            return None
        has_gone_on = (
            kept.status is ParkedStatus.WAKING and kept.ordinal < row.ordinal
        )  # we have not heard yet that it was queued
        if kept.status.value not in _LIVE and not has_gone_on:
            return None
        if kept.ordinal == row.ordinal and kept.status is ParkedStatus.RUNNING:
            return None  # this very parking was woken
        return kept

    async def arm(self, request: ArmSlot, at_milliseconds: int) -> tuple[bool, ParkedRow | None]:
        """See the port."""
        tenant, run = TenantId(request.tenant), RunId(request.run)
        columns = PARKED_RUNS.c
        is_next = sa.or_(
            sa.and_(columns.status == ParkedStatus.OPEN.value, columns.ordinal <= request.ordinal),
            sa.and_(columns.status.in_(_WOKEN), columns.ordinal < request.ordinal),
        )
        update = (
            sa.update(PARKED_RUNS)
            .where(is_run(PARKED_RUNS, tenant, run), is_next)
            .values(
                status=ParkedStatus.WAITING.value,
                ordinal=request.ordinal,
                issue=request.issue,
                parts=request.parts,
                changed_at=at_milliseconds,
                woken_in=0,
            )
        )
        paths = [wait.path for wait in request.waits]
        rows = [_write_wait(tenant, run, wait) for wait in request.waits]
        async with using(self._engine, tenant) as connection:
            if (await connection.execute(update)).rowcount == 0:
                return False, None
            await arm_sign_offs(self._engine, connection, request, at_milliseconds)
            if request.ordinal == 1:  # the first time: there can be no waits of it yet
                await connection.execute(insert_into(self._engine, WAITS), rows)
                return True, None
            await connection.execute(sa.delete(WAITS).where(is_run(WAITS, tenant, run), WAITS.c.path.not_in(paths)))
            insert = insert_into(self._engine, WAITS)
            new = insert.excluded
            fresh = {"wait": new.wait, "turn": new.turn, "due": new.due, "name": new.name, "answer": ""}
            is_newer = insert.excluded.turn > WAITS.c.turn  # what came was not it: the wait goes on
            keys = ["tenant", "run", "path"]
            await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=fresh, where=is_newer), rows)
            answered = sa.select(WAITS.c.path).where(is_run(WAITS, tenant, run), WAITS.c.answer != "").limit(1)
            if (await connection.execute(answered)).first() is None:
                return True, None
            woken = await _wake(connection, tenant, [run], at_milliseconds)
            return True, woken[0] if woken else None

    async def load(self, tenant: TenantId, run: RunId) -> ParkedRow | None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            return await _load(connection, tenant, run)

    async def take(self, tenant: TenantId, run: RunId, ordinal: int, epoch: int) -> tuple[ParkedRow, Sequence[Answered]] | None:
        """See the port."""
        values = {"of": tenant, "which": run, "number": ordinal, "epoch": epoch}
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(_TAKE, values)).mappings().first()
            if row is None:
                return None
            found = await connection.execute(_ANSWERS, {"of": tenant, "which": run})
            return read_row(row), [msgspec.json.decode(text, type=Answered) for text in found.scalars()]

    async def list_waits(self, tenant: TenantId, run: RunId) -> Sequence[WaitRow]:
        """See the port."""
        query = sa.select(WAITS).where(is_run(WAITS, tenant, run)).order_by(WAITS.c.path)
        async with using(self._engine, tenant) as connection:
            return [read_wait(row) for row in (await connection.execute(query)).mappings()]

    async def list_waiting(self, tenant: TenantId, *, limit: int) -> Sequence[tuple[ParkedRow, WaitRow]]:
        """See the port."""
        query = (
            _WAITING.where(
                PARKED_RUNS.c.tenant == tenant, PARKED_RUNS.c.status == ParkedStatus.WAITING.value, WAITS.c.answer == ""
            )
            .order_by(WAITS.c.due, WAITS.c.run)
            .limit(limit)
        )
        async with using(self._engine, tenant) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [(read_row(row), read_wait(row)) for row in rows]

    async def end(self, tenant: TenantId, answers: Sequence[tuple[RunId, Answered]], at_milliseconds: int) -> Ends:
        """See the port."""
        ended: list[RunId] = []
        async with using(self._engine, tenant) as connection:
            for run, answer in answers:
                text = msgspec.json.encode(answer).decode()
                done = await connection.execute(_ANSWER, {"of": tenant, "which": run, "where": answer.path, "text": text})
                ended += [run] if done.rowcount else []
            return Ends(len(ended), await _wake(connection, tenant, ended, at_milliseconds))

    async def move(
        self,
        tenant: TenantId,
        run: RunId,
        before: ParkedStatus,
        after: ParkedStatus,
        at_milliseconds: int,
        *,
        since: int = 0,
        ordinal: int = 0,
    ) -> ParkedRow | None:
        """See the port."""
        update, values = (
            _MOVE,
            {"of": tenant, "which": run, "before": before.value, "after": after.value, "at": at_milliseconds},
        )
        if since:
            update = update.where(PARKED_RUNS.c.changed_at == since)
        if ordinal:
            update = update.where(PARKED_RUNS.c.ordinal == ordinal)
        async with using(self._engine, tenant) as connection:
            if (await connection.execute(update, values)).rowcount == 0:
                return None
            return await _load(connection, tenant, run)

    async def find_mailbox(self, tenant: TenantId, name: str) -> tuple[ParkedRow, WaitRow] | None:
        """See the port."""
        query = _WAITING.where(WAITS.c.tenant == tenant, WAITS.c.name == name)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
        return (read_row(row), read_wait(row)) if row else None

    async def list_named(self, tenant: TenantId, name: str, *, limit: int) -> Sequence[tuple[RunId, str]]:
        """See the port."""
        query = sa.select(WAITS.c.run, WAITS.c.path).where(WAITS.c.tenant == tenant, WAITS.c.name == name, WAITS.c.answer == "")
        async with using(self._engine, tenant) as connection:
            return [(RunId(run), path) for run, path in (await connection.execute(query.limit(limit))).all()]

    async def find_waiters(self, tenant: TenantId, trigger: TriggerKind, issue: str, *, limit: int) -> Sequence[str]:
        """See the port."""
        query = (
            sa.select(WAITS.c.name).where(WAITS.c.tenant == tenant, WAITS.c.about == f"{trigger.value}|{issue}").limit(limit)
        )
        async with using(self._engine, tenant) as connection:
            return [str(name) for name in (await connection.execute(query)).scalars()]

    async def list_listening(self) -> Sequence[TenantId]:
        """See the port."""
        async with reading_all_tenants(self._engine) as connection:
            found = await connection.execute(sa.select(WAITS.c.tenant).where(WAITS.c.about != "").distinct())
            return [TenantId(tenant) for tenant in found.scalars()]

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[WaitRow]:
        """See the port."""
        query = (
            sa.select(WAITS)
            .join(PARKED_RUNS, sa.and_(WAITS.c.tenant == PARKED_RUNS.c.tenant, WAITS.c.run == PARKED_RUNS.c.run))
            .where(WAITS.c.due <= now_milliseconds, WAITS.c.answer == "", PARKED_RUNS.c.status == ParkedStatus.WAITING.value)
            .order_by(WAITS.c.due)
            .limit(limit)
        )
        async with reading_all_tenants(self._engine) as connection:
            return [read_wait(row) for row in (await connection.execute(query)).mappings()]

    async def list_stale(
        self,
        status: ParkedStatus,
        age_milliseconds: int,
        now_milliseconds: int,
        *,
        limit: int,
        is_installed: bool | None = None,
    ) -> Sequence[ParkedRow]:
        """See the port."""
        is_gone = PARKED_RUNS.c.tenant.in_(sa.select(TENANTS.c.tenant).where(TENANTS.c.uninstalled == sa.true()))
        query = (
            sa.select(PARKED_RUNS)
            .where(
                PARKED_RUNS.c.status == status.value,
                sa.or_(
                    PARKED_RUNS.c.changed_at < now_milliseconds - age_milliseconds,
                    PARKED_RUNS.c.changed_at > now_milliseconds + age_milliseconds,
                ),
            )
            .order_by(PARKED_RUNS.c.changed_at)
            .limit(limit)
        )
        if is_installed is not None:
            query = query.where(sa.not_(is_gone) if is_installed else is_gone)
        async with reading_all_tenants(self._engine) as connection:
            return [read_row(row) for row in (await connection.execute(query)).mappings()]

    async def finish(self, tenant: TenantId, runs: Sequence[RunId] | None, at_milliseconds: int) -> Sequence[ParkedRow]:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            if runs is None:
                rows = await connection.execute(_ALL_NOT_ENDED, {"of": tenant})
            else:
                rows = await connection.execute(_NOT_ENDED, {"of": tenant, "which": runs})
            found = [read_row(row) for row in rows.mappings()]
            if found:
                gone = [row.run for row in found]
                await connection.execute(sa.delete(WAITS).where(WAITS.c.tenant == tenant, WAITS.c.run.in_(gone)))
                await forget_sign_offs(connection, tenant, gone)
                done = {
                    "status": ParkedStatus.DONE.value,
                    "key_version": None,
                    "sealed_key": b"",
                    "changed_at": at_milliseconds,
                }
                ended = sa.update(PARKED_RUNS).where(PARKED_RUNS.c.tenant == tenant, PARKED_RUNS.c.status.not_in(_ENDED))
                ended = ended if runs is None else ended.where(PARKED_RUNS.c.run.in_(runs))
                await connection.execute(ended.values(**done))
        return found

    async def forget(self, tenant: TenantId, run: RunId) -> None:
        """See the port."""
        async with using(self._engine, tenant) as connection:
            await forget_sign_offs(connection, tenant, [run])
            for table in (WAITS, PARKED_RUNS):
                await connection.execute(sa.delete(table).where(is_run(table, tenant, run)))


def join_waits() -> sa.Select[Any]:
    """Parked runs with their waits, as read_row and read_wait take them."""
    return _WAITING


def is_run(table: sa.Table, tenant: TenantId, run: RunId) -> sa.ColumnElement[bool]:
    """Rows of one run."""
    return sa.and_(table.c.tenant == tenant, table.c.run == run)


async def _load(connection: AsyncConnection, tenant: TenantId, run: RunId) -> ParkedRow | None:
    row = (await connection.execute(_ONE, {"of": tenant, "which": run})).mappings().first()
    return read_row(row) if row else None


async def _wake(
    connection: AsyncConnection, tenant: TenantId, runs: Sequence[RunId], at_milliseconds: int
) -> Sequence[ParkedRow]:
    """Have those of these runs that wait be woken; gives them."""
    if not runs:
        return []
    update = (
        sa.update(PARKED_RUNS)
        .where(PARKED_RUNS.c.tenant == tenant, PARKED_RUNS.c.run.in_(runs), PARKED_RUNS.c.status == ParkedStatus.WAITING.value)
        .values(status=ParkedStatus.WAKING.value, changed_at=at_milliseconds)
        .returning(*PARKED_RUNS.c)
    )
    return [read_row(row) for row in (await connection.execute(update)).mappings()]


def read_row(row: Mapping[Any, Any]) -> ParkedRow:
    """Read a parked run."""
    return ParkedRow(
        tenant=TenantId(row["tenant"]),
        run=RunId(row["run"]),
        ordinal=row["ordinal"],
        status=ParkedStatus(row["status"]),
        flow=FlowId(row["flow"]),
        version=row["version"],
        trigger=TriggerKind(row["trigger"]),
        accepted_at_milliseconds=row["accepted_at"],
        issue=row["issue"],
        parts=row["parts"],
        key_version=row["key_version"] or 0,
        sealed_key=bytes(row["sealed_key"]),
        changed_at_milliseconds=row["changed_at"],
        woken_in=row["woken_in"],
    )


def _write_wait(tenant: TenantId, run: RunId, wait: Wait) -> dict[str, object]:
    return {
        "tenant": tenant,
        "run": run,
        "path": wait.path,
        "due": wait.due_milliseconds,
        "name": wait.name,
        "turn": wait.turn,
        "about": f"{wait.trigger.value}|{wait.issue}" if wait.trigger is not None else "",
        "wait": msgspec.json.encode(wait).decode(),
        "answer": "",
    }


def read_wait(row: Mapping[Any, Any]) -> WaitRow:
    """Read one of its waits."""
    return WaitRow(
        tenant=TenantId(row["tenant"]),
        run=RunId(row["run"]),
        wait=msgspec.json.decode(row["wait"], type=Wait),
        answer=msgspec.json.decode(row["answer"], type=Answered) if row["answer"] else None,
    )
