"""Lets an operator perform one action once: as a trial of a flow of one step, which is kept nowhere. Called by doors.

No receipt tells of it, since nobody has that flow; where it borrows a connection, the audit trail does. Names come here,
values do not: they go to a conduit with the ticket, as the trial's event (docs/decisions/0023).
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from blubees.connectors.importers.openapi.servers import check_base_url
from blubees.connectors.trimming import pin_connector
from blubees.model.action import Action
from blubees.model.call import Effect
from blubees.model.connector import Connector
from blubees.model.errors import InputError, MissingError
from blubees.model.flow import UNPUBLISHED, Flow, PublishedFlow, Step, Trigger, TriggerKind
from blubees.model.ids import FlowId, StepId, TenantId
from blubees.model.receipt import Trial
from blubees.operations.tickets import GivenTicket, TicketDesk
from blubees.ports import ConnectorShelf, PlanBoard

STEP: Final = StepId("call")
_PREFIX: Final = "try-"


class TrialOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to perform.

    Attributes:
        inputs: their names; the values go to the conduit.
        connection: the tenant's connection that authorises the call; empty: none.
        base_url: instead of the connector's; empty: the same.
    """

    inputs: tuple[str, ...] = ()
    connection: str = ""
    base_url: str = ""
    trial: Trial = Trial.TEST


class ActionTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket for a trial, where it is taken, and as which flow."""

    ticket: str
    door: str
    flow: FlowId


class ActionTrials:
    """Makes a flow of one step, has conduits know it, and gives a ticket for a trial of it."""

    def __init__(self, shelf: ConnectorShelf, board: PlanBoard, tickets: TicketDesk) -> None:
        self._shelf, self._board, self._tickets = shelf, board, tickets

    async def give(self, tenant: TenantId, name: str, action: str, order: TrialOrder) -> ActionTicket:
        """Give a ticket.

        Raises:
            MissingError: there is no such action. InputError: it has no such input, or the base URL is none.
            UnavailableError: the broker did not take the flow.
        """
        found = await self._shelf.find(tenant, name, actions=(action,))
        if found is None or action not in found.actions:
            raise MissingError("There is no such action. `connector search` finds them by words.")
        _check_inputs(found.actions[action], order.inputs)
        connector = _place(found, action, order.base_url, is_dry=order.trial is Trial.DRY_RUN)
        settings = {each: "{{webhookData." + each + "}}" for each in order.inputs}
        if order.connection:
            settings["connection"] = order.connection
        step = Step(id=STEP, kind=f"{name}.{action}", settings=settings)
        pinned = pin_connector(connector)
        digest = hashlib.sha256(msgspec.json.encode([step, pinned])).hexdigest()[:24]
        flow = Flow(id=FlowId(_PREFIX + digest), name=step.kind, trigger=Trigger(on=TriggerKind.WEBHOOK), steps=(step,))
        await self._board.post_past(
            PublishedFlow(tenant=tenant, version=UNPUBLISHED, flow=flow, is_live=False, connectors=(pinned,))
        )
        given: GivenTicket = self._tickets.give_for_plan(tenant, flow.id, UNPUBLISHED, order.trial)
        return ActionTicket(ticket=given.ticket, door=given.door, flow=flow.id)


def _check_inputs(action: Action, names: Sequence[str]) -> None:
    known = {*action.inputs, *(("limit",) if action.pages is not None else ())}
    wrong = [each for each in names if each not in known]
    missing = [name for name, each in action.inputs.items() if each.is_required and name not in names]
    problems = [f"{each[:60]}: the action has no such input." for each in wrong]
    problems += [f"{each}: the action needs this input." for each in missing]
    if problems:
        raise InputError("The inputs are not what the action takes. `connector show NAME ACTION` lists them.", tuple(problems))


def _place(connector: Connector, name: str, base_url: str, *, is_dry: bool) -> Connector:
    """Have it call another place, or nothing: a dry run makes calls that read, so that here none may."""
    action = connector.actions[name]
    if base_url:
        try:
            base_url = check_base_url(base_url)
        except ValueError as error:
            raise InputError(str(error)) from None
        request = msgspec.structs.replace(action.request, base_url="")
        connector = msgspec.structs.replace(connector, base_url=base_url)
        action = msgspec.structs.replace(action, request=request)
    if is_dry and action.effect is Effect.READ:
        action = msgspec.structs.replace(action, effect=Effect.IDEMPOTENT)
    return msgspec.structs.replace(connector, actions={**connector.actions, name: action})
