"""Parked runs, as the control plane sees them: slots, what they wait for, and when to wake them. Never their values.

Used by main/control_plane.py and doors/operator_api.py. Every change is one conditional update, so that several control planes
and requests that come twice do no harm. Source: docs/decisions/0011-parking.md.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from blubees.flows.versions import FlowService
from blubees.model.errors import ConflictError, InputError, MissingError, UnavailableError
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.order import Clear, Wake
from blubees.model.parking import (
    Answered,
    ArmSlot,
    BorrowKey,
    CallIn,
    FindWaiters,
    LeaveSlot,
    LentKey,
    OpenSlot,
    Slot,
    SlotAnswer,
    SlotRequest,
    SlotVerdict,
    TakeSlot,
    WaitEnd,
    Waiters,
    WaitKind,
    name_connection,
)
from blubees.model.receipt import RunOutcome, RunReceipt
from blubees.model.settings import Parking, TenantSettings
from blubees.ports import Clock, OrderBox, ParkedRow, ParkedStatus, ParkedStore, WaiterBoard, WaitRow
from blubees.vault.run_keys import RunKeys

AT_ONCE: Final = 500  # waits that are ended in one round
ORDERS_AT_ONCE: Final = 32
WAITERS_AT_ONCE: Final = 100  # of one event
AGAIN_MILLISECONDS: Final = 20_000  # an order that nobody has confirmed by then is given again
EXPIRY_MILLISECONDS: Final = 600_000  # of an order, which was given again meanwhile: a conduit's clock may differ from ours
GRAVE_MILLISECONDS: Final = 86_400_000  # an ended run is remembered that long, so that a late copy of it does not begin again
DOUBT_CHOICES: Final = ("retry", "skip", "fail")


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that waits, for people. `choices`: what can be answered here; `approvers`, `needed`, `approved`: of a sign-off.

    `connection`: whose grant is waited for.
    """

    run: str
    flow: str
    version: int
    step: str
    path: str
    kind: str
    due_milliseconds: int
    parked_at_milliseconds: int
    issue: str = ""
    choices: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    needed: int = 0
    approved: int = 0
    connection: str = ""


