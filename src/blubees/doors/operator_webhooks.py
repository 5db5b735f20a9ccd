"""The operator API's routes about webhooks at vendors. Put together by operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from blubees.model.ids import TenantId
from blubees.operations.registrations import Registrations


def webhook_routes(registrations: Registrations, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()

    @router.get("/tenants/{tenant}/webhooks")
    async def list_webhooks(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return _tell(await registrations.list(tenant))

    @router.post("/tenants/{tenant}/webhooks/{removal}/again")
    async def try_again(
        tenant: Annotated[TenantId, Depends(tenant_of)], removal: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
    ) -> Response:
        return _tell({"failure": await registrations.removals.try_again(tenant, removal) or ""})

    return router


def _tell(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
