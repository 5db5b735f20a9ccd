"""The operator API's part about tickets for a conduit's door. Put together by doors/operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from blubees.model.ids import FLOW_PATTERN, FlowId, TenantId
from blubees.model.receipt import Trial
from blubees.operations.tickets import TicketDesk


def ticket_routes(tickets: TicketDesk, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()

    @router.post("/tenants/{tenant}/flows/{flow}/ticket")
    async def give(
        tenant: Annotated[TenantId, Depends(tenant_of)], flow: Annotated[str, Path(pattern=FLOW_PATTERN)]
    ) -> Response:
        given = await tickets.give_for_run(tenant, FlowId(flow))
        return Response(msgspec.json.encode(given), media_type="application/json")

    @router.post("/tenants/{tenant}/flows/{flow}/trial-ticket")
    async def give_for_trial(
        tenant: Annotated[TenantId, Depends(tenant_of)], flow: Annotated[str, Path(pattern=FLOW_PATTERN)], trial: Trial
    ) -> Response:
        given = await tickets.give_for_trial(tenant, FlowId(flow), trial)
        return Response(msgspec.json.encode(given), media_type="application/json")

    return router
