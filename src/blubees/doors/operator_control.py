"""The operator API's part about cancelling and retrying runs. Put together by doors/operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from blubees.model.ids import RUN_PATTERN, RunId, TenantId
from blubees.model.order import DoubtChoice
from blubees.operations.run_control import RunControl

RunPath = Annotated[str, Path(pattern=RUN_PATTERN)]


class RetryBody(BaseModel):
    """What to do with a call in doubt."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    choice: DoubtChoice = DoubtChoice.NONE


def control_routes(control: RunControl, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()

    @router.post("/tenants/{tenant}/runs/{run}/cancel")
    async def cancel_run(tenant: Annotated[TenantId, Depends(tenant_of)], run: RunPath) -> Response:
        await control.cancel(tenant, RunId(run))
        return Response(b'{"cancelled":true}', media_type="application/json")

    @router.post("/tenants/{tenant}/runs/{run}/retry")
    async def retry_run(tenant: Annotated[TenantId, Depends(tenant_of)], run: RunPath, body: RetryBody) -> Response:
        answer = await control.retry(tenant, RunId(run), body.choice)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return router
