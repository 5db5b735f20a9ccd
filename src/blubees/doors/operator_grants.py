"""The operator API's part about grants, and the door to which vendors send browsers back. Put together by operator_api.py.

The callback is the one path that anybody may call: only what was drawn by chance and is open answers there, once. It tells
nothing of what stands in the query.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.model.grant import ConsentState
from blubees.model.ids import CONNECTION_PATTERN, ConnectionName, TenantId
from blubees.operations.grants import ConsentView, GrantDesk

CALLBACK_PATH: Final = "/oauth/callback"
QUERY_MAX_CHARACTERS: Final = 16_384
NamePath = Annotated[str, Path(pattern=CONNECTION_PATTERN)]
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_SENTENCES: Final = {
    "": "The connection is authorised. You can close this window.",
    "denied": "You said no, so nothing was connected. You can close this window.",
    "changed": "The connection was changed since you were asked. Ask to be asked again.",
    "gone": "The connection was deleted since you were asked.",
    "issuer": "The answer does not come from the vendor that was asked. Nothing was connected.",
    "client": "The vendor does not know BluBees by the client id and secret of this connection.",
    "host_rules": "An administrator's rules do not permit BluBees to ask this vendor for the token. Nothing was connected.",
    "later": "The vendor did not answer when BluBees asked for the token. Ask to be asked again.",
}
_OTHERWISE: Final = "The vendor gave no token. Ask to be asked again; `connection show` tells more."
_UNKNOWN: Final = "This is no answer to an open question: it was answered, its time is over, or it was never asked."


class ChangeBody(BaseModel):
    """What is to change: secrets by field, settings by name; an empty text takes one away."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secrets: dict[str, Annotated[str, Field(max_length=16_384)]] = Field(default_factory=dict, max_length=16)
    settings: dict[str, Annotated[str, Field(max_length=4_000)]] = Field(default_factory=dict, max_length=40)


def grant_routes(grants: GrantDesk, tenant_of: Callable[..., Awaitable[TenantId]]) -> APIRouter:
    """Make the routes. `tenant_of`: gives the path's tenant, or refuses."""
    router = APIRouter()

    @router.get("/tenants/{tenant}/connections/{name}")
    async def show(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath) -> Response:
        return _tell(await grants.show(tenant, ConnectionName(name)))

    @router.patch("/tenants/{tenant}/connections/{name}")
    async def change(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath, body: ChangeBody) -> Response:
        return _tell(await grants.change(tenant, ConnectionName(name), body.secrets, body.settings))

    @router.post("/tenants/{tenant}/connections/{name}/authorize")
    async def authorize(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath) -> Response:
        return _tell(await grants.authorize(tenant, ConnectionName(name), "operator"))

    @router.post("/tenants/{tenant}/connections/{name}/renew")
    async def renew(tenant: Annotated[TenantId, Depends(tenant_of)], name: NamePath) -> Response:
        return _tell(await grants.renew(tenant, ConnectionName(name)))

    @router.get("/tenants/{tenant}/consents/{mark}")
    async def find(
        tenant: Annotated[TenantId, Depends(tenant_of)], mark: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
    ) -> Response:
        return _tell(await grants.find_consent(tenant, mark))

    return router


def callback_route(grants: GrantDesk) -> APIRouter:
    """Make the door for browsers."""
    router = APIRouter()

    @router.get(CALLBACK_PATH, include_in_schema=False)
    async def take_answer(request: Request) -> HTMLResponse:
        pairs = request.query_params.multi_items()
        query = dict(pairs)
        is_odd = len(str(request.url.query)) > QUERY_MAX_CHARACTERS or len(query) != len(pairs)  # RFC 6749, 3.1: each once
        return _write_page(None if is_odd else await grants.take_answer(query))

    return router


def _tell(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _write_page(found: ConsentView | None) -> HTMLResponse:
    """Write what the person sees: sentences of ours, and the connection's name."""
    if found is None:
        title, sentence, status = "Nothing to answer", _UNKNOWN, 400
    else:
        is_good = found.state is ConsentState.DONE
        title = f"{'Connected' if is_good else 'Not connected'}: {found.connection}"
        sentence, status = _SENTENCES.get(found.outcome, _OTHERWISE), 200 if is_good else 400
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>BluBees</title>'
        f'<body style="font-family:sans-serif;margin:4em auto;max-width:40em"><h1>{title}</h1><p>{sentence}</p></body></html>'
    )
    return HTMLResponse(page, status_code=status, headers=_HEADERS)
