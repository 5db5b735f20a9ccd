"""The ledger's rows in the database (port RunStore)."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import RUNS
from blubees.adapters.database.transaction import insert_into, using
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import RunReceipt


class SqlRunStore:
    """Port RunStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, receipts: Sequence[RunReceipt]) -> None:
        """See the port."""
        insert = insert_into(self._engine, RUNS)
        more = sa.case((insert.excluded.deliveries > RUNS.c.deliveries, insert.excluded.deliveries), else_=RUNS.c.deliveries)
        statement = insert.on_conflict_do_update(index_elements=["tenant", "run"], set_={"deliveries": more})
        rows = [
            {
                "tenant": each.tenant,
                "run": each.run,
                "flow": each.flow,
                "outcome": each.outcome.value,
                "deliveries": each.deliveries,
                "receipt": msgspec.json.encode(each).decode(),
            }
            for each in receipts
        ]
        async with using(self._engine) as connection:
            await connection.execute(statement, rows)

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """See the port."""
        query = sa.select(RUNS.c.receipt, RUNS.c.deliveries).where(RUNS.c.tenant == tenant, RUNS.c.run == run)
        async with using(self._engine) as connection:
            row = (await connection.execute(query)).first()
            return _read_receipt(row[0], row[1]) if row else None

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None, limit: int, before: RunId | None
    ) -> Sequence[RunReceipt]:
        """See the port."""
        query = sa.select(RUNS.c.receipt, RUNS.c.deliveries).order_by(RUNS.c.run.desc()).limit(limit)
        for column, value in ((RUNS.c.tenant, tenant), (RUNS.c.flow, flow)):
            query = query if value is None else query.where(column == value)
        query = query if before is None else query.where(RUNS.c.run < before)
        async with using(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [msgspec.structs.replace(_read_receipt(row[0], row[1]), steps=()) for row in rows]


def _read_receipt(text: str, deliveries: int) -> RunReceipt:
    return msgspec.structs.replace(msgspec.json.decode(text, type=RunReceipt), deliveries=deliveries)
