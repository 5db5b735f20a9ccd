"""The operator API's part about a tenant's settings. Put together by doors/operator_api.py."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.model.egress import HOST_RULES_MAX, read_host_rule
from blubees.model.errors import InputError
from blubees.model.ids import TenantId
from blubees.model.settings import REPLAY_HOURS_MAX, Parking, Shapes, TenantSettings
from blubees.operations.settings import SettingsService


class SettingsBody(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    parking: Parking | None = None
    replay_hours: float | None = Field(None, ge=0, le=REPLAY_HOURS_MAX)
    shapes: Shapes | None = None
    egress_allow: list[str] | None = Field(None, max_length=HOST_RULES_MAX)
    egress_deny: list[str] | None = Field(None, max_length=HOST_RULES_MAX)


def settings_routes(
    settings: SettingsService,
    tenant_of: Callable[..., Awaitable[TenantId]],
    list_carrying: Callable[[TenantId], Awaitable[Sequence[str]]],
    list_unreachable: Callable[[TenantId], Awaitable[Sequence[str]]],
) -> APIRouter:
    """Make the routes.

    Args:
        tenant_of: gives the path's tenant, or refuses.
        list_carrying: tells what live flows would carry over waits; where that is forbidden, `carrying` in the answer.
        list_unreachable: tells what live flows would call and may not; where there are rules, `unreachable` in the answer.
    """
    router = APIRouter()

    async def tell(found: TenantSettings) -> Response:
        facts = msgspec.to_builtins(found)
        if found.parking is Parking.REFUSE:
            facts["carrying"] = await list_carrying(TenantId(found.tenant))
        if found.egress_allow or found.egress_deny:
            facts["unreachable"] = await list_unreachable(TenantId(found.tenant))
        return Response(msgspec.json.encode(facts), media_type="application/json")

    @router.get("/tenants/{tenant}/settings")
    async def show_settings(tenant: Annotated[TenantId, Depends(tenant_of)]) -> Response:
        return await tell(await settings.load(tenant))

    @router.put("/tenants/{tenant}/settings")
    async def save_settings(tenant: Annotated[TenantId, Depends(tenant_of)], body: SettingsBody) -> Response:
        given = body.model_dump(exclude_none=True)
        for name in ("egress_allow", "egress_deny"):
            if name in given:
                given[name] = _read_host_rules(name, given[name])
        changed = msgspec.structs.replace(await settings.load(tenant), **given)
        await settings.save(changed)
        return await tell(changed)

    return router


def _read_host_rules(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    rules = [read_host_rule(text) for text in texts]
    bad = [str(number) for number, rule in enumerate(rules, 1) if rule is None]
    if bad:
        message = (
            f"{name}: rule {', '.join(bad)} is no host. Allowed are example.com and *.example.com: no scheme, port or path."
        )
        raise InputError(message)
    return tuple(dict.fromkeys(rule for rule in rules if rule))
