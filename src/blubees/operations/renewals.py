"""Renews registrations of webhooks before they end by themselves, and makes those anew that a vendor has forgotten.

Run by every control plane, none leads: whoever swaps the row does it, and another does it where that one dies. A vendor that
is away is asked again; what it does not know any more is registered anew, with another address and secret.
Source: docs/decisions/0056.
"""

from typing import Final

import msgspec

from blubees.connectors.actions.perform import CONNECTION
from blubees.flows.versions import FlowService
from blubees.model.connection import Purpose, Use
from blubees.model.errors import BluBeesError, ConflictError, MissingError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow
from blubees.operations.registrations import EXPIRES, count_until_renewal, find_hook, put_in, write_end
from blubees.operations.rounds import do_while_due
from blubees.operations.vendor_calls import VendorCalls
from blubees.ports import Clock, Events, RegistrationRow, RegistrationStore, RenewalRow, RenewalStore

ROUND_SECONDS: Final = 30.0
AT_ONCE: Final = 20
FIRST_WAIT_MILLISECONDS: Final = 60_000  # after a failure; each is twice the one before
LONGEST_WAIT_MILLISECONDS: Final = 3_600_000


class Renewals:
    """Renews what is due."""

    def __init__(
        self,
        store: RenewalStore,
        registrations: RegistrationStore,
        flows: FlowService,
        calls: VendorCalls,
        clock: Clock,
        events: Events,
    ) -> None:
        self._store, self._registrations, self._flows = store, registrations, flows
        self._calls, self._clock, self._events = calls, clock, events

    async def renew_forever(self) -> None:
        """Renew what is due, until cancelled."""
        await do_while_due(self.renew_due, self._events, at_once=AT_ONCE, seconds=ROUND_SECONDS)

    async def renew_due(self) -> int:
        """Renew what is due now; gives how many there were. Raises UnavailableError."""
        due = await self._store.list_due(self._clock.now_milliseconds(), limit=AT_ONCE)
        for row in due:
            wait = min(FIRST_WAIT_MILLISECONDS << min(row.tries, 16), LONGEST_WAIT_MILLISECONDS)
            until = self._clock.now_milliseconds() + wait
            held = msgspec.structs.replace(row, tries=row.tries + 1, due_milliseconds=until)
            if await self._store.swap(row, held):
                await self._see_to(held)
        return len(due)

    async def _see_to(self, held: RenewalRow) -> None:
        """Renew one that is ours until it is due again."""
        try:
            failure = await self._renew(held)
        except BluBeesError:  # the database or the broker is away
            failure = FailureCode.UNAVAILABLE
        if failure is not None and held.tries == 1:
            self._events("hook_not_renewed", tenant=held.tenant, flow=held.flow, failure=failure.value)

    async def _renew(self, held: RenewalRow) -> FailureCode | None:
        published = await self._load_live(held)
        found = find_hook(published) if published is not None else None
        registered = await self._registrations.load(held.tenant, held.flow)
        is_another = registered is not None and registered.registered_at_milliseconds != held.registered_at_milliseconds
        if found is None or not found[2].renew or is_another:
            await self._store.remove(held)
            return None
        if registered is None:
            return await self._begin_anew(held)
        connector, _, hook = found
        use = Use(purpose=Purpose.REGISTER, flow=held.flow)
        given = {
            **msgspec.json.decode(held.inputs),
            **put_in(hook.renew_inputs, {EXPIRES: write_end(hook, self._clock)}),
            CONNECTION: registered.connection,
        }
        outcome = await self._calls.perform(held.tenant, connector, hook.renew, given, use)
        if not isinstance(outcome, Failure):
            due = self._clock.now_milliseconds() + count_until_renewal(hook)
            await self._store.swap(held, msgspec.structs.replace(held, tries=0, due_milliseconds=due))
            return None
        if outcome.code is FailureCode.NOT_FOUND:
            return await self._begin_anew(held)
        return outcome.code

    async def _begin_anew(self, held: RenewalRow) -> FailureCode | None:
        """Register what the vendor does not know any more; where that fails, this row stays, and it is tried again."""
        self._events("hook_lost", tenant=held.tenant, flow=held.flow)
        await self._flows.rotate_hook(held.tenant, held.flow)
        registered: RegistrationRow | None = await self._registrations.load(held.tenant, held.flow)
        return None if registered is not None else FailureCode.NOT_FOUND

    async def _load_live(self, held: RenewalRow) -> PublishedFlow | None:
        """The live version; None: none is."""
        try:
            version, _ = await self._flows.load_live(held.tenant, held.flow)
            return await self._flows.load_published(held.tenant, held.flow, version)
        except (ConflictError, MissingError):
            return None
