"""Tenants' settings in the database (port SettingsStore)."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from blubees.adapters.database.schema import TENANT_SETTINGS
from blubees.adapters.database.transaction import insert_into, reading_all_tenants, using
from blubees.model.ids import TenantId
from blubees.model.settings import Parking, Shapes, TenantSettings


class SqlSettingsStore:
    """Port SettingsStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, settings: TenantSettings) -> None:
        """See the port."""
        values = {
            "parking": settings.parking.value,
            "replay_seconds": round(settings.replay_hours * 3600),
            "shapes": settings.shapes.value,
            "egress_allow": " ".join(settings.egress_allow),
            "egress_deny": " ".join(settings.egress_deny),
        }
        insert = insert_into(self._engine, TENANT_SETTINGS).values(tenant=settings.tenant, **values)
        async with using(self._engine, TenantId(settings.tenant)) as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["tenant"], set_=values))

    async def load(self, tenant: TenantId) -> TenantSettings | None:
        """See the port."""
        query = sa.select(TENANT_SETTINGS).where(TENANT_SETTINGS.c.tenant == tenant)
        async with using(self._engine, tenant) as connection:
            row = (await connection.execute(query)).mappings().first()
        return _read_settings(row) if row else None

    async def list(self) -> Sequence[TenantSettings]:
        """See the port."""
        async with reading_all_tenants(self._engine) as connection:
            return [_read_settings(row) for row in (await connection.execute(sa.select(TENANT_SETTINGS))).mappings()]


def _read_settings(row: sa.RowMapping) -> TenantSettings:
    return TenantSettings(
        tenant=row["tenant"],
        parking=Parking(row["parking"]),
        replay_hours=row["replay_seconds"] / 3600,
        shapes=Shapes(row["shapes"]),
        egress_allow=tuple(row["egress_allow"].split()),
        egress_deny=tuple(row["egress_deny"].split()),
    )
