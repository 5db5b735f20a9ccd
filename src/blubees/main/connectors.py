"""Builds what imports and keeps connectors. Called by main/control_plane.py."""

import functools
from collections.abc import Awaitable, Callable

from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.tenant_shelf import TenantShelf
from blubees.flows.versions import FlowService
from blubees.main.import_bench import ProcessBench
from blubees.main.settings import Settings
from blubees.model.ids import TenantId
from blubees.model.settings import SettingsShelf, TenantSettings
from blubees.model.web import WebAnswer, WebFailure, WebRequest
from blubees.operations.connector_uses import list_used_flows
from blubees.operations.connectors import ConnectorService
from blubees.ports import Clock, ConnectorStore


class TenantWebClient(GuardedWebClient):
    """A guarded client by whose calls each tenant's own rules of hosts hold, as they are kept when it calls."""

    def __init__(self, ports: frozenset[int], find_settings: Callable[[TenantId], Awaitable[TenantSettings]]) -> None:
        self._shelf, self._find_settings = SettingsShelf(), find_settings
        super().__init__(ports, find_judge=self._shelf.find_judge)

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        if request.tenant:
            self._shelf.learn(await self._find_settings(request.tenant))
        return await super().call(request)


def build_connectors(
    store: ConnectorStore,
    flows: FlowService,
    settings: Settings,
    find_settings: Callable[[TenantId], Awaitable[TenantSettings]],
    clock: Clock,
) -> ConnectorService:
    """Build it. Documents are fetched through a guarded web client of its own."""
    web = TenantWebClient(frozenset(settings.allowed_loopback_ports), find_settings)
    return ConnectorService(store, TenantShelf(store), ProcessBench(), web, clock, functools.partial(list_used_flows, flows))
