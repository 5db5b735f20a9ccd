"""Builds what imports and keeps connectors. Called by main/control_plane.py."""

import functools
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.tenant_shelf import TenantShelf
from blubees.flows.versions import FlowService
from blubees.main.import_bench import ProcessBench
from blubees.main.settings import Settings
from blubees.main.tenant_web import FindSettings, TenantWebClient
from blubees.model.connection import Lease, LeaseRefusal, Purpose, Use
from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.connector_asking import Send
from blubees.operations.connector_trials import ActionTrials
from blubees.operations.connector_uses import list_used_flows
from blubees.operations.connectors import ConnectorService
from blubees.operations.tickets import TicketDesk
from blubees.ports import Chance, Clock, ConnectorStore, PlanBoard

OpenLease = Callable[[TenantId, ConnectionName, Sequence[Use], str], Awaitable[Lease | LeaseRefusal]]


def build_connectors(
    store: ConnectorStore,
    flows: FlowService,
    settings: Settings,
    find_settings: FindSettings,
    clock: Clock,
    chance: Chance,
    open_lease: OpenLease,
) -> ConnectorService:
    """Build it. Documents are fetched, and servers asked, through a guarded web client of its own."""
    web = TenantWebClient(settings, find_settings)
    desk = _Desk(open_lease)

    def make_send(tenant: TenantId) -> Send:
        return Caller(tenant, web, desk, clock, chance, JiraSite("", "", lambda: None)).call

    list_flows = functools.partial(list_used_flows, flows)
    return ConnectorService(store, TenantShelf(store), ProcessBench(), web, clock, list_flows, make_send)


class _Desk:
    """Port LeaseDesk, beside the vault: for the few calls that the control plane makes itself."""

    def __init__(self, open_lease: OpenLease) -> None:
        self._open_lease = open_lease

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        """See the port."""
        return await self._open_lease(tenant, name, [msgspec.structs.replace(use, purpose=Purpose.TEST)], refused)


def build_action_trials(store: ConnectorStore, board: PlanBoard, tickets: TicketDesk) -> ActionTrials:
    """Build what lets an operator perform one action once."""
    return ActionTrials(TenantShelf(store), board, tickets)
