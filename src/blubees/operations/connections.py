"""Connections as operators handle them. A thin hall between the operator API and the vault, which doors may not enter."""

from collections.abc import Mapping

from blubees.model.connection import Connection, ConnectionKind
from blubees.model.errors import MissingError
from blubees.model.ids import ConnectionName, TenantId
from blubees.vault.secrets import VaultService


class ConnectionService:
    """Adds, lists and deletes connections."""

    def __init__(self, vault: VaultService) -> None:
        self._vault = vault

    async def save(
        self,
        tenant: TenantId,
        *,
        name: str,
        kind: ConnectionKind,
        hosts: tuple[str, ...] = (),
        user_name: str = "",
        parameter: str = "",
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Connection:
        """Add or replace. Raises InputError with all problems."""
        return await self._vault.save(
            tenant,
            name=name,
            kind=kind,
            hosts=hosts,
            user_name=user_name,
            parameter=parameter,
            secret=secret,
            secrets=secrets,
            settings=settings,
        )

    async def list(self, tenant: TenantId) -> tuple[Connection, ...]:
        """Give all of the tenant, without secrets."""
        return await self._vault.list(tenant)

    async def delete(self, tenant: TenantId, name: ConnectionName) -> None:
        """Delete one. Raises MissingError."""
        if not await self._vault.delete(tenant, name):
            raise MissingError("There is no such connection. `connection list` shows the names.")
