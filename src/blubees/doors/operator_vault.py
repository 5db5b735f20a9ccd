"""The operator API's routes about the vault's keys. Built by doors/operator_api.py."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.model.ids import TENANT_PATTERN, TenantId
from blubees.model.vault import Level
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


TenantPath = Annotated[str, Path(pattern=TENANT_PATTERN)]  # also of one that is not known any more: its keys are


def vault_routes(keys: VaultKeys) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/vault")
    async def show_vault() -> Response:
        facts, tenants, now = await keys.describe()
        return _tell({"provider": facts, "tenants": tenants, "now": now})

    @router.post("/vault/renew")
    async def renew() -> Response:
        await keys.renew_provider()
        return _tell({"renewed": True})

    @router.post("/vault/retire")
    async def retire() -> Response:
        return _tell({"retired": await keys.retire_provider()})

    @router.get("/tenants/{tenant}/vault")
    async def show_tenant(tenant: TenantPath) -> Response:
        return _tell(_describe(await keys.describe_tenant(TenantId(tenant))))

    @router.post("/tenants/{tenant}/vault/rotate")
    async def rotate(tenant: TenantPath, body: RotateBody) -> Response:
        return _tell(await keys.rotate(TenantId(tenant), body.level, body.before, body.after))

    @router.post("/tenants/{tenant}/vault/shred")
    async def shred(tenant: TenantPath, body: ShredBody) -> Response:
        await keys.shred(TenantId(tenant), body.confirm)
        return _tell({"shredded": tenant})

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
