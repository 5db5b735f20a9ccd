"""Connections as operators handle them. A thin hall between the operator API and the vault, which doors may not enter."""

import asyncio
import difflib
from collections.abc import Mapping
from typing import Final

from blubees.model.audit import Actor, AuditAction
from blubees.model.authorisation import CONNECTOR, CONSENTED, KINDS
from blubees.model.connection import Connection, ConnectionKind, LeaseRefusal
from blubees.model.connector import Connector
from blubees.model.errors import InputError, MissingError
from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.audit import AuditLog
from blubees.operations.client_registration import ClientRegistrar
from blubees.operations.connection_ending import ConnectionEnding, Ended
from blubees.operations.connection_filling import choose_scheme, fill_settings, find_hosts
from blubees.ports import ConnectorShelf
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.keeping import GrantKeeper
from blubees.vault.secrets import VaultService

ACTIONS_MAX: Final = 500  # looked at for hosts of their own
MISSING: Final = "There is no such connection. `connection list` shows the names."


class ConnectionService:
    """Adds, lists and deletes connections."""

    def __init__(
        self,
        vault: VaultService,
        keeper: GrantKeeper,
        grants: GrantService,
        shelf: ConnectorShelf,
        log: AuditLog,
        clients: ClientRegistrar | None = None,
        ending: ConnectionEnding | None = None,
    ) -> None:
        self._vault, self._keeper, self._grants, self._shelf = vault, keeper, grants, shelf
        self._log, self._clients, self._ending = log, clients, ending
        self._fetching: set[asyncio.Task[LeaseRefusal | None]] = set()

    async def save(
        self,
        tenant: TenantId,
        *,
        name: str,
        kind: ConnectionKind | None,
        hosts: tuple[str, ...] = (),
        user_name: str = "",
        parameter: str = "",
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        flows: tuple[str, ...] = (),
        source: str = "",
        mcp: str = "",
    ) -> Connection:
        """Add or replace. What the setting `connector` names brings what its vendor prescribes, and the hosts.

        Args:
            kind: None: the connector's first.
            mcp: the address of an MCP server, which says itself how it is authorised.
            source: where it was taken over from; empty: it was given.

        Raises:
            InputError: with all problems. UnavailableError: somebody who must be asked does not answer now.
        """
        known = dict(settings or {})
        if mcp and self._clients is not None:
            prepared = await self._clients.prepare(tenant, mcp, known)
            kind, known, hosts = ConnectionKind.OAUTH2_CODE, prepared.settings, hosts or (prepared.host,)
        if CONNECTOR in known:
            connector = await self._find_connector(tenant, known[CONNECTOR])
            kind, scheme = choose_scheme(connector, kind)
            known = fill_settings(connector, scheme, known)
            hosts = hosts or find_hosts(connector, known)
        if kind is None:
            raise InputError("kind: say one, or name a connector.")
        client = await self._clients.register(tenant, known) if self._clients is not None else None
        if client is not None:
            known, secrets = known | client.settings, {**(secrets or {}), **client.secrets}
        saved = await self._vault.save(
            tenant,
            name=name,
            kind=kind,
            hosts=hosts,
            user_name=user_name,
            parameter=parameter,
            secret=secret,
            secrets=secrets,
            settings=known,
            flows=flows,
        )
        action = AuditAction.SECRETS_IMPORTED if source else AuditAction.CONNECTION_SAVED
        await self._note(tenant, action, saved.name, source or ("registered" if client is not None else ""))
        if KINDS[kind].has_grant:
            await self._keeper.reset(tenant, saved.name)
        if KINDS[kind].has_grant and kind not in CONSENTED:  # what waits for it may go on
            task = asyncio.create_task(self._grants.renew(tenant, saved.name))
            self._fetching.add(task)
            task.add_done_callback(self._forget)
        return saved

    async def _find_connector(self, tenant: TenantId, name: str) -> Connector:
        actions, _ = await self._shelf.list_names(tenant, name)
        connector = await self._shelf.find(tenant, name, actions=actions if len(actions) <= ACTIONS_MAX else ())
        if connector is None:
            near = ", ".join(difflib.get_close_matches(name, await self._shelf.list_connectors(tenant), 3))
            raise InputError(f"connector: there is none of this name.{f' Near are: {near}.' if near else ''}")
        return connector

    def _forget(self, task: "asyncio.Task[LeaseRefusal | None]") -> None:
        self._fetching.discard(task)
        if not task.cancelled():
            task.exception()  # the grant tells why there is no token: `connection show`

    async def permit(self, tenant: TenantId, name: ConnectionName, flows: tuple[str, ...]) -> Connection:
        """Say which flows may use one; none: all. Raises MissingError, InputError."""
        saved = await self._vault.permit(tenant, name, flows)
        if saved is None:
            raise MissingError(MISSING)
        await self._note(tenant, AuditAction.CONNECTION_SAVED, name, "permit")
        return saved

    async def list(self, tenant: TenantId) -> tuple[Connection, ...]:
        """Give all of the tenant, without secrets."""
        return await self._vault.list(tenant)

    async def delete(self, tenant: TenantId, name: ConnectionName) -> Ended:
        """Delete one; gives what became of what others had of it. Raises MissingError."""
        if name not in {each.name for each in await self._vault.list(tenant)}:
            raise MissingError(MISSING)
        ended = await self._ending.tell(tenant, name) if self._ending is not None else Ended()
        if not await self._vault.delete(tenant, name):
            raise MissingError(MISSING)
        await self._note(tenant, AuditAction.CONNECTION_DELETED, name)
        return ended

    async def _note(self, tenant: TenantId, action: AuditAction, name: ConnectionName, detail: str = "") -> None:
        await self._log.note([self._log.make(tenant, action, Actor.OPERATOR, connection=name, detail=detail)])
