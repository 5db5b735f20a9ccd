"""Sign-offs, as the control plane sees them: who may answer, who has, and whom to tell. Never the question.

Used by main/control_plane.py. An answer counts once for each person, and is bound to the question's hash. Nobody answers for
another: there is no way in for operators. Source: docs/decisions/0025-sign-offs.md.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId, TenantId
from blubees.model.order import Notify
from blubees.model.sign_off import (
    AnswerSignOff,
    Choice,
    ListSignOffs,
    ShowSignOff,
    SignOff,
    SignOffDone,
    SignOffList,
    SignOffReply,
    SignOffRequest,
    SignOffShown,
    SignOffVerdict,
    list_askees,
)
from blubees.operations.parking import ParkingService, WaitingRun
from blubees.ports import Clock, Events, OpenSignOff, OrderBox, SignOffStore

AT_ONCE: Final = 200  # notices of one round
LISTED_MAX: Final = 2_000  # of one tenant
ROUND_SECONDS: Final = 1.0
MEND_ROUNDS: Final = 20  # between two looks for runs that were not woken


class SignOffService:
    """Keeps sign-offs."""

    def __init__(self, store: SignOffStore, parking: ParkingService, orders: OrderBox, clock: Clock) -> None:
        self._store, self._parking, self._orders, self._clock = store, parking, orders, clock

    async def answer_desk(self, request: SignOffRequest) -> SignOffReply:
        """Answer a conduit."""
        if isinstance(request, ListSignOffs):
            return await self._list(request)
        if isinstance(request, ShowSignOff):
            return await self._show(request)
        return await self._answer(request)

    async def add_progress(self, tenant: TenantId, waiting: Sequence[WaitingRun]) -> tuple[WaitingRun, ...]:
        """Tell of each sign-off how many have approved."""
        if not any(each.approvers for each in waiting):
            return tuple(waiting)
        found = await self._store.list_open(tenant, limit=LISTED_MAX)
        counts = {(each.row.run, each.wait.path): _count_approved(each) for each in found}
        return tuple(msgspec.structs.replace(each, approved=counts.get((RunId(each.run), each.path), 0)) for each in waiting)

    async def send_notices(self) -> int:
        """Have people told what is due now. Gives how many notices were ordered. Raises UnavailableError."""
        due = await self._store.list_due_notices(self._clock.now_milliseconds(), limit=AT_ONCE)
        for each in due:
            order = Notify(
                tenant=each.tenant,
                run=each.run,
                path=each.path,
                question=each.question,
                number=each.number,
                notice=each.notice,
            )
            await self._orders.send(order, name=f"notify|{each.tenant}|{each.run}|{each.question}|{each.number}")
            await self._store.note_notice(each)
        return len(due)

    async def mend(self) -> None:
        """Wake runs whose sign-off ended while this process died."""
        for tenant, run in await self._store.list_unwoken(limit=AT_ONCE):
            await self._parking.wake(tenant, run)

    async def see_to_all_forever(self, events: Events) -> None:
        """Do both again and again, until cancelled."""
        rounds, is_away = 0, False
        while True:
            try:
                count = await self.send_notices()
                if rounds % MEND_ROUNDS == 0:
                    await self.mend()
                is_away = False
            except UnavailableError:
                count = 0
                if not is_away:
                    events("notices_unavailable")
                is_away = True
            rounds += 1
            if count < AT_ONCE:
                await asyncio.sleep(ROUND_SECONDS)

    async def _list(self, request: ListSignOffs) -> SignOffList:
        now = self._clock.now_milliseconds()
        found = await self._store.list_open(TenantId(request.tenant), limit=LISTED_MAX)
        mine = [each for each in found if _may_answer(each, request.account, now) and request.account not in each.answers]
        return SignOffList(sign_offs=tuple(_describe(each, request.account) for each in mine))

    async def _show(self, request: ShowSignOff) -> SignOffReply:
        now = self._clock.now_milliseconds()
        tenant, run = TenantId(request.tenant), RunId(request.run)
        found = await self._store.load(tenant, run, request.path)
        if found is None or found.wait.rule is None or (request.account and not _may_answer(found, request.account, now)):
            return SignOffDone(verdict=SignOffVerdict.UNKNOWN)
        if found.is_over or now >= found.wait.due_milliseconds:
            return SignOffDone(verdict=SignOffVerdict.OVER)
        return SignOffShown(
            sign_off=_describe(found, request.account),
            slot=await self._parking.give(found.row),
            ordinal=found.row.ordinal,
            question=found.wait.rule.question,
            pending=tuple(each for each in list_askees(found.wait.rule, now) if each not in found.answers),
        )

    async def _answer(self, request: AnswerSignOff) -> SignOffDone:
        now = self._clock.now_milliseconds()
        found = await self._store.load(TenantId(request.tenant), RunId(request.run), request.path)
        if found is None or found.wait.rule is None or not _may_answer(found, request.account, now):
            return SignOffDone(verdict=SignOffVerdict.UNKNOWN)
        if found.wait.rule.question != request.question:
            return SignOffDone(verdict=SignOffVerdict.CHANGED)
        tally = await self._store.answer(request, now)
        if tally is None:
            return SignOffDone(verdict=SignOffVerdict.OVER)
        if tally.ended is not None:
            with contextlib.suppress(UnavailableError):  # it has ended; `mend` or wake_due wakes the run
                await self._parking.wake(found.row.tenant, found.row.run)
        if tally.choice is not request.choice:
            return SignOffDone(verdict=SignOffVerdict.ANSWERED)
        return SignOffDone(verdict=SignOffVerdict.COUNTED, ended=tally.ended.choice if tally.ended is not None else "")


def _may_answer(found: OpenSignOff, account: str, now: int) -> bool:
    return found.wait.rule is not None and bool(account) and account in list_askees(found.wait.rule, now)


def _count_approved(found: OpenSignOff) -> int:
    return sum(choice is Choice.APPROVE for choice in found.answers.values())


def _describe(found: OpenSignOff, account: str) -> SignOff:
    return SignOff(
        run=found.row.run,
        path=found.wait.path,
        step=found.wait.step,
        flow=found.row.flow,
        issue=found.row.issue,
        parked_at_milliseconds=found.row.changed_at_milliseconds,
        due_milliseconds=found.wait.due_milliseconds,
        needed=found.wait.rule.needed if found.wait.rule is not None else 1,
        approved=_count_approved(found),
        answered=found.answers[account].value if account in found.answers else "",
    )
