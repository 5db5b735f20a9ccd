"""Builds what keeps OAuth grants: what renews, what asks people, and what operators see. Called by main/control_plane.py."""

import os
import socket
from dataclasses import dataclass

from blubees.adapters.database import Database
from blubees.connectors.caller import Caller, JiraSite
from blubees.doors.operator_grants import CALLBACK_PATH
from blubees.flows.versions import FlowService
from blubees.main.settings import ProcessStart
from blubees.main.tenant_web import FindSettings, TenantWebClient
from blubees.main.vault_parts import VaultParts
from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.audit import LeaseClerk
from blubees.operations.client_registration import ClientRegistrar
from blubees.operations.connection_ending import ConnectionEnding
from blubees.operations.connections import ConnectionService
from blubees.operations.connector_asking import Send
from blubees.operations.grants import GrantDesk, ScopeChooser
from blubees.operations.parking import ParkingService
from blubees.operations.registrations import Registrations
from blubees.operations.vendor_calls import VaultDesk
from blubees.ports import Chance, Clock, Events
from blubees.vault.oauth.consents import ConsentService
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.keeping import GrantKeeper


@dataclass(frozen=True, slots=True)
class OAuthParts:
    """The grants of one control plane."""

    clerk: LeaseClerk
    grants: GrantService
    consents: ConsentService
    desk: GrantDesk
    connections: ConnectionService
    web: TenantWebClient

    async def close(self) -> None:
        """Stop asking."""
        await self.consents.close()
        await self.web.close()


def build_oauth(
    start: ProcessStart,
    database: Database,
    parts: VaultParts,
    parking: ParkingService,
    flows: FlowService,
    find_settings: FindSettings,
    registrations: Registrations,
    *,
    clock: Clock,
    chance: Chance,
    events: Events,
) -> OAuthParts:
    """Build it. Where no callback is set, it is the operator API's own, on loopback."""
    settings = start.settings
    with socket.socket(fileno=os.dup(start.listen_fd)) as door:
        port = door.getsockname()[1]
    callback = settings.oauth_callback or f"http://127.0.0.1:{port}{CALLBACK_PATH}"
    web = TenantWebClient(settings, find_settings)
    keeper = GrantKeeper(parts.vault, database.grants, clock, events, parking.release)
    grants = GrantService(parts.vault, database.grants, keeper, web, clock, chance, events)
    scopes = ScopeChooser(flows.list_scopes)
    consents = ConsentService(
        parts.vault,
        database.grants,
        keeper,
        parts.keyring,
        web,
        clock,
        chance,
        events,
        callback=callback,
        choose_scopes=scopes.choose,
    )
    desk = GrantDesk(parts.vault, grants, consents, scopes)

    async def open_lease(tenant: TenantId, name: ConnectionName, use: Use, refused: str) -> Lease | LeaseRefusal:
        return await grants.open_lease(tenant, name, refused, use)

    def make_send(tenant: TenantId) -> Send:
        return Caller(tenant, web, VaultDesk(), clock, chance, JiraSite("", "", lambda: None)).call

    clerk = LeaseClerk(open_lease, parts.log)
    clients, ending = ClientRegistrar(make_send, callback), ConnectionEnding(registrations)
    connections = ConnectionService(parts.vault, keeper, grants, flows.connectors, parts.log, clients, ending)
    return OAuthParts(clerk, grants, consents, desk, connections, web)
