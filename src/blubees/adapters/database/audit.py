"""The audit trail in the database (port AuditStore)."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import AUDIT_EVENTS, CONNECTIONS
from blubees.adapters.database.transaction import opening, reading_all_tenants, turn_to, using
from blubees.model.audit import LEASES, Actor, AuditAction, AuditEvent
from blubees.model.ids import TenantId

USED_MILLISECONDS: Final = 60_000  # to which a connection's last use is known
PURGED_AT_ONCE: Final = 5_000
_LEASES: Final = [each.value for each in LEASES]
_INSERT: Final = sa.insert(AUDIT_EVENTS)
_USED: Final = (
    sa.update(CONNECTIONS)
    .where(
        CONNECTIONS.c.tenant == sa.bindparam("of"),
        CONNECTIONS.c.name == sa.bindparam("which"),
        CONNECTIONS.c.used_at < sa.bindparam("since"),
    )
    .values(used_at=sa.bindparam("at"))
)


class SqlAuditStore:
    """Port AuditStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """See the port."""
        tenants: dict[TenantId, list[AuditEvent]] = {}
        for event in events:
            tenants.setdefault(event.tenant, []).append(event)
        async with opening(self._engine) as connection:
            for tenant, own in tenants.items():
                await turn_to(connection, tenant)
                await connection.execute(_INSERT, [write_event(event) for event in own])
                used = {each.connection: each.at_milliseconds for each in own if each.action is AuditAction.LEASE_OPENED}
                for name, at in used.items():
                    values = {"of": tenant, "which": name, "since": at - USED_MILLISECONDS, "at": at}
                    await connection.execute(_USED, values)

    async def list(
        self, tenant: TenantId, *, connection: str, before: str, limit: int, leases: bool = True
    ) -> Sequence[AuditEvent]:
        """See the port."""
        columns = AUDIT_EVENTS.c
        query = sa.select(AUDIT_EVENTS).where(columns.tenant == tenant)
        query = query.where(columns.connection == connection) if connection else query
        query = query.where(columns.event < before) if before else query
        query = query if leases else query.where(columns.action.not_in(_LEASES))
        async with using(self._engine, tenant) as opened:
            rows = (await opened.execute(query.order_by(columns.event.desc()).limit(limit))).mappings().all()
        return [
            AuditEvent(
                event=row["event"],
                tenant=tenant,
                at_milliseconds=row["at"],
                action=AuditAction(row["action"]),
                actor=Actor(row["actor"]),
                **{name: row[name] for name in ("connection", "purpose", "flow", "run", "step", "uses", "detail")},
            )
            for row in rows
        ]

    async def purge(self, leases_before_milliseconds: int, others_before_milliseconds: int) -> int:
        """See the port."""
        columns = AUDIT_EVENTS.c
        is_over = sa.or_(
            sa.and_(columns.action.in_(_LEASES), columns.at < leases_before_milliseconds),
            columns.at < min(leases_before_milliseconds, others_before_milliseconds),
        )
        gone = 0
        async with reading_all_tenants(self._engine) as connection:
            query = sa.select(columns.tenant, columns.event).where(is_over).limit(PURGED_AT_ONCE)
            found: dict[str, list[str]] = {}
            for tenant, event in (await connection.execute(query)).all():
                found.setdefault(tenant, []).append(event)
            for tenant, events in found.items():
                await turn_to(connection, TenantId(tenant))
                delete = sa.delete(AUDIT_EVENTS).where(columns.tenant == tenant, columns.event.in_(events))
                gone += (await connection.execute(delete)).rowcount
        return gone


def write_event(event: AuditEvent) -> dict[str, object]:
    """Give its row."""
    return {
        "tenant": event.tenant,
        "event": event.event,
        "at": event.at_milliseconds,
        "action": event.action.value,
        "actor": event.actor.value,
        "connection": event.connection,
        "purpose": event.purpose,
        "flow": event.flow,
        "run": event.run,
        "step": event.step,
        "uses": event.uses,
        "detail": event.detail,
    }
