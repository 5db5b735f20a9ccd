"""Finds runs that went down with all brokers, and has them launched again, or shows them as lost. Run by main/control_plane.py.

A run that was accepted in an earlier memory of the brokers and has not ended some time after a new one began is missing:
whoever still held it would have told. Several control planes may do this at a time: an order that is sent twice is carried out
once, and a row is changed only as it was found. Source: docs/decisions/0013-when-all-brokers-die.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from blubees.flows.refetch import can_ask_again
from blubees.model.errors import BluBeesError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import Redrive
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.ports import Clock, Events, MissingRun, OrderBox, RunStore

GRACE_SECONDS: Final = 25.0  # conduits may hold runs, and receipts that went down too, and tell of them
ROUND_SECONDS: Final = 2.0
ROWS_AT_ONCE: Final = 200
EXPIRY_MILLISECONDS: Final = 86_400_000  # a site whose app token does not come for a day

PostVersion = Callable[[TenantId, FlowId, int], Awaitable[bool]]
WakeAgain = Callable[[TenantId, RunId], Awaitable[bool]]


async def wake_none(_tenant: TenantId, _run: RunId) -> bool:
    """No run is parked."""
    return False


class Recovery:
    """Finds missing runs.

    Args:
        post_version: has the conduits know a flow's version, live or not; False: there is none.
        wake_again: asked first: whether a run is parked, or was and is woken again. It is not missing then.
    """

    def __init__(
        self,
        store: RunStore,
        orders: OrderBox,
        post_version: PostVersion,
        clock: Clock,
        events: Events,
        wake_again: WakeAgain = wake_none,
    ) -> None:
        self._store, self._orders, self._post_version = store, orders, post_version
        self._clock, self._events, self._wake_again = clock, events, wake_again
        self._epoch, self._since = 0, 0.0

    def learn_epoch(self, epoch: int) -> None:
        """A memory of the brokers was met."""
        self._epoch, self._since = epoch, self._clock.monotonic_seconds()

    async def recover_forever(self) -> None:
        """Look every 2 s, until cancelled."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.recover()
            except BluBeesError:
                self._events("recovery_waiting")

    async def recover(self) -> tuple[int, int]:
        """Deal with all runs that are missing now; gives how many are launched again, and how many are lost.

        Raises:
            UnavailableError: database or broker are away; the rest is dealt with later.
        """
        epoch, again, lost = self._epoch, 0, 0
        if not epoch or self._clock.monotonic_seconds() - self._since < GRACE_SECONDS:
            return 0, 0
        while rows := await self._store.list_missing(epoch, limit=ROWS_AT_ONCE):
            for row in rows:
                if await self._wake_again(TenantId(row.accepted.tenant), RunId(row.accepted.run)):
                    await self._store.move_missing(row, epoch)
                elif await self._launch_again(row, epoch):
                    again += await self._store.move_missing(row, epoch)
                else:
                    lost += await self._store.end_missing(row, _describe_lost(row.accepted, row.relaunches))
        if again or lost:
            self._events("runs_missed", launched_again=again, lost=lost)
        return again, lost

    async def _launch_again(self, row: MissingRun, epoch: int) -> bool:
        known = row.accepted
        if not can_ask_again(known.trigger, known.reference):
            return False
        if not await self._post_version(TenantId(known.tenant), FlowId(known.flow), known.version):
            return False
        order = Redrive(
            tenant=known.tenant,
            flow=known.flow,
            version=known.version,
            run=known.run,
            trigger=known.trigger,
            accepted_at_milliseconds=known.accepted_at_milliseconds,
            relaunches=row.relaunches + 1,
            reference=known.reference,
            expires_at_milliseconds=self._clock.now_milliseconds() + EXPIRY_MILLISECONDS,
        )
        await self._orders.send(order, name=f"redrive|{known.tenant}|{known.run}|{order.relaunches}|{epoch}")
        return True


def _describe_lost(known: RunAccepted, relaunches: int) -> RunReceipt:
    return RunReceipt(
        tenant=known.tenant,
        flow=known.flow,
        version=known.version,
        run=known.run,
        trigger=known.trigger,
        outcome=RunOutcome.LOST,
        accepted_at_milliseconds=known.accepted_at_milliseconds,
        started_at_milliseconds=0,
        duration_microseconds=0,
        payload_bytes=0,
        relaunches=relaunches,
        failure=Failure(code=FailureCode.LOST),
    )
