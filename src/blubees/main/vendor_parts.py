"""Builds what the control plane calls vendors with: tests of connections, registrations. Called by control_plane.py."""

from dataclasses import dataclass

from blubees.adapters.database import Database
from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.catalogue_shelf import CatalogueShelf
from blubees.main.settings import Settings
from blubees.main.tenant_web import FindSettings, TenantWebClient
from blubees.main.vault_parts import VaultParts
from blubees.model.ids import TenantId
from blubees.operations.connection_tests import ConnectionTests
from blubees.operations.registrations import Registrations
from blubees.operations.vendor_calls import VaultDesk, VendorCalls
from blubees.ports import Chance, Clock, ConnectorShelf, Events


@dataclass(frozen=True, slots=True)
class VendorParts:
    """What calls vendors in the control plane."""

    shelf: ConnectorShelf
    tests: ConnectionTests
    registrations: Registrations
    calls: VendorCalls
    web: TenantWebClient
    desk: VaultDesk


def build_vendor_parts(
    settings: Settings,
    database: Database,
    parts: VaultParts,
    find_settings: FindSettings,
    clock: Clock,
    chance: Chance,
    events: Events,
    shelf: ConnectorShelf | None = None,
) -> VendorParts:
    """Build them."""
    web = TenantWebClient(settings, find_settings)
    desk, chosen = VaultDesk(), shelf or CatalogueShelf()
    no_site = JiraSite("", "", lambda: None)  # only conduits have the app's token

    def open_line(tenant: TenantId) -> Caller:
        return Caller(tenant, web, desk, clock, chance, no_site)

    calls = VendorCalls(open_line, clock)
    registrations = Registrations(
        database.registrations,
        parts.vault,
        calls,
        clock,
        chance,
        parts.log,
        events,
        public_url=settings.reached_at,
        renewals=database.renewals,
    )
    return VendorParts(chosen, ConnectionTests(parts.vault, chosen, calls), registrations, calls, web, desk)
