"""Carries out the order `Redrive` in a conduit: asks the source for the event again, and launches the run again under its id.

Called by main/conduit.py. The same id gives every keyed effect the same Idempotency-Key; what is unsafe is in doubt
(engine/walk.py): the run may have done it before it was lost. Source: docs/decisions/0013-when-all-brokers-die.md.
"""

from collections.abc import Callable
from typing import Final

import orjson

from blubees.engine.frames import Line
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, write_ordered
from blubees.engine.plan import PlanShelf
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.work import Receipts
from blubees.flows.refetch import refetch_event
from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Redrive
from blubees.model.receipt import RunOutcome
from blubees.ports import Clock, Put

AGAIN_SECONDS: Final = 15.0
_FINAL: Final = frozenset(
    {
        FailureCode.REFERENCE_GONE,
        FailureCode.REQUEST_REFUSED,
        FailureCode.TEMPLATE_FAILED,
        FailureCode.CONNECTION_MISSING,
        FailureCode.EGRESS_REFUSED,
        FailureCode.RUN_TOO_LARGE,
    }
)


class RedriveDesk:
    """Launches lost runs again."""

    def __init__(
        self,
        shelf: PlanShelf,
        open_line: Callable[[TenantId], Line],
        launcher: Launcher,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        self._shelf, self._open_line, self._launcher = shelf, open_line, launcher
        self._receipts, self._clock = receipts, clock

    async def carry_out(self, order: Redrive) -> None:
        """Carry out one order; getting it twice launches the run once.

        Raises:
            UnavailableError: not now: no app token yet, Jira is busy, the queue is full; it shall come again.
        """
        message = write_ordered(order)
        if self._clock.now_milliseconds() > order.expires_at_milliseconds:
            self._give_up(message, Failure(code=FailureCode.LOST))
            return
        tenant, flow = TenantId(order.tenant), FlowId(order.flow)
        plan = self._shelf.get(tenant, flow, order.version)
        if plan is None:
            raise UnavailableError("The version of the lost run is not known here yet.")
        found = await refetch_event(
            self._open_line(tenant),
            order,
            plan.published,
            lambda delivery: self._launcher.hash_delivery(tenant, flow, delivery),
            self._clock.now(),
        )
        if isinstance(found, Failure):
            if found.code not in _FINAL:
                raise UnavailableError(
                    "The event can't be asked for now.", retry_after_seconds=max(found.retry_after_seconds, AGAIN_SECONDS)
                )
            self._give_up(message, found)
            return
        message.body = orjson.dumps(found)
        put = await self._launcher.launch(
            message, delivery=f"redrive|{order.run}|{order.relaunches}", reference=order.reference
        )
        if put is Put.FULL:
            raise UnavailableError("The tenant's queue is full.", retry_after_seconds=AGAIN_SECONDS)

    def _give_up(self, message: RunMessage, failure: Failure) -> None:
        book = StepBook(self._clock, message)
        self._receipts.add(describe_run(message, book, RunOutcome.LOST, failure, deliveries=1, failed_step=""))
