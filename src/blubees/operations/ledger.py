"""The ledger: receipts of runs, and what they mean to people. Used by doors/operator_api.py and main/control_plane.py."""

from collections.abc import Sequence
from typing import Final

import msgspec

from blubees.model.failures import WHOSE_FAULT, Failure, FailureCode, explain_failure
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import RunAccepted, RunReceipt
from blubees.ports import RunStore

RETRIES_TOLD: Final = 20
_SEND_AGAIN: Final = {
    TriggerKind.WEBHOOK: (
        "Look at the third parties, then have its sender deliver it again: the delivery that was accepted at the time shown. "
        "It is taken again, also with the same delivery id."
    ),
    TriggerKind.MANUAL: "Look at the third parties, then run it again: `blubees flow run`.",
}
"""Who still has what a lost run carried."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A failure for people: what happened, where, whose fault it is and what to do. Without values."""

    code: str
    what: str
    where: str
    whose_fault: str
    what_to_do: str
    http_status: int = 0
    detail: str = ""


class Ledger:
    """Keeps and gives receipts."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def record(self, receipts: Sequence[RunReceipt | RunAccepted]) -> None:
        """Keep receipts, whatever the order in which they come (ports.RunStore)."""
        if receipts:
            await self._store.record(receipts)

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """Give one run with its steps."""
        return await self._store.load(tenant, run)

    async def load_accepted(self, tenant: TenantId, run: RunId) -> RunAccepted | None:
        """Give what was known when a run was accepted."""
        return await self._store.load_accepted(tenant, run)

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None = None, limit: int = 50, before: RunId | None = None
    ) -> Sequence[RunReceipt]:
        """Give runs, newest first; `tenant` None is for operators only."""
        return await self._store.list(tenant, flow=flow, limit=max(1, min(limit, 1_000)), before=before)

    async def list_retries(self, tenant: TenantId, run: RunId) -> Sequence[RunReceipt]:
        """Give the runs that started this failed one anew, newest first."""
        return await self._store.list(tenant, flow=None, limit=RETRIES_TOLD, before=None, retry_of=run)


def explain(receipt: RunReceipt) -> tuple[Explanation, ...]:
    """Explain each failure of a run: those of its steps, else the run's own."""
    failures = [(step.within + step.step, step.failure) for step in receipt.steps if step.failure is not None]
    if not failures and receipt.failure is not None:
        failures = [(receipt.failed_step, receipt.failure)]
    told = tuple(_explain(step, failure) for step, failure in failures)
    to_do = _SEND_AGAIN.get(receipt.trigger, "")
    is_lost = receipt.failure is not None and receipt.failure.code is FailureCode.LOST
    return tuple(msgspec.structs.replace(each, what_to_do=to_do) for each in told) if is_lost and to_do else told


def _explain(step: str, failure: Failure) -> Explanation:
    what, what_to_do = explain_failure(failure)
    return Explanation(
        code=failure.code.value,
        what=what,
        where=f"step {step}, {failure.field}" if failure.field and step else f"step {step}" if step else "the run",
        whose_fault=WHOSE_FAULT[failure.code].value,
        what_to_do=what_to_do,
        http_status=failure.http_status,
        detail=failure.detail or failure.frame,
    )
