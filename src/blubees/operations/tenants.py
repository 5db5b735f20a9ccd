"""Tenants: the Jira sites that we know, as their invocation tokens told it. Used by the operator API and the control plane."""

from collections.abc import Sequence

from blubees.model.ids import TenantId
from blubees.model.receipt import TenantSeen
from blubees.ports import TenantRow, TenantStore


class TenantService:
    """Records and gives tenants."""

    def __init__(self, store: TenantStore) -> None:
        self._store = store

    async def record(self, seen: TenantSeen) -> None:
        """Record what a verified invocation said."""
        await self._store.record(seen)

    async def list(self) -> Sequence[TenantRow]:
        """Give all, newest first."""
        return await self._store.list()

    async def load(self, tenant: TenantId) -> TenantRow | None:
        """Give one."""
        return await self._store.load(tenant)
