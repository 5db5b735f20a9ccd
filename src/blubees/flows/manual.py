"""Starts a run by hand, in a conduit: with a ticket from the control plane, and data that it never sees.

Called by doors/manual_runs.py.
"""

from collections.abc import Awaitable, Callable

import orjson

from blubees.engine.inputs import convert_inputs
from blubees.flows.match import FlowIndex
from blubees.model.errors import TamperedError
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.failures import Failure
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.ports import Clock
from blubees.vault.seal import Sealer
from blubees.vault.tickets import Purpose, open_ticket

WAIT_SECONDS = 1  # before asking again whether the plan has come


class ManualDesk:
    """Takes tickets.

    Args:
        sealer: of the lease key.
    """

    def __init__(
        self, index: FlowIndex, admit: Callable[[RawEvent], Awaitable[Admission]], sealer: Sealer, clock: Clock
    ) -> None:
        self._index, self._admit, self._sealer, self._clock = index, admit, sealer, clock

    async def start(self, tenant: TenantId, flow_id: FlowId, ticket_text: str, document: object) -> Admission | Failure | None:
        """Start a run. Gives what became of it; which input is wrong; or nothing for a ticket that is not good here.

        The ticket's name is the delivery id: sent again, it starts nothing again.
        """
        now = self._clock.now_milliseconds()
        try:
            ticket = open_ticket(self._sealer, Purpose.RUN, tenant, flow_id, ticket_text, now)
        except TamperedError:
            return None
        flow = self._index.find(tenant, flow_id)
        if flow is None or flow.version != ticket.version or flow.flow.trigger.on is not TriggerKind.MANUAL:
            return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=WAIT_SECONDS)  # it was published just now
        inputs = convert_inputs(flow.flow.inputs, document)
        if isinstance(inputs, Failure):
            return inputs
        event = RawEvent(
            tenant=tenant,
            trigger=TriggerKind.MANUAL,
            body=orjson.dumps(inputs),
            document=inputs,
            delivery=f"ticket|{ticket.name}",
            received_at_milliseconds=now,
            hook=flow,
        )
        return await self._admit(event)
