"""Jira events for runs that wait for one: an event may start flows, and end waits. Stands between the door and the intake.

Conduits know which tenants have such runs; for the others an event costs nothing more. Called by doors/forge_events.py.
"""

from collections.abc import Awaitable, Callable

import msgspec

from blubees.engine.mail import Mailbox, MailRoom
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.ids import TenantId
from blubees.model.parking import FindWaiters
from blubees.ports import ParkingDesk

RETRY_SECONDS = 2


class Listener:
    """Gives events to the runs that wait for them, after the intake had them."""

    def __init__(self, admit: Callable[[RawEvent], Awaitable[Admission]], room: MailRoom, desk: ParkingDesk) -> None:
        self._admit, self._room, self._desk = admit, room, desk
        self._tenants: set[TenantId] = set()

    def learn(self, tenant: TenantId) -> None:
        """A run of this tenant waits for events, or did."""
        self._tenants.add(tenant)

    async def admit(self, event: RawEvent) -> Admission:
        """Admit an event, and wake whoever waits for it. What is unavailable is told, and the sender tries all of it again."""
        admission = await self._admit(event)
        if event.tenant not in self._tenants or admission.verdict in {Verdict.UNAVAILABLE, Verdict.FULL}:
            return admission
        issue = event.document.get("issue") if isinstance(event.document, dict) else None
        identity = issue.get("id") if isinstance(issue, dict) else None
        if not isinstance(identity, str) or not identity.isdecimal():
            return admission
        try:
            names = await self._desk.find_waiters(FindWaiters(tenant=event.tenant, trigger=event.trigger, issue=identity))
            for name in names:
                await self._room.deliver(event.tenant, Mailbox(name), event.document, delivery=event.delivery)
        except UnavailableError:
            return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=RETRY_SECONDS)
        if names and admission.verdict is Verdict.UNMATCHED:
            return msgspec.structs.replace(admission, verdict=Verdict.QUEUED)
        return admission