class ParkingService:
    """Keeps slots and wakes runs."""

    def __init__(
        self,
        store: ParkedStore,
        keys: RunKeys,
        orders: OrderBox,
        flows: FlowService,
        clock: Clock,
        find_settings: Callable[[TenantId], Awaitable[TenantSettings]],
        board: WaiterBoard,
        find_receipt: Callable[[TenantId, RunId], Awaitable[RunReceipt | None]],
    ) -> None:
        self._board, self._find_receipt = board, find_receipt
        self._find_settings = find_settings
        self._store, self._keys, self._orders, self._flows, self._clock = store, keys, orders, flows, clock

    async def answer_desk(self, request: SlotRequest) -> SlotAnswer | SlotVerdict:
        """Answer a conduit."""
        tenant = TenantId(request.tenant)
        if isinstance(request, CallIn):
            return await self._call_in(tenant, request)
        if isinstance(request, FindWaiters):
            names = await self._store.find_waiters(tenant, request.trigger, request.issue, limit=WAITERS_AT_ONCE)
            return Waiters(names=tuple(names))
        if isinstance(request, BorrowKey):
            return LentKey(key=await self._keys.derive(tenant, "call-back"))
        if isinstance(request, OpenSlot):
            return await self._open(request)
        if isinstance(request, ArmSlot):
            return await self._arm(request)
        if isinstance(request, TakeSlot):
            return await self._take(request)
        return await self._leave(request)

    async def end_wait(self, tenant: TenantId, run: RunId, answer: Answered) -> bool:
        """End a wait and wake its run; False when it has ended already, or there is none.

        Raises:
            UnavailableError: it has ended; the run is woken once the broker is back.
        """
        ends = await self._store.end(tenant, [(run, answer)], self._clock.now_milliseconds())
        await self._order(ends.woken)
        return ends.ended > 0

    async def wake(self, tenant: TenantId, run: RunId) -> None:
        """A wait of a run has ended: wake it, if it is parked. Raises UnavailableError: it is woken later."""
        now = self._clock.now_milliseconds()
        row = await self._store.move(tenant, run, ParkedStatus.WAITING, ParkedStatus.WAKING, now)
        await self._order([row] if row is not None else [])

    async def wake_due(self) -> int:
        """End the waits that are due, and give orders again that nobody confirmed. Gives how many runs were woken."""
        now = self._clock.now_milliseconds()
        due = await self._store.list_due(now, limit=AT_ONCE)
        tenants: dict[TenantId, list[tuple[RunId, Answered]]] = {}
        for wait in due:
            answer = Answered(path=wait.wait.path, end=WaitEnd.DUE, at_milliseconds=now)
            tenants.setdefault(wait.tenant, []).append((wait.run, answer))
        for tenant, answers in tenants.items():
            await self._order((await self._store.end(tenant, answers, now)).woken)
        for row in await self._store.list_stale(ParkedStatus.WAKING, AGAIN_MILLISECONDS, now, limit=AT_ONCE, is_installed=True):
            touched = await self._touch(row, now)
            await self._order([touched] if touched is not None else [])
        for row in await self._store.list_stale(ParkedStatus.OPEN, GRAVE_MILLISECONDS, now, limit=AT_ONCE):
            await self._store.finish(row.tenant, [row.run], now)  # its run ended before it was parked after all
        for row in await self._store.list_stale(ParkedStatus.DONE, AGAIN_MILLISECONDS, now, limit=AT_ONCE, is_installed=True):
            again = await self._touch(row, now)
            if again is not None:
                await self._clear(again)
        for row in (
            *await self._store.list_stale(ParkedStatus.CLEARED, GRAVE_MILLISECONDS, now, limit=AT_ONCE),
            *await self._store.list_stale(ParkedStatus.DONE, GRAVE_MILLISECONDS, now, limit=AT_ONCE, is_installed=False),
        ):
            await self._store.forget(row.tenant, row.run)
        return len(due)

    async def finish_runs(self, receipts: Sequence[RunReceipt]) -> None:
        """These runs have ended: destroy the keys of those that were parked, and have what they left in Jira deleted."""
        tenants: dict[TenantId, list[RunId]] = {}
        for receipt in receipts:
            tenants.setdefault(TenantId(receipt.tenant), []).append(RunId(receipt.run))
        for tenant, runs in tenants.items():
            for row in await self._store.finish(tenant, runs, self._clock.now_milliseconds()):
                await self._clear(row)

    async def wake_again(self, tenant: TenantId, run: RunId) -> bool:
        """A run that was woken is lost with the brokers: wake it again from where it was parked. False: it was not."""
        now = self._clock.now_milliseconds()
        row = await self._store.move(tenant, run, ParkedStatus.RUNNING, ParkedStatus.WAKING, now)
        await self._order([row] if row is not None else [])
        return row is not None

    async def wake_if_parked(self, tenant: TenantId, run: RunId) -> bool:
        """All brokers died: whether this run waits, or was woken from where it was parked and is woken again."""
        return await self.is_parked(tenant, run) or await self.wake_again(tenant, run)

    async def is_parked(self, tenant: TenantId, run: RunId) -> bool:
        """Whether it waits, or is being woken."""
        row = await self._store.load(tenant, run)
        return row is not None and row.status in {ParkedStatus.WAITING, ParkedStatus.WAKING}

    async def forget_tenant(self, tenant: TenantId) -> None:
        """The app was uninstalled: destroy the keys of its parked runs, and have what they left deleted, if we still may.

        That is ordered once: for a site that we may not reach any more nothing is tried again, until it is installed again.
        """
        for row in await self._store.finish(tenant, None, self._clock.now_milliseconds()):
            await self._clear(row)

    async def list_waiting(self, tenant: TenantId, *, limit: int = 200) -> tuple[WaitingRun, ...]:
        """What waits, the next due first."""
        found = await self._store.list_waiting(tenant, limit=limit)
        return tuple(_describe(row, wait) for row, wait in found)

    async def release(self, tenant: TenantId, connection: ConnectionName) -> None:
        """A connection's grant lives (again): wake all that waits for it.

        Raises:
            UnavailableError: some may wait yet; each looks again within the hour.
        """
        while True:
            held = await self._store.list_named(tenant, name_connection(connection), limit=AT_ONCE)
            now = self._clock.now_milliseconds()
            ended = WaitEnd.ANSWERED
            answers = [(run, Answered(path=path, end=ended, choice="granted", at_milliseconds=now)) for run, path in held]
            if answers:
                await self._order((await self._store.end(tenant, answers, now)).woken)
            if len(held) < AT_ONCE:
                return

    async def answer_doubt(self, tenant: TenantId, run: RunId, choice: str, step: str = "") -> None:
        """Say what shall be done with a call that may have been made.

        Raises:
            MissingError: no such run waits for that. InputError: not a choice. ConflictError: answered meanwhile.
        """
        if choice not in DOUBT_CHOICES:
            raise InputError(f"The answer must be one of: {', '.join(DOUBT_CHOICES)}.")
        waits = [row for row in await self._store.list_waits(tenant, run) if row.wait.kind is WaitKind.DOUBT]
        waits = [row for row in waits if not step or row.wait.step == step]
        if not waits:
            raise MissingError("There is no such run in doubt. `runs waiting` shows them.")
        now = self._clock.now_milliseconds()
        ended = [
            await self.end_wait(
                tenant, run, Answered(path=row.wait.path, end=WaitEnd.ANSWERED, choice=choice, at_milliseconds=now)
            )
            for row in waits
        ]
        if not any(ended):
            raise ConflictError("This was answered already.")

    async def _open(self, request: OpenSlot) -> Slot | SlotVerdict:
        tenant = TenantId(request.tenant)
        if not request.is_empty and (await self._find_settings(tenant)).parking is Parking.REFUSE:
            return SlotVerdict.REFUSED
        told = await self._find_receipt(tenant, RunId(request.run))
        if told is not None and told.outcome in {RunOutcome.FINISHED, RunOutcome.STOPPED}:
            return SlotVerdict.OVER  # who told it died before it let go of the run: there is nothing to ask
        try:
            row = await self._make_slot(request)
        except ConflictError:  # another control plane has changed the tenant's key
            self._keys.forget(tenant)
            row = await self._make_slot(request)
        return SlotVerdict.OVER if row is None else await self.give(row)

    async def _make_slot(self, request: OpenSlot) -> ParkedRow | None:
        tenant, run = TenantId(request.tenant), RunId(request.run)
        version, sealed = await self._keys.make(tenant, run)
        return await self._store.open(
            ParkedRow(
                tenant=tenant,
                run=run,
                ordinal=request.ordinal,
                status=ParkedStatus.OPEN,
                flow=FlowId(request.flow),
                version=request.version,
                trigger=request.trigger,
                accepted_at_milliseconds=request.accepted_at_milliseconds,
                issue=request.issue,
                parts=request.parts,
                key_version=version,
                sealed_key=sealed,
                changed_at_milliseconds=self._clock.now_milliseconds(),
            )
        )

    async def _call_in(self, tenant: TenantId, request: CallIn) -> SlotVerdict:
        found = await self._store.find_mailbox(tenant, request.name)
        if found is None:
            known = await self._store.load(tenant, RunId(request.run)) if request.run else None
            is_over = known is not None and known.status in {ParkedStatus.DONE, ParkedStatus.CLEARED}
            return SlotVerdict.OVER if is_over else SlotVerdict.DONE  # not parked yet: it looks into its mailbox when it is
        row, wait = found
        now = self._clock.now_milliseconds()
        await self.end_wait(tenant, row.run, Answered(path=wait.wait.path, end=WaitEnd.CALLED, at_milliseconds=now))
        return SlotVerdict.DONE

    async def _arm(self, request: ArmSlot) -> SlotVerdict:
        if any(wait.trigger is not None for wait in request.waits):
            await self._board.post(TenantId(request.tenant))
        is_armed, woken = await self._store.arm(request, self._clock.now_milliseconds())
        await self._order([woken] if woken is not None else [])  # a wait ended while the run was under way with something else
        return SlotVerdict.DONE if is_armed else SlotVerdict.OVER

    async def _take(self, request: TakeSlot) -> Slot | SlotVerdict:
        found = await self._store.take(TenantId(request.tenant), RunId(request.run), request.ordinal, request.epoch)
        if found is None:
            return SlotVerdict.OVER
        row, answers = found
        return msgspec.structs.replace(await self.give(row, answers), was_lost=row.woken_in != request.epoch)

    async def _leave(self, request: LeaveSlot) -> SlotVerdict:
        tenant, run = TenantId(request.tenant), RunId(request.run)
        now = self._clock.now_milliseconds()
        if request.cleared:
            await self._store.move(tenant, run, ParkedStatus.DONE, ParkedStatus.CLEARED, now)
        else:
            await self._store.move(tenant, run, ParkedStatus.WAKING, ParkedStatus.RUNNING, now, ordinal=request.ordinal)
        return SlotVerdict.DONE

    async def give(self, row: ParkedRow, answers: Sequence[Answered] = ()) -> Slot:
        """Make a run's slot for a conduit, with its key."""
        return Slot(
            key=await self._keys.open(row.tenant, row.run, row.key_version, row.sealed_key),
            flow=row.flow,
            version=row.version,
            trigger=row.trigger,
            accepted_at_milliseconds=row.accepted_at_milliseconds,
            issue=row.issue,
            parts=row.parts,
            answers=tuple(answers),
        )

    async def _order(self, rows: Sequence[ParkedRow]) -> None:
        """Order that these runs be woken, some at a time."""
        for version in {(row.tenant, row.flow, row.version) for row in rows}:
            await self._flows.post_version(*version)  # the one they were parked with, live or not
        for start in range(0, len(rows), ORDERS_AT_ONCE):
            await asyncio.gather(*(self._order_one(row) for row in rows[start : start + ORDERS_AT_ONCE]))

    async def _order_one(self, row: ParkedRow) -> None:
        expires = row.changed_at_milliseconds + EXPIRY_MILLISECONDS
        order = Wake(tenant=row.tenant, run=row.run, ordinal=row.ordinal, expires_at_milliseconds=expires)
        await self._orders.send(order, name=f"wake|{row.tenant}|{row.run}|{row.ordinal}|{row.changed_at_milliseconds}")

    async def _clear(self, row: ParkedRow) -> None:
        expires = self._clock.now_milliseconds() + EXPIRY_MILLISECONDS
        order = Clear(tenant=row.tenant, run=row.run, issue=row.issue, parts=row.parts, expires_at_milliseconds=expires)
        with contextlib.suppress(UnavailableError):  # wake_due gives it again
            await self._orders.send(order, name=f"clear|{row.tenant}|{row.run}|{row.changed_at_milliseconds}")

    async def _touch(self, row: ParkedRow, now: int) -> ParkedRow | None:
        """Note that we see to it now; None when another control plane does."""
        return await self._store.move(row.tenant, row.run, row.status, row.status, now, since=row.changed_at_milliseconds)


def _describe(row: ParkedRow, wait: WaitRow) -> WaitingRun:
    return WaitingRun(
        run=row.run,
        flow=row.flow,
        version=row.version,
        step=wait.wait.step,
        path=wait.wait.path,
        kind=wait.wait.kind.value,
        due_milliseconds=wait.wait.due_milliseconds,
        parked_at_milliseconds=row.changed_at_milliseconds,
        issue=row.issue,
        connection=wait.wait.connection,
        choices=DOUBT_CHOICES if wait.wait.kind is WaitKind.DOUBT else (),
        approvers=wait.wait.rule.approvers if wait.wait.rule is not None else (),
        needed=wait.wait.rule.needed if wait.wait.rule is not None else 0,
    )
