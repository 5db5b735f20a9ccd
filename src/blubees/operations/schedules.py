"""Fires schedules and polls: claims a tick in the table, orders the conduits to carry it out, notes their answer.

Run by main/control_plane.py; asked by the operator API. Every control plane does this, and none leads: a tick is claimed by
one UPDATE that only one of them wins. A claim stays in the row until a conduit has answered, and its order is sent again when
none does: a broker, a conduit or a control plane that dies in between loses no tick. Source: docs/decisions/0012-clock.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from blubees.flows.timing import find_next, judge_tick
from blubees.model.errors import BluBeesError, ConflictError, MissingError, UnavailableError
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Fire
from blubees.model.receipt import Fired
from blubees.ports import Clock, Events, OrderBox, ScheduleRow, ScheduleStore

ROUND_SECONDS: Final = 1.0
ROWS_AT_ONCE: Final = 500
ANSWER_MILLISECONDS: Final = 30_000  # within which a conduit answers
ASKING_MILLISECONDS: Final = 180_000  # the same when it has to ask Jira or a third party
SKEW_MILLISECONDS: Final = 600_000  # an order lives so much longer: a conduit's clock may differ from ours
UNSENT_MILLISECONDS: Final = 2_000  # before another try when the broker is away
TRY_MILLISECONDS: Final = 900_000  # how long a failing tick is tried before the ledger tells of it
BACKOFF_SECONDS: Final = (15.0, 300.0)  # of a failing tick: the first wait and the longest; each is twice the one before
POLL_BACKOFF_SECONDS: Final = 3_600.0  # the longest wait of a failing poll, where its interval is shorter
MEND_ATTEMPTS: Final = 2  # unanswered so often, we look whether the flow is still live
SWAPS: Final = 5


class Scheduler:
    """Fires what is due.

    Args:
        mend: brings a flow's row in step with its live version.
    """

    def __init__(
        self,
        store: ScheduleStore,
        orders: OrderBox,
        mend: Callable[[TenantId, FlowId], Awaitable[None]],
        clock: Clock,
        events: Events,
    ) -> None:
        self._store, self._orders, self._mend, self._clock, self._events = store, orders, mend, clock, events

    async def fire_forever(self) -> None:
        """Fire what is due, every second, until cancelled."""
        while True:
            sent = 0
            try:
                sent = await self.fire_due()
            except BluBeesError:
                self._events("schedules_waiting")
            await asyncio.sleep(0 if sent == ROWS_AT_ONCE else ROUND_SECONDS)  # after a full round there may be more

    async def fire_due(self) -> int:
        """Fire everything that is due now; gives how many orders were sent. Raises UnavailableError: the database is away."""
        sent, now = 0, self._clock.now_milliseconds()
        for row in await self._store.list_due(now, ahead_milliseconds=now + SKEW_MILLISECONDS, limit=ROWS_AT_ONCE):
            try:
                if row.claimed_at_milliseconds > now + SKEW_MILLISECONDS:
                    await self._set_back(row, now)
                else:
                    sent += await (self._send_again(row) if row.claimed_due_milliseconds else self._claim(row))
            except Exception:  # noqa: BLE001 - one flow's trouble, whatever it is, is not the others'
                self._events("schedule_not_fired", tenant=row.tenant, flow=row.flow)
        return sent

    async def note(self, fired: Fired) -> None:
        """Note a conduit's answer. One that nobody waits for any more is passed over. Raises UnavailableError."""
        tenant, flow = TenantId(fired.tenant), FlowId(fired.flow)
        for _ in range(SWAPS):
            row = await self._store.load(tenant, flow)
            if row is None or (row.version, row.claimed_due_milliseconds) != (fired.version, fired.due_milliseconds):
                return
            if await self._store.swap(row, _note_answer(row, fired, self._clock.now_milliseconds())):
                return

    async def fire_now(self, tenant: TenantId, flow: FlowId) -> None:
        """Make a flow's schedule or poll due at once. Raises MissingError, ConflictError: a tick is under way."""
        row = await self.load(tenant, flow)
        if row is None:
            raise MissingError("This flow has no schedule and no poll that is live. `flow list` shows which have.")
        changed = msgspec.structs.replace(row, next_due_milliseconds=self._clock.now_milliseconds())
        if row.claimed_due_milliseconds or not await self._store.swap(row, changed):
            raise ConflictError("A tick of this flow is under way. Try again when `flow show` says that it was answered.")

    async def load(self, tenant: TenantId, flow: FlowId) -> ScheduleRow | None:
        """Give a flow's row."""
        return await self._store.load(tenant, flow)

    async def list(self, tenant: TenantId) -> Sequence[ScheduleRow]:
        """Give the tenant's rows."""
        return await self._store.list(tenant)

    async def _set_back(self, row: ScheduleRow, now: int) -> None:
        """A clock that was ahead has claimed a tick: the next one is the first after now, not after that clock's time.

        A tick that was fired early comes again at its time, and starts nothing twice: its runs are known by it.
        """
        self._events("clock_was_ahead", tenant=row.tenant, flow=row.flow)
        changed = msgspec.structs.replace(
            row,
            next_due_milliseconds=min(row.next_due_milliseconds, find_next(row.timing, row.anchor_milliseconds, now)),
            last_due_milliseconds=min(row.last_due_milliseconds, now),
            claimed_at_milliseconds=now,
            deadline_milliseconds=min(row.deadline_milliseconds, now),
        )
        await self._store.swap(row, changed)

    async def _claim(self, row: ScheduleRow) -> bool:
        now = self._clock.now_milliseconds()
        tick = judge_tick(row.timing, row.anchor_milliseconds, row.next_due_milliseconds, now)
        changed = msgspec.structs.replace(row, next_due_milliseconds=tick.next_milliseconds, missed=tick.missed)
        if tick.due_milliseconds:
            changed = msgspec.structs.replace(
                changed,
                claimed_due_milliseconds=tick.due_milliseconds,
                claimed_at_milliseconds=now,
                deadline_milliseconds=now + _give_time(row),
                attempts=1,
            )
        if not await self._store.swap(row, changed):
            return False
        return bool(tick.due_milliseconds) and await self._send(changed)

    async def _send_again(self, row: ScheduleRow) -> bool:
        if row.attempts >= MEND_ATTEMPTS:
            await self._mend(row.tenant, row.flow)
        changed = msgspec.structs.replace(
            row, deadline_milliseconds=self._clock.now_milliseconds() + _give_time(row), attempts=row.attempts + 1
        )
        return await self._store.swap(row, changed) and await self._send(changed)

    async def _send(self, row: ScheduleRow) -> bool:
        is_old = self._clock.now_milliseconds() - row.claimed_at_milliseconds >= TRY_MILLISECONDS
        order = Fire(
            tenant=row.tenant,
            flow=row.flow,
            version=row.version,
            due_milliseconds=row.claimed_due_milliseconds,
            last_milliseconds=row.last_due_milliseconds,
            missed=row.missed,
            expires_at_milliseconds=row.deadline_milliseconds + SKEW_MILLISECONDS,
            cursor=row.cursor,
            is_last_try=is_old and not row.timing.is_poll,
        )
        name = f"fire|{row.tenant}|{row.flow}|{row.version}|{row.claimed_due_milliseconds}|{row.attempts}"
        try:
            await self._orders.send(order, name=name)
        except UnavailableError:
            self._events("schedule_not_sent", tenant=row.tenant, flow=row.flow)
            soon = self._clock.now_milliseconds() + UNSENT_MILLISECONDS
            await self._store.swap(row, msgspec.structs.replace(row, deadline_milliseconds=soon))
            return False
        return True


