"""Gives operators tickets for a conduit's door. Used by the operator API."""

import msgspec

from blubees.flows.versions import FlowService
from blubees.model.errors import ConflictError
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import Trial
from blubees.ports import Clock
from blubees.vault.seal import Sealer
from blubees.vault.tickets import TICKET_MILLISECONDS, TRIAL_PURPOSES, Purpose, Ticket, seal_ticket


class GivenTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, and where it is taken; `door` is empty when this process does not know."""

    ticket: str
    version: int
    door: str


class TicketDesk:
    """Gives tickets.

    Args:
        sealer: of the lease key.
        door: the address of the conduits, such as http://127.0.0.1:8780.
    """

    def __init__(self, flows: FlowService, sealer: Sealer, clock: Clock, door: str) -> None:
        self._flows, self._sealer, self._clock, self._door = flows, sealer, clock, door

    async def give_for_run(self, tenant: TenantId, flow_id: FlowId) -> GivenTicket:
        """Give a ticket to start one run of a flow by hand.

        Raises:
            MissingError: no such flow. ConflictError: it is not live, or not one that is started by hand.
        """
        version, flow = await self._flows.load_live(tenant, flow_id)
        if flow.trigger.on is not TriggerKind.MANUAL:
            raise ConflictError(
                f"The flow is started by {flow.trigger.on.value}. Only flows with `on: manual` are run by hand."
            )
        return self._seal(tenant, flow_id, version, Purpose.RUN)

    async def give_for_trial(self, tenant: TenantId, flow_id: FlowId, trial: Trial) -> GivenTicket:
        """Give a ticket for one test or dry run of a flow's live version, whatever its trigger.

        Raises:
            MissingError: no such flow. ConflictError: it is not live.
        """
        version, _ = await self._flows.load_live(tenant, flow_id)
        return self._seal(tenant, flow_id, version, TRIAL_PURPOSES[trial])

    def give_for_plan(self, tenant: TenantId, flow_id: FlowId, version: int, trial: Trial) -> GivenTicket:
        """Give a ticket for one trial of a plan that conduits were told, and that is kept nowhere."""
        return self._seal(tenant, flow_id, version, TRIAL_PURPOSES[trial])

    def _seal(self, tenant: TenantId, flow_id: FlowId, version: int, purpose: Purpose) -> GivenTicket:
        ticket = Ticket(
            tenant=tenant,
            flow=flow_id,
            version=version,
            expires_at_milliseconds=self._clock.now_milliseconds() + TICKET_MILLISECONDS,
        )
        return GivenTicket(ticket=seal_ticket(self._sealer, purpose, ticket), version=version, door=self._door)
