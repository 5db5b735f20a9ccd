"""The operator API's part about grants, and the door to which vendors send browsers back. Put together by operator_api.py.

The callback is the one path that anybody may call: only what was drawn by chance and is open answers there, once. It tells
nothing of what stands in the query.
"""

import hmac
import html
from collections.abc import Awaitable, Callable
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from blubees.model.grant import ConsentState, Start
from blubees.model.ids import CONNECTION_PATTERN, ConnectionName, TenantId
from blubees.operations.grants import ConsentView, GrantDesk

CALLBACK_PATH: Final = "/oauth/callback"
START_PATH: Final = "/oauth/start"
FIELDS_MAX: Final = 10
COOKIE_SECONDS: Final = 600  # as long as a question is open
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
_UNKNOWN: Final = (
    "This belongs to no open question: it was answered, its time is over, it was never asked, or it began in another browser."
)


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
        return _write_page(None if is_odd else await grants.take_answer(query, request.cookies))

    return router


def start_routes(grants: GrantDesk) -> APIRouter:
    """Make the page where a person begins: what they permit and who asks for it, before they are sent to the vendor.

    Their yes counts only with what came with the page: no other site can say it for them. What they take along then is a
    cookie, and only who brings it back is heard.
    """
    router = APIRouter()

    @router.get(START_PATH, include_in_schema=False)
    async def show_start(request: Request) -> Response:
        start = await grants.find_start(request.query_params.get("state", ""))
        if start is None:
            return _write_page(None)
        page = HTMLResponse(_write_start(start), headers=_HEADERS)
        return _set_cookie(page, start.cookie, start.nonce, is_secure=start.is_secure)

    @router.post(START_PATH, include_in_schema=False)
    async def go_on(request: Request) -> Response:
        state, given = request.query_params.get("state", ""), _read_nonce(await request.body())
        start = await grants.find_start(state)
        is_read = (
            start is not None and given and hmac.compare_digest(given.encode(), request.cookies.get(start.cookie, "").encode())
        )
        going = await grants.go_on(state) if is_read else None
        if going is None:
            return _write_page(None)
        away = RedirectResponse(going.url, status_code=303, headers=_HEADERS)
        return _set_cookie(away, going.cookie, going.proof, is_secure=going.is_secure)

    return router


def _read_nonce(body: bytes) -> str:
    """Give what came with our page; empty: it is no form of ours."""
    try:
        return dict(parse_qsl(body.decode("ascii", "replace"), max_num_fields=FIELDS_MAX)).get("nonce", "")
    except ValueError:
        return ""


def _set_cookie(response: Response, name: str, value: str, *, is_secure: bool) -> Response:
    response.set_cookie(name, value, max_age=COOKIE_SECONDS, path="/", httponly=True, samesite="lax", secure=is_secure)
    return response


def _write_start(start: Start) -> str:
    who = "An operator has" if start.by == "operator" else f"{html.escape(start.by)} has"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>BluBees</title>'
        f'<body style="font-family:sans-serif;margin:4em auto;max-width:40em"><h1>Connect {start.connection}?</h1>'
        f"<p>{who} asked for this. You are sent to {html.escape(start.vendor)}; what you permit there, BluBees may do "
        f"in your name, for all who use the connection {start.connection}.</p>"
        f"<p><b>Go on only if you have asked for it yourself.</b> If somebody sent you this address, close the window.</p>"
        f'<form method="post"><input type="hidden" name="nonce" value="{html.escape(start.nonce)}">'
        f"<button>I have asked for this: go on</button></form></body></html>"
    )


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
