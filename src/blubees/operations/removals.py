"""Takes webhooks back at their vendors, until that is done or given up. Called by operations/registrations.py and its round.

That one is to be taken back is kept before its vendor is asked, as a reference: which hook, by which action and connection. A
vendor that is away, or a grant that is dead, is asked again; when that is given up, it is told and shown (`flow webhooks`).
Source: docs/decisions/0054.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from blubees.connectors.actions.perform import CONNECTION
from blubees.model.audit import Actor, AuditAction
from blubees.model.connection import LeaseRefusal, Purpose, Use
from blubees.model.connector import Connector
from blubees.model.errors import BluBeesError, MissingError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import TenantId
from blubees.operations.audit import AuditLog
from blubees.operations.rounds import do_while_due
from blubees.operations.vendor_calls import VendorCalls
from blubees.ports import Chance, Clock, Events, RegistrationRow, RegistrationStore, RemovalRow

MINUTE_MILLISECONDS: Final = 60_000
PAUSES_MINUTES: Final = (1, 5, 30, 120, 360, 720, 1_440, 1_440)  # after each failure: three days, and nine tries in all
HOLD_MILLISECONDS: Final = 5 * MINUTE_MILLISECONDS  # whoever dies while asking has another ask then
KEPT_MILLISECONDS: Final = 90 * 86_400_000  # what was given up is shown so long
ROUND_SECONDS: Final = 20.0
AT_ONCE: Final = 20
NO_ACTION: Final = "no_action"
"""Why it is given up at once: the connector has no action that takes it back."""


class Removals:
    """Takes back."""

    def __init__(
        self, store: RegistrationStore, calls: VendorCalls, clock: Clock, chance: Chance, log: AuditLog, events: Events
    ) -> None:
        self._store, self._calls, self._clock, self._chance = store, calls, clock, chance
        self._log, self._events = log, events

    async def take_back(self, row: RegistrationRow, *, is_last: bool = False) -> str | None:
        """Forget a registration, and take it back now; gives why that failed. It is tried again then.

        Args:
            is_last: nobody can do it later: its connection goes.
        """
        now = self._clock.now_milliseconds()
        begun = RemovalRow(
            tenant=row.tenant,
            removal=self._chance.bytes(16).hex(),
            flow=row.flow,
            connection=row.connection,
            action=row.action,
            inputs=row.inputs,
            connector=row.connector,
            since_milliseconds=now,
            tries=1,
            next_milliseconds=now + HOLD_MILLISECONDS,
        )
        return await self._ask(begun, is_last=is_last) if await self._store.retire(row, begun) else None

    async def end_all(self, tenant: TenantId, connection: str) -> Sequence[tuple[RemovalRow, str]]:
        """Try all that is left of a connection for the last time, before it goes; gives how that went: empty, or why not."""
        found = await self._store.list_removals(tenant)
        waiting = [row for row in found if row.connection == connection and row.next_milliseconds]
        return [(row, await self._try(row, is_last=True) or "") for row in waiting]

    async def list(self, tenant: TenantId) -> Sequence[RemovalRow]:
        """What is to be taken back, or was given up, the newest first."""
        return await self._store.list_removals(tenant)

    async def try_again(self, tenant: TenantId, removal: str) -> str | None:
        """Try one now, given up or not; gives why it failed. It has all its tries again. Raises MissingError."""
        for row in await self._store.list_removals(tenant):
            if row.removal == removal:
                fresh = msgspec.structs.replace(row, tries=0, next_milliseconds=self._clock.now_milliseconds())
                return await self._try(fresh) if await self._store.swap(row, fresh) else None
        raise MissingError("There is no such webhook to take back. `flow webhooks` shows them.")

    async def see_to_due(self) -> int:
        """Try what is due; gives how many there were. Raises UnavailableError."""
        due = await self._store.list_due(self._clock.now_milliseconds(), limit=AT_ONCE)
        await asyncio.gather(*(self._try(each) for each in due))
        await self._store.purge(self._clock.now_milliseconds() - KEPT_MILLISECONDS)
        return len(due)

    async def see_to_all_forever(self) -> None:
        """Do so again and again, until cancelled."""
        await do_while_due(self.see_to_due, self._events, at_once=AT_ONCE, seconds=ROUND_SECONDS)

    async def _try(self, row: RemovalRow, *, is_last: bool = False) -> str | None:
        """Try one, unless another control plane is at it."""
        until = self._clock.now_milliseconds() + HOLD_MILLISECONDS
        held = msgspec.structs.replace(row, tries=row.tries + 1, next_milliseconds=until)
        return await self._ask(held, is_last=is_last) if await self._store.swap(row, held) else None

    async def _ask(self, held: RemovalRow, *, is_last: bool) -> str | None:
        """Ask the vendor, and note how it went; gives the failure."""
        failure, is_final = NO_ACTION, True
        if await self._is_taken_over(held):
            await self._store.drop(held)
            return None
        if held.action:
            outcome: Any = await self._call(held)
            if not isinstance(outcome, Failure) or outcome.code is FailureCode.NOT_FOUND:
                await self._note(held, AuditAction.HOOK_TAKEN_BACK)
                await self._store.drop(held)
                return None
            failure = f"{outcome.code.value} {outcome.detail}".strip()[:120]
            is_gone = outcome.code is FailureCode.CONNECTION_MISSING and outcome.detail == LeaseRefusal.MISSING.value
            is_final = is_last or is_gone or held.tries > len(PAUSES_MINUTES)
        if is_final:
            await self._note(held, AuditAction.HOOK_LEFT, failure)
            self._events(
                "hook_left", tenant=held.tenant, flow=held.flow, connection=held.connection, failure=failure.partition(" ")[0]
            )
        pause = 0 if is_final else PAUSES_MINUTES[held.tries - 1] * MINUTE_MILLISECONDS
        until = self._clock.now_milliseconds() + pause if pause else 0
        await self._store.swap(held, msgspec.structs.replace(held, next_milliseconds=until, failure=failure))
        return failure

    async def _is_taken_over(self, row: RemovalRow) -> bool:
        """Whether it is another registration by now, where a vendor has one place for them (the address of a number)."""
        facts = (name_connector(row), row.action, row.inputs)
        known = await self._store.list(row.tenant) if row.action else ()
        return any((name_connector(each), each.action, each.inputs) == facts for each in known)

    async def _call(self, row: RemovalRow) -> Any | Failure:  # noqa: ANN401 - JSON
        given = {**msgspec.json.decode(row.inputs), CONNECTION: row.connection}
        use = Use(purpose=Purpose.TAKE_BACK, flow=row.flow)
        try:
            connector = msgspec.json.decode(row.connector, type=Connector)
            return await self._calls.perform(row.tenant, connector, row.action, given, use)
        except msgspec.ValidationError:  # kept by a version whose connectors were described otherwise
            return Failure(code=FailureCode.UNAVAILABLE, detail="connector")
        except BluBeesError:  # the database is away, or the connection does not open
            return Failure(code=FailureCode.UNAVAILABLE, detail="vault")

    async def _note(self, row: RemovalRow, action: AuditAction, failure: str = "") -> None:
        event = self._log.make(row.tenant, action, Actor.CONTROL_PLANE, connection=row.connection, detail=failure[:40])
        await self._log.note([msgspec.structs.replace(event, flow=row.flow)])


def name_connector(row: RegistrationRow | RemovalRow) -> str:
    """Give the name of the connector that a webhook was registered with."""
    return str(msgspec.json.decode(row.connector).get("name", ""))
