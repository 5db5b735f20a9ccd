"""Connections as operators handle them. A thin hall between the operator API and the vault, which doors may not enter."""

import asyncio
from collections.abc import Mapping

from blubees.model.authorisation import CONSENTED, KINDS
from blubees.model.connection import Connection, ConnectionKind, LeaseRefusal
from blubees.model.errors import MissingError
from blubees.model.ids import ConnectionName, TenantId
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.keeping import GrantKeeper
from blubees.vault.secrets import VaultService


class ConnectionService:
    """Adds, lists and deletes connections."""

    def __init__(self, vault: VaultService, keeper: GrantKeeper, grants: GrantService) -> None:
        self._vault, self._keeper, self._grants = vault, keeper, grants
        self._fetching: set[asyncio.Task[LeaseRefusal | None]] = set()

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
        saved = await self._vault.save(
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
        if KINDS[kind].has_grant:
            await self._keeper.reset(tenant, saved.name)
        if KINDS[kind].has_grant and kind not in CONSENTED:  # what waits for it may go on
            task = asyncio.create_task(self._grants.renew(tenant, saved.name))
            self._fetching.add(task)
            task.add_done_callback(self._forget)
        return saved

    def _forget(self, task: "asyncio.Task[LeaseRefusal | None]") -> None:
        self._fetching.discard(task)
        if not task.cancelled():
            task.exception()  # the grant tells why there is no token: `connection show`

    async def list(self, tenant: TenantId) -> tuple[Connection, ...]:
        """Give all of the tenant, without secrets."""
        return await self._vault.list(tenant)

    async def delete(self, tenant: TenantId, name: ConnectionName) -> None:
        """Delete one. Raises MissingError."""
        if not await self._vault.delete(tenant, name):
            raise MissingError("There is no such connection. `connection list` shows the names.")
