"""What is known of grants, and questions to people, in the database (port GrantStore)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import CONSENTS, GRANTS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, turn_to, using
from blubees.model.connection import ConnectionKind
from blubees.model.grant import Consent, ConsentState, Grant, GrantState
from blubees.model.ids import ConnectionName, TenantId


class SqlGrantStore:
    """Port GrantStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, tenant: TenantId, connection: ConnectionName) -> Grant | None:
        """See the port."""
        query = sa.select(GRANTS).where(GRANTS.c.tenant == tenant, GRANTS.c.connection == connection)
        async with using(self._engine, tenant) as opened:
            row = (await opened.execute(query)).mappings().first()
        return _read_grant(row) if row is not None else None

    async def save(self, grant: Grant, *, after: int) -> bool:
        """See the port."""
        values = {
            "state": grant.state.value,
            "scopes": " ".join(grant.scopes),
            "expires_at": grant.expires_at_milliseconds,
            "renew_at": grant.renew_at_milliseconds,
            "granted_at": grant.granted_at_milliseconds,
            "renewed_at": grant.renewed_at_milliseconds,
            "dead_at": grant.dead_at_milliseconds,
            "kept": msgspec.json.encode(grant.kept).decode(),
            "problem": grant.problem,
            "holder": grant.holder,
            "held_until": grant.held_until_milliseconds,
            "number": after + 1,
        }
        insert = insert_into(self._engine, GRANTS).values(tenant=grant.tenant, connection=grant.connection, **values)
        update = (
            sa.update(GRANTS)
            .where(GRANTS.c.tenant == grant.tenant, GRANTS.c.connection == grant.connection, GRANTS.c.number == after)
            .values(**values)
        )
        try:
            async with using(self._engine, grant.tenant) as opened:
                done = await opened.execute(update if after else insert.on_conflict_do_nothing())
                return bool(done.rowcount > 0)
        except IntegrityError:
            return False  # its connection was deleted

    async def list(self, tenant: TenantId) -> Sequence[Grant]:
        """See the port."""
        query = sa.select(GRANTS).where(GRANTS.c.tenant == tenant).order_by(GRANTS.c.connection)
        async with using(self._engine, tenant) as opened:
            return [_read_grant(row) for row in (await opened.execute(query)).mappings()]

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[Grant]:
        """See the port."""
        is_due = sa.and_(GRANTS.c.renew_at > 0, GRANTS.c.renew_at <= now_milliseconds, GRANTS.c.state == GrantState.LIVE.value)
        query = sa.select(GRANTS).where(is_due).order_by(GRANTS.c.renew_at).limit(limit)
        async with reading_all_tenants(self._engine) as opened:
            return [_read_grant(row) for row in (await opened.execute(query)).mappings()]

    async def add_consent(self, consent: Consent) -> None:
        """See the port."""
        values = {
            "tenant": consent.tenant,
            "mark": consent.mark,
            "connection": consent.connection,
            "kind": consent.kind.value,
            "asked_by": consent.by,
            "digest": consent.digest,
            "scopes": " ".join(consent.scopes),
            "sealed": consent.sealed,
            "expires_at": consent.expires_at_milliseconds,
            "state": consent.state.value,
            "outcome": consent.outcome,
        }
        async with using(self._engine, consent.tenant) as opened:
            await opened.execute(insert_into(self._engine, CONSENTS).values(**values))

    async def take_consent(self, tenant: TenantId, mark: str, now_milliseconds: int) -> Consent | None:
        """See the port."""
        update = (
            sa.update(CONSENTS)
            .where(
                CONSENTS.c.tenant == tenant,
                CONSENTS.c.mark == mark,
                CONSENTS.c.state == ConsentState.OPEN.value,
                CONSENTS.c.expires_at > now_milliseconds,
            )
            .values(state=ConsentState.TAKEN.value)
            .returning(*CONSENTS.c)
        )
        async with using(self._engine, tenant) as opened:
            row = (await opened.execute(update)).mappings().first()
        return _read_consent(row) if row is not None else None

    async def load_consent(self, tenant: TenantId, mark: str) -> Consent | None:
        """See the port."""
        query = sa.select(CONSENTS).where(CONSENTS.c.tenant == tenant, CONSENTS.c.mark == mark)
        async with using(self._engine, tenant) as opened:
            row = (await opened.execute(query)).mappings().first()
        return _read_consent(row) if row is not None else None

    async def end_consent(self, tenant: TenantId, mark: str, state: ConsentState, outcome: str) -> None:
        """See the port."""
        update = (
            sa.update(CONSENTS)
            .where(CONSENTS.c.tenant == tenant, CONSENTS.c.mark == mark)
            .values(state=state.value, outcome=outcome, sealed=b"")
        )
        async with using(self._engine, tenant) as opened:
            await opened.execute(update)

    async def purge_consents(self, before_milliseconds: int) -> None:
        """See the port."""
        is_over = CONSENTS.c.expires_at <= before_milliseconds
        async with reading_all_tenants(self._engine) as opened:
            for tenant in (await opened.execute(sa.select(CONSENTS.c.tenant).where(is_over).distinct())).scalars().all():
                await turn_to(opened, TenantId(tenant))
                await opened.execute(sa.delete(CONSENTS).where(CONSENTS.c.tenant == tenant, is_over))


def _read_grant(row: Mapping[Any, Any]) -> Grant:
    return Grant(
        tenant=row["tenant"],
        connection=row["connection"],
        state=GrantState(row["state"]),
        scopes=tuple(row["scopes"].split()),
        expires_at_milliseconds=row["expires_at"],
        renew_at_milliseconds=row["renew_at"],
        granted_at_milliseconds=row["granted_at"],
        renewed_at_milliseconds=row["renewed_at"],
        dead_at_milliseconds=row["dead_at"],
        kept=msgspec.json.decode(row["kept"], type=dict[str, str]),
        problem=row["problem"],
        holder=row["holder"],
        held_until_milliseconds=row["held_until"],
        number=row["number"],
    )


def _read_consent(row: Mapping[Any, Any]) -> Consent:
    return Consent(
        tenant=row["tenant"],
        mark=row["mark"],
        connection=row["connection"],
        kind=ConnectionKind(row["kind"]),
        by=row["asked_by"],
        digest=row["digest"],
        scopes=tuple(row["scopes"].split()),
        sealed=bytes(row["sealed"]),
        expires_at_milliseconds=row["expires_at"],
        state=ConsentState(row["state"]),
        outcome=row["outcome"],
    )
