"""The database: receipts of runs, what was seen (control plane only)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import RunAccepted, RunReceipt


class SeenStore(Protocol):
    """Marks of keys that were seen: keyed hashes that expire."""

    async def mark(self, tenant: TenantId, mark: str, asker: str, now_milliseconds: int, expires_milliseconds: int) -> bool:
        """Whether the mark of another asker lives; else the mark is this asker's from now on. One is first."""
        ...

    async def purge(self, now_milliseconds: int) -> None:
        """Delete all that has expired, of every tenant."""
        ...


class MissingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was accepted in an earlier memory of the brokers and has not ended.

    Attributes:
        accepted: of its first launch.
        relaunches, epoch: of its newest one.
    """

    accepted: RunAccepted
    relaunches: int
    epoch: int


class RunStore(Protocol):
    """The ledger's rows."""

    async def record(self, receipts: Sequence[RunReceipt | RunAccepted]) -> None:
        """Insert or change, whatever the order in which they come.

        An end beats `accepted`, and a later launch of a run an earlier one; of two ends of one launch the first is kept,
        with the larger `deliveries`.
        """
        ...

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """One, with its steps. Of a run that has not ended: what is known, with the outcome `accepted`."""
        ...

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None, limit: int, before: RunId | None, retry_of: RunId | None = None
    ) -> Sequence[RunReceipt]:
        """Newest first, without steps, those under way too.

        Args:
            tenant: None is for operators only.
            before: the last id of the page before.
            retry_of: only those that started this failed run anew.
        """
        ...

    async def load_accepted(self, tenant: TenantId, run: RunId) -> RunAccepted | None:
        """What was known when a run was first accepted; None when only its end has come."""
        ...

    async def list_missing(self, epoch: int, *, limit: int) -> Sequence[MissingRun]:
        """Runs that have not ended and were last launched before this epoch, of all tenants: the control plane's own."""
        ...

    async def move_missing(self, run: MissingRun, epoch: int) -> bool:
        """It is taken care of in this epoch; False when it is not as it was found."""
        ...

    async def end_missing(self, run: MissingRun, receipt: RunReceipt) -> bool:
        """It is lost; False when it is not as it was found. An end that comes after all takes its place."""
        ...
