"""The ledger's rows in the database (port RunStore).

A run has one row. What happens to it comes in any order: of two facts the later one in the run's life counts (`stage`).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import PARKED_RUNS, RUNS
from blubees.adapters.database.transaction import insert_into, opening, reading_all_tenants, turn_to, using
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.ports import MissingRun, ParkedStatus

_IS_PARKED = sa.and_(RUNS.c.outcome == RunOutcome.ACCEPTED.value, PARKED_RUNS.c.status == ParkedStatus.WAITING.value)
_OUTCOME = sa.case((_IS_PARKED, RunOutcome.PARKED.value), else_=RUNS.c.outcome)
_RUNS = (
    sa.select(_OUTCOME, RUNS.c.deliveries, RUNS.c.accepted, RUNS.c.receipt, RUNS.c.stage)
    .select_from(RUNS)
    .outerjoin(PARKED_RUNS, sa.and_(PARKED_RUNS.c.tenant == RUNS.c.tenant, PARKED_RUNS.c.run == RUNS.c.run))
)


_IS_RETRY = RUNS.c.retry_of != sa.literal_column("''")  # as the index on these rows has it
_IS_UNDER_WAY = RUNS.c.outcome == sa.literal_column("'accepted'")  # as the index on these rows has it


class SqlRunStore:
    """Port RunStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._encoder = msgspec.json.Encoder()
        insert = insert_into(engine, RUNS)
        fresh = insert.excluded
        is_later = fresh.stage > RUNS.c.stage
        self._statement = insert.on_conflict_do_update(
            index_elements=["tenant", "run"],
            set_={
                "outcome": sa.case((is_later, fresh.outcome), else_=RUNS.c.outcome),
                "stage": sa.case((is_later, fresh.stage), else_=RUNS.c.stage),
                "epoch": sa.case((fresh.epoch > RUNS.c.epoch, fresh.epoch), else_=RUNS.c.epoch),
                "deliveries": sa.case((fresh.deliveries > RUNS.c.deliveries, fresh.deliveries), else_=RUNS.c.deliveries),
                # the first launch's, and the newest end's
                "accepted": sa.case((RUNS.c.accepted == "", fresh.accepted), else_=RUNS.c.accepted),
                "receipt": sa.case((sa.and_(is_later, fresh.receipt != ""), fresh.receipt), else_=RUNS.c.receipt),
            },
        )

    async def record(self, receipts: Sequence[RunReceipt | RunAccepted]) -> None:
        """See the port."""
        rows: dict[tuple[str, str], dict[str, str | int]] = {}
        for each in receipts:  # both facts of a short run often come together: then they are one row, written once
            row = self._write_row(each)
            before = rows.get((each.tenant, each.run))
            rows[each.tenant, each.run] = row if before is None else _merge(before, row)
        async with opening(self._engine) as connection:
            # sorted as every control plane does: two that keep receipts at a time do not wait for each other in a ring
            for tenant, keys in itertools.groupby(sorted(rows), key=lambda key: key[0]):
                await turn_to(connection, TenantId(tenant))
                await connection.execute(self._statement, [rows[key] for key in keys])

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """See the port."""
        query = _RUNS.where(RUNS.c.tenant == tenant, RUNS.c.run == run)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).first()
            return _read_receipt(row) if row else None

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None, limit: int, before: RunId | None, retry_of: RunId | None = None
    ) -> Sequence[RunReceipt]:
        """See the port."""
        query = _RUNS.order_by(RUNS.c.run.desc()).limit(limit)
        for column, value in ((RUNS.c.tenant, tenant), (RUNS.c.flow, flow)):
            query = query if value is None else query.where(column == value)
        query = query if before is None else query.where(RUNS.c.run < before)
        query = query if retry_of is None else query.where(RUNS.c.retry_of == retry_of, _IS_RETRY)
        opened = reading_all_tenants(self._engine) if tenant is None else using(self._engine, tenant)
        async with opened as connection:
            rows = (await connection.execute(query)).all()
        return [msgspec.structs.replace(_read_receipt(row), steps=()) for row in rows]

    async def load_accepted(self, tenant: TenantId, run: RunId) -> RunAccepted | None:
        """See the port."""
        query = sa.select(RUNS.c.accepted).where(RUNS.c.tenant == tenant, RUNS.c.run == run)
        async with using(self._engine, tenant) as connection:
            text = (await connection.execute(query)).scalar()
        return msgspec.json.decode(text, type=RunAccepted) if text else None

    async def list_missing(self, epoch: int, *, limit: int) -> Sequence[MissingRun]:
        """See the port."""
        query = sa.select(RUNS.c.accepted, RUNS.c.stage, RUNS.c.epoch).where(_IS_UNDER_WAY, RUNS.c.epoch < epoch).limit(limit)
        async with reading_all_tenants(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            MissingRun(accepted=msgspec.json.decode(accepted, type=RunAccepted), relaunches=stage // 2, epoch=then)
            for accepted, stage, then in rows
        ]

    async def move_missing(self, run: MissingRun, epoch: int) -> bool:
        """See the port."""
        return await self._change_missing(run, {"epoch": epoch})

    async def end_missing(self, run: MissingRun, receipt: RunReceipt) -> bool:
        """See the port."""
        text = self._encoder.encode(receipt).decode()
        return await self._change_missing(run, {"outcome": receipt.outcome.value, "receipt": text})

    async def _change_missing(self, run: MissingRun, values: dict[str, str | int]) -> bool:
        tenant = TenantId(run.accepted.tenant)
        is_as_found = sa.and_(
            RUNS.c.tenant == tenant,
            RUNS.c.run == run.accepted.run,
            _IS_UNDER_WAY,
            RUNS.c.epoch == run.epoch,
            RUNS.c.stage == 2 * run.relaunches,
        )
        async with using(self._engine, tenant) as connection:
            changed = await connection.execute(sa.update(RUNS).where(is_as_found).values(**values))
        return bool(changed.rowcount)

    def _write_row(self, fact: RunReceipt | RunAccepted) -> dict[str, str | int]:
        is_end = isinstance(fact, RunReceipt)
        text = self._encoder.encode(fact).decode()
        return {
            "tenant": fact.tenant,
            "run": fact.run,
            "flow": fact.flow,
            "outcome": fact.outcome.value if isinstance(fact, RunReceipt) else RunOutcome.ACCEPTED.value,
            "stage": 2 * fact.relaunches + is_end,
            "epoch": 0 if isinstance(fact, RunReceipt) else fact.epoch,
            "deliveries": fact.deliveries if isinstance(fact, RunReceipt) else 0,
            "accepted": "" if is_end else text,
            "receipt": text if is_end else "",
            "retry_of": fact.retry_of or "",
        }


def _merge(before: dict[str, str | int], row: dict[str, str | int]) -> dict[str, str | int]:
    """Do to two rows of one run what the statement would do with one after the other."""
    later = row if int(row["stage"]) > int(before["stage"]) else before
    return later | {
        "epoch": max(int(before["epoch"]), int(row["epoch"])),
        "deliveries": max(int(before["deliveries"]), int(row["deliveries"])),
        "accepted": before["accepted"] or row["accepted"],
        "receipt": later["receipt"] or before["receipt"] or row["receipt"],
    }


def _read_receipt(row: Sequence[Any]) -> RunReceipt:
    outcome, deliveries, accepted, receipt, stage = row
    if receipt and outcome not in {RunOutcome.ACCEPTED, RunOutcome.PARKED}:
        return msgspec.structs.replace(msgspec.json.decode(receipt, type=RunReceipt), deliveries=deliveries)
    known = msgspec.json.decode(accepted, type=RunAccepted)
    return RunReceipt(
        tenant=known.tenant,
        flow=known.flow,
        version=known.version,
        run=known.run,
        trigger=known.trigger,
        outcome=RunOutcome(outcome),
        accepted_at_milliseconds=known.accepted_at_milliseconds,
        started_at_milliseconds=0,
        duration_microseconds=0,
        payload_bytes=0,
        deliveries=deliveries,
        relaunches=stage // 2,
        retry_of=known.retry_of,
    )
