"""The operator API's part about connectors. Put together by doors/operator_api.py."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from blubees.model.errors import InputError
from blubees.model.ids import TenantId
from blubees.operations.connector_trials import ActionTrials, TrialOrder
from blubees.operations.connectors import CONNECTOR_PATTERN, ConnectorService, Document

NamePath = Annotated[str, Path(pattern=CONNECTOR_PATTERN)]
ActionPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_]{1,128}$")]
IMPORT_BODY_MAX_BYTES: Final = 134_217_728  # docs/decisions/0043: a document of 64 MiB as a text in JSON
IMPORT_PATH: Final = "/import"


def connector_routes(
    connectors: ConnectorService, trials: ActionTrials, tenant_of: Callable[..., Awaitable[TenantId]]
) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()
    tenant_path = Annotated[TenantId, Depends(tenant_of)]

    @router.get("/tenants/{tenant}/connectors")
    async def list_connectors(tenant: tenant_path) -> Response:
        return _tell([_shorten(each) for each in await connectors.list(tenant)])

    @router.post("/tenants/{tenant}/connectors/{name}" + IMPORT_PATH)
    async def take(
        tenant: tenant_path,
        name: NamePath,
        request: Request,
        may_break: bool = False,
        dry: bool = False,
    ) -> Response:
        try:
            document = msgspec.json.decode(await request.body(), type=Document)
        except msgspec.DecodeError:
            raise InputError("The request is not what is expected here: a JSON object with `text` or `url`.") from None
        return _tell(await connectors.take(tenant, name, document, may_break=may_break, is_dry=dry))

    @router.get("/tenants/{tenant}/connectors/{name}")
    async def show(tenant: tenant_path, name: NamePath) -> Response:
        row, connector = await connectors.load(tenant, name)
        return _tell({"row": _shorten(row), "connector": connector})

    @router.delete("/tenants/{tenant}/connectors/{name}")
    async def remove(tenant: tenant_path, name: NamePath, may_break: bool = False) -> Response:
        breaks = await connectors.remove(tenant, name, may_break=may_break)
        return _tell({"removed": not breaks, "breaks": breaks})

    @router.get("/tenants/{tenant}/connectors/{name}/actions")
    async def list_actions(
        tenant: tenant_path,
        name: NamePath,
        after: Annotated[str, Query(max_length=128)] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> Response:
        return _tell([_shorten(each) for each in await connectors.list_actions(tenant, name, after=after, limit=limit)])

    @router.get("/tenants/{tenant}/connectors/{name}/actions/{action}")
    async def show_action(tenant: tenant_path, name: NamePath, action: ActionPath) -> Response:
        return _tell(await connectors.load_action(tenant, name, action))

    @router.post("/tenants/{tenant}/connectors/{name}/actions/{action}/trial-ticket")
    async def give_ticket(tenant: tenant_path, name: NamePath, action: ActionPath, request: Request) -> Response:
        try:
            order = msgspec.json.decode(await request.body(), type=TrialOrder)
        except msgspec.DecodeError:
            raise InputError("The request is not what is expected here: names of inputs, a connection, a trial.") from None
        return _tell(await trials.give(tenant, name, action, order))

    @router.get("/tenants/{tenant}/actions")
    async def search(
        tenant: tenant_path,
        question: Annotated[str, Query(min_length=1, max_length=400)],
        connector: Annotated[str, Query(max_length=63)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 30,
    ) -> Response:
        found = await connectors.search(tenant, question, connector=connector, limit=limit)
        return _tell([{"connector": name} | _shorten(row) for name, row in found])

    return router


def _shorten(row: msgspec.Struct) -> dict[str, Any]:
    """Give a row without what is packed, for a search, or known."""
    facts: dict[str, Any] = msgspec.to_builtins(row)
    return {key: value for key, value in facts.items() if key not in {"packed", "words", "tenant"}}


def _tell(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
