"""The audit trail: notes what was done with credentials and keys, before it counts as done. Called by operations and main.

Events that come at a time are kept in one transaction: a lease costs no transaction of its own when there are many
(docs/decisions/0044).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from blubees.model.audit import Actor, AuditAction, AuditEvent
from blubees.model.connection import Lease, LeaseRefusal, Purpose, Use
from blubees.model.errors import BluBeesError, KeyDisabledError
from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.rounds import do_hourly
from blubees.ports import AuditStore, Chance, Clock, Events

DAY_MILLISECONDS: Final = 86_400_000
LEASE_DAYS: Final = 90
OTHER_DAYS: Final = 400  # a year and a review
AT_ONCE: Final = 500
_OF_CONTROL_PLANE: Final = frozenset({Purpose.REGISTER, Purpose.TAKE_BACK})

OpenLease = Callable[[TenantId, ConnectionName, Use, str], Awaitable[Lease | LeaseRefusal]]


class AuditLog:
    """Keeps audit events."""

    def __init__(self, store: AuditStore, clock: Clock, chance: Chance) -> None:
        self._store, self._clock, self._chance = store, clock, chance
        self._waiting: list[tuple[AuditEvent, asyncio.Future[None]]] = []
        self._keeping: asyncio.Task[None] | None = None

    def make(
        self, tenant: TenantId, action: AuditAction, actor: Actor, *, connection: str = "", detail: str = "", uses: int = 1
    ) -> AuditEvent:
        """Make an event of now."""
        return AuditEvent(
            event="e" + self._chance.new_run_id()[1:],
            tenant=tenant,
            at_milliseconds=self._clock.now_milliseconds(),
            action=action,
            actor=actor,
            connection=connection,
            detail=detail,
            uses=uses,
        )

    async def note(self, events: Sequence[AuditEvent]) -> None:
        """Keep events; returns when they are kept. Raises UnavailableError: they are not."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in events]
        self._waiting += zip(events, futures, strict=True)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())
        await asyncio.gather(*futures)

    async def list(
        self, tenant: TenantId, *, connection: str = "", before: str = "", limit: int = 100, leases: bool = True
    ) -> Sequence[AuditEvent]:
        """Newest first."""
        return await self._store.list(tenant, connection=connection, before=before, limit=limit, leases=leases)

    async def purge(self) -> None:
        """Delete what is older than it is kept for."""
        now = self._clock.now_milliseconds()
        gone = 1
        while gone:
            gone = await self._store.purge(now - LEASE_DAYS * DAY_MILLISECONDS, now - OTHER_DAYS * DAY_MILLISECONDS)

    async def purge_forever(self, events: Events) -> None:
        """Do so every hour."""
        await do_hourly(self.purge, events)

    async def _keep(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                await self._store.append([event for event, _ in batch])
            except BluBeesError as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)


class LeaseClerk:
    """Opens leases, each noted before it is handed out."""

    def __init__(self, open_lease: OpenLease, log: AuditLog) -> None:
        self._open_lease, self._log = open_lease, log

    async def answer(
        self, tenant: TenantId, name: ConnectionName, uses: Sequence[Use], refused: str = ""
    ) -> Lease | LeaseRefusal:
        """Open a lease for a conduit's uses, of one flow and purpose. It gets none for what the control plane alone does.

        Raises:
            UnavailableError: it can't be noted, or not be opened now. TamperedError: the connection does not open.
        """
        if uses[0].purpose in _OF_CONTROL_PLANE:
            await self._note(tenant, name, uses, LeaseRefusal.NOT_ALLOWED, Actor.CONDUIT)
            return LeaseRefusal.NOT_ALLOWED
        return await self._answer(tenant, name, uses, refused, Actor.CONDUIT)

    async def answer_own(
        self, tenant: TenantId, name: ConnectionName, uses: Sequence[Use], refused: str = ""
    ) -> Lease | LeaseRefusal:
        """Open one for the control plane itself. Raises as `answer`."""
        return await self._answer(tenant, name, uses, refused, Actor.CONTROL_PLANE)

    async def _answer(
        self, tenant: TenantId, name: ConnectionName, uses: Sequence[Use], refused: str, actor: Actor
    ) -> Lease | LeaseRefusal:
        try:
            lease = await self._open_lease(tenant, name, uses[0], refused)
        except KeyDisabledError:  # whoever waits for it shall hear that, and not that somebody is busy
            lease = LeaseRefusal.KEY_DISABLED
        await self._note(tenant, name, uses, lease, actor)
        return lease

    async def _note(
        self, tenant: TenantId, name: ConnectionName, uses: Sequence[Use], lease: Lease | LeaseRefusal, actor: Actor
    ) -> None:
        counts: dict[Use, int] = {}
        for use in uses:
            counts[use] = counts.get(use, 0) + 1
        action = AuditAction.LEASE_OPENED if isinstance(lease, Lease) else AuditAction.LEASE_REFUSED
        detail = "" if isinstance(lease, Lease) else lease.value
        made = [
            self._log.make(tenant, action, actor, connection=name[:63], detail=detail, uses=count) for count in counts.values()
        ]
        await self._log.note([_add_use(event, use) for event, use in zip(made, counts, strict=True)])


def _add_use(event: AuditEvent, use: Use) -> AuditEvent:
    place = {"flow": use.flow[:63], "run": use.run[:27], "step": use.step[:640]}
    return msgspec.structs.replace(event, purpose=use.purpose.value, **place)
