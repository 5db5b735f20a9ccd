"""What operators do to runs: cancel one wherever it is, launch a failed one again. Called by doors/operator_api.py.

The control plane never sees what a run holds: it counts whether the broker still has it, and orders a conduit to go on.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

import msgspec

from blubees.flows.refetch import can_ask_again
from blubees.model.errors import ConflictError, MissingError, UnavailableError
from blubees.model.failures import FailureCode
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import DoubtChoice, Redrive, Retry
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.operations.ledger import Ledger
from blubees.operations.parking import ParkingService
from blubees.ports import CancelBoard, Chance, Clock, OrderBox, ReplayShelf

EXPIRY_MILLISECONDS: Final = 86_400_000
_RETRIED: Final = frozenset({RunOutcome.FAILED, RunOutcome.LOST})
_UNDER_WAY: Final = frozenset({RunOutcome.ACCEPTED, RunOutcome.PARKED})


class RetryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What retrying gave.

    Attributes:
        run: the run that goes on; another one when it starts anew.
        how: `from_failed_step`, or `from_the_start`: a new run, since what the failed one held is gone.
    """

    run: str
    how: str


class RetryHow(StrEnum):
    """How a run can be retried; `unknown`: the broker does not say what it still has."""

    FROM_FAILED_STEP = "from_failed_step"
    FROM_THE_START = "from_the_start"
    NOT_AT_ALL = "not_at_all"
    UNKNOWN = "unknown"


class RetryWays(msgspec.Struct, frozen=True, kw_only=True):
    """How a failed or lost run can be retried.

    Attributes:
        now: how it is retried when somebody says so now.
        until_milliseconds: since 1970: when what it held is forgotten; 0 when `now` is not `from_failed_step`.
        then: how from then on.
        is_in_doubt: whoever has it go on must say whether the call in doubt is made again or skipped.
    """

    now: RetryHow
    then: RetryHow
    until_milliseconds: int = 0
    is_in_doubt: bool = False


class RunControl:
    """Cancels and retries runs."""

    def __init__(
        self,
        ledger: Ledger,
        parking: ParkingService,
        cancels: CancelBoard,
        replays: ReplayShelf,
        orders: OrderBox,
        post_version: Callable[[TenantId, FlowId, int], Awaitable[bool]],
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._ledger, self._parking, self._cancels, self._replays = ledger, parking, cancels, replays
        self._orders, self._post_version, self._clock, self._chance = orders, post_version, clock, chance

    async def cancel(self, tenant: TenantId, run: RunId) -> None:
        """Have a run end before its next call; a call that is under way is let finish.

        Raises:
            MissingError, ConflictError: it has ended. UnavailableError: the broker does not answer.
        """
        found = await self._load(tenant, run)
        if found.outcome not in _UNDER_WAY:
            raise ConflictError(f"The run has ended already: {found.outcome.value}.")
        await self._cancels.post(tenant, run)
        if found.outcome is RunOutcome.PARKED:
            ended = msgspec.structs.replace(found, outcome=RunOutcome.CANCELLED)
            await self._ledger.record([ended])
            await self._parking.finish_runs([ended])

    async def retry(self, tenant: TenantId, run: RunId, choice: DoubtChoice) -> RetryAnswer:
        """Have a failed run go on from its failed step; or start anew when what it held is gone and its source can be asked.

        Raises:
            MissingError; ConflictError: it has not failed, is in doubt, or can't be retried: why, and what to do.
            UnavailableError: the broker does not answer.
        """
        found = await self._load(tenant, run)
        if found.outcome not in _RETRIED:
            raise ConflictError(f"The run has not failed: {found.outcome.value}. Only failed and lost runs can be retried.")
        if found.outcome is RunOutcome.FAILED and await self._replays.has(tenant, run):
            if _is_in_doubt(found) and choice is DoubtChoice.NONE:
                raise ConflictError(
                    f"The step {found.failed_step} is in doubt: its call may have been made. Look at the third party, then say "
                    "--again (make it again) or --skip (go on as if it had been made)."
                )
            await self._expect_version(found)
            await self._orders.send(_order_retry(found, choice), name=f"retry|{tenant}|{run}|{found.relaunches + 1}")
            return RetryAnswer(run=run, how="from_failed_step")
        return RetryAnswer(run=await self._start_anew(found), how="from_the_start")

    async def tell_ways(self, found: RunReceipt) -> RetryWays | None:
        """Tell how a run can be retried, and until when; None: it has not failed."""
        if found.outcome not in _RETRIED:
            return None
        known = await self._find_askable(found)
        then = RetryHow.NOT_AT_ALL if known is None else RetryHow.FROM_THE_START
        if found.outcome is not RunOutcome.FAILED:
            return RetryWays(now=then, then=then)
        try:
            has_all = await self._replays.has(TenantId(found.tenant), RunId(found.run))
        except UnavailableError:
            return RetryWays(now=RetryHow.UNKNOWN, then=then)
        if not has_all:
            return RetryWays(now=then, then=then)
        return RetryWays(
            now=RetryHow.FROM_FAILED_STEP,
            then=then,
            until_milliseconds=found.kept_until_milliseconds,
            is_in_doubt=_is_in_doubt(found),
        )

    async def _find_askable(self, found: RunReceipt) -> RunAccepted | None:
        """Give what was known of the run when it was accepted, if that is enough to ask its source for the event again."""
        known = await self._ledger.load_accepted(TenantId(found.tenant), RunId(found.run))
        return known if known is not None and can_ask_again(known.trigger, known.reference) else None

    async def _start_anew(self, found: RunReceipt) -> RunId:
        known = await self._find_askable(found)
        if known is None:
            raise ConflictError(
                "What the run held is no longer in the brokers' memory (see `tenants settings --replay-hours`), and its source "
                "can't be asked for the event again. Have it sent again."
            )
        await self._expect_version(found)
        fresh = self._chance.new_run_id()
        now = self._clock.now_milliseconds()
        order = Redrive(
            tenant=found.tenant,
            flow=found.flow,
            version=found.version,
            run=fresh,
            trigger=found.trigger,
            accepted_at_milliseconds=now,
            relaunches=0,
            reference=known.reference,
            expires_at_milliseconds=now + EXPIRY_MILLISECONDS,
            retry_of=found.run,
        )
        await self._orders.send(order, name=f"anew|{found.tenant}|{fresh}")
        return fresh

    async def _expect_version(self, found: RunReceipt) -> None:
        if not await self._post_version(TenantId(found.tenant), FlowId(found.flow), found.version):
            raise ConflictError("The version of the flow that the run had is not there any more.")

    async def _load(self, tenant: TenantId, run: RunId) -> RunReceipt:
        found = await self._ledger.load(tenant, run)
        if found is None:
            raise MissingError("There is no such run. `runs list` shows the newest.")
        return found


def _is_in_doubt(found: RunReceipt) -> bool:
    return found.failure is not None and found.failure.code is FailureCode.IN_DOUBT


def _order_retry(found: RunReceipt, choice: DoubtChoice) -> Retry:
    return Retry(
        tenant=found.tenant,
        flow=found.flow,
        version=found.version,
        run=found.run,
        trigger=found.trigger,
        accepted_at_milliseconds=found.accepted_at_milliseconds,
        relaunches=found.relaunches + 1,
        choice=choice,
    )
