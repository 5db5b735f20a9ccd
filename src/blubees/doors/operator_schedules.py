"""The operator API's part about schedules and polls. Put together by doors/operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from blubees.model.ids import FLOW_PATTERN, FlowId, TenantId
from blubees.operations.schedules import Scheduler


def schedule_routes(scheduler: Scheduler, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()

    @router.get("/tenants/{tenant}/schedules")
    async def list_schedules(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return Response(msgspec.json.encode(await scheduler.list(tenant)), media_type="application/json")

    @router.post("/tenants/{tenant}/flows/{flow}/fire")
    async def fire(
        tenant: Annotated[TenantId, Depends(tenant_of)], flow: Annotated[str, Path(pattern=FLOW_PATTERN)]
    ) -> Response:
        await scheduler.fire_now(tenant, FlowId(flow))
        return Response(msgspec.json.encode({"fired": flow}), media_type="application/json")

    return router