def _give_time(row: ScheduleRow) -> int:
    return ASKING_MILLISECONDS if row.timing.asks else ANSWER_MILLISECONDS


def _note_answer(row: ScheduleRow, fired: Fired, now: int) -> ScheduleRow:
    answered = msgspec.structs.replace(row, answered_at_milliseconds=now, runs=fired.runs)
    closed = msgspec.structs.replace(answered, claimed_due_milliseconds=0, deadline_milliseconds=0, attempts=0)
    failure = fired.failure
    if failure is None:
        return msgspec.structs.replace(
            closed,
            last_due_milliseconds=min(fired.due_milliseconds, now),  # it may have been claimed by a clock that was ahead
            cursor=fired.cursor or row.cursor,
            failures=0,
            failure="",
            http_status=0,
        )
    failures = row.failures + 1
    told = {"failures": failures, "failure": failure.code.value, "http_status": failure.http_status}
    if row.timing.is_poll:  # the next poll asks for the same again, and for what came meanwhile
        wait = _choose_wait(failures, row.timing.every_seconds, POLL_BACKOFF_SECONDS, failure.retry_after_seconds)
        return msgspec.structs.replace(closed, next_due_milliseconds=max(row.next_due_milliseconds, now + wait), **told)
    if fired.is_last_try:
        return msgspec.structs.replace(closed, **told)
    wait = _choose_wait(failures, *BACKOFF_SECONDS, failure.retry_after_seconds)
    return msgspec.structs.replace(answered, deadline_milliseconds=now + wait, **told)


def _choose_wait(failures: int, first: float, longest: float, asked: float) -> int:
    """Twice as long each time; not before we were asked to come back."""
    return int(1_000 * max(min(first * 2 ** min(failures - 1, 20), max(first, longest)), asked))
