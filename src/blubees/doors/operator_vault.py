"""The operator API's routes about the vault's keys. Built by doors/operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.model.ids import TenantId
from blubees.model.vault import Level
from blubees.operations.tenants import TenantService
from blubees.operations.vault_keys import VaultKeys
from blubees.ports import TenantVault


class RotateBody(BaseModel):
    """The next step of a tenant's rotation."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    level: Level
    before: int = Field(ge=0)
    after: str = Field("", max_length=100)


class ShredBody(BaseModel):
    """That it is meant."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    confirm: str = Field(max_length=100)


def vault_routes(keys: VaultKeys, tenants: TenantService, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/vault")
    async def show_vault() -> Response:
        facts, found, now = await keys.describe()
        known = [tenant for tenant in found if await tenants.load(tenant) is not None]
        return _tell({"provider": facts, "tenants": known, "now": now})

    @router.post("/vault/renew")
    async def renew() -> Response:
        await keys.renew_provider()
        return _tell({"renewed": True})

    @router.post("/vault/retire")
    async def retire() -> Response:
        return _tell({"retired": await keys.retire_provider()})

    @router.get("/tenants/{tenant}/vault")
    async def show_tenant(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return _tell(_describe(await keys.describe_tenant(tenant)))

    @router.post("/tenants/{tenant}/vault/rotate")
    async def rotate(tenant: Annotated[TenantId, Depends(tenant_of)], body: RotateBody) -> Response:
        return _tell(await keys.rotate(tenant, body.level, body.before, body.after))

    @router.post("/tenants/{tenant}/vault/shred")
    async def shred(tenant: Annotated[TenantId, Depends(tenant_of)], body: ShredBody) -> Response:
        await keys.shred(tenant, body.confirm)
        return _tell({"shredded": tenant})

    @router.get("/tenants/{tenant}/audit")
    async def list_audit(
        tenant: Annotated[TenantId, Depends(tenant_of)],
        connection: Annotated[str, Query(max_length=63)] = "",
        before: Annotated[str, Query(max_length=27)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        leases: bool = True,
    ) -> Response:
        found = await keys.list_audit(tenant, connection=connection, before=before, limit=limit, leases=leases)
        return _tell(found)

    return router


def _describe(found: TenantVault) -> dict[str, object]:
    """All but the wrapped keys, which nobody needs to see."""
    versions = [
        {
            "version": row.version,
            "is_destroyed": not row.wrapped,
            "created_at_milliseconds": row.created_at_milliseconds,
            "wrapped_at_milliseconds": row.wrapped_at_milliseconds,
        }
        for row in found.versions
    ]
    counts = {name: getattr(found, name) for name in ("connections", "run_keys", "under_older")}
    minimum = max((row.minimum for row in found.versions), default=0)
    return {"tenant": found.tenant, "versions": versions, "minimum": minimum, **counts}


def _tell(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
