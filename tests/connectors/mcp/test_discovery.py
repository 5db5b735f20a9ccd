"""How a server says that it wants OAuth, and what of that is believed."""

import json
from typing import Any

import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.connectors.mcp.discovery import Authorisation, discover_authorisation, read_challenge
from blubees.model.authorisation import check_fields
from blubees.model.call import Call, CallAnswer
from blubees.model.connection import ConnectionKind
from blubees.model.failures import Failure
from fakes.third_parties import OneKey, find_way, serve, write_lease

URL = "https://mcp.example/team/mcp"
RESOURCE = {"resource": URL, "authorization_servers": ["https://as.example/t1"], "scopes_supported": ["read", "write"]}
SERVER = {
    "issuer": "https://as.example/t1",
    "authorization_endpoint": "https://as.example/authorize",
    "token_endpoint": "https://as.example/token",
    "registration_endpoint": "https://as.example/register",
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
    "authorization_response_iss_parameter_supported": True,
}
PATH_PLACE = "https://mcp.example/.well-known/oauth-protected-resource/team/mcp"
ROOT_PLACE = "https://mcp.example/.well-known/oauth-protected-resource"
SERVER_PLACE = "https://as.example/.well-known/oauth-authorization-server/t1"


class Sites:
    """Answers by URL; all else is not found."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages = pages
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        page = self.pages.get(call.url)
        if page is None:
            return CallAnswer(status=404)
        return CallAnswer(status=200, body=page if isinstance(page, bytes) else json.dumps(page).encode())


async def test_a_server_is_found_by_its_challenge_and_a_connection_can_be_made_of_it() -> None:
    sites = Sites({"https://mcp.example/meta": RESOURCE, SERVER_PLACE: SERVER})
    challenge = 'Bearer resource_metadata="https://mcp.example/meta", scope="issues:read issues:write", error="invalid_token"'
    found = await discover_authorisation(sites, URL, challenge)
    assert found == Authorisation(
        resource=URL,
        issuer="https://as.example/t1",
        authorize_url="https://as.example/authorize",
        token_url="https://as.example/token",
        registration_url="https://as.example/register",
        scopes=("issues:read", "issues:write"),
        auth_methods=("none", "client_secret_post"),
    )
    assert found.scheme.settings == {
        "authorize_url": "https://as.example/authorize",
        "token_url": "https://as.example/token",
        "resource": URL,
        "scopes": "issues:read issues:write",
        "client_auth": "none",
        "issuer": "https://as.example/t1",
        "registration_url": "https://as.example/register",
    }
    assert all(not call.connection for call in sites.calls)
    assert check_fields(ConnectionKind(found.scheme.kind), {**found.scheme.settings, "client_id": "c1"}, ()) == []


@pytest.mark.parametrize("place", [PATH_PLACE, ROOT_PLACE])
async def test_metadata_is_looked_for_at_the_well_known_places(place: str) -> None:
    sites = Sites({place: RESOURCE, SERVER_PLACE: SERVER})
    found = await discover_authorisation(sites, URL)
    assert found is not None
    assert found.scopes == ("read", "write")


async def test_a_server_of_before_is_its_own_authorization_server() -> None:
    own = {**SERVER, "issuer": "https://mcp.example"}
    found = await discover_authorisation(Sites({"https://mcp.example/.well-known/oauth-authorization-server": own}), URL)
    assert found is not None
    assert (found.resource, found.scopes) == (URL, ())


@pytest.mark.parametrize(
    ("resource", "server"),
    [
        ({"resource": "https://other.example/mcp"}, {}),
        ({"resource": "https://mcp.example/team/mcp-evil"}, {}),
        ({"resource": 7}, {}),
        ({}, {"issuer": "https://as.example/t2"}),
        ({}, {"authorization_endpoint": "javascript:alert(1)"}),
        ({}, {"token_endpoint": "http://as.example/token"}),
        ({}, {"token_endpoint": "https://user@as.example/token"}),
        ({}, {"code_challenge_methods_supported": ["plain"]}),
    ],
)
async def test_what_can_not_be_believed_is_not(resource: dict[str, Any], server: dict[str, Any]) -> None:
    sites = Sites({PATH_PLACE: {**RESOURCE, **resource}, SERVER_PLACE: {**SERVER, **server}})
    assert await discover_authorisation(sites, URL) is None


async def test_a_challenge_that_leads_inside_is_not_followed_by_http() -> None:
    sites = Sites({})
    await discover_authorisation(sites, URL, 'Bearer resource_metadata="http://169.254.169.254/latest/meta-data"')
    assert all(call.url.startswith("https://mcp.example/") for call in sites.calls)


async def test_pages_that_are_no_metadata_do_no_harm() -> None:
    assert await discover_authorisation(Sites({PATH_PLACE: b"<html>", ROOT_PLACE: b"[" * 100_000}), URL) is None


def test_challenges_are_read() -> None:
    assert read_challenge('Bearer realm="a, \\"b\\"", scope=x, resource_metadata="https://a.example/m"') == {
        "realm": 'a, "b"',
        "scope": "x",
        "resource_metadata": "https://a.example/m",
    }
    assert read_challenge("") == {}
    assert len(read_challenge('a="' + "x" * 100_000)) < 5


class OneToken:
    async def verify_token(self, token: str) -> AccessToken | None:
        return AccessToken(token=token, client_id="c1", scopes=["user"]) if token == "right" else None


def make_locked(port: int) -> ASGIApp:
    """Make a server that wants a token; it is its own authorization server."""
    root = f"http://127.0.0.1:{port}"
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(root),
        resource_server_url=AnyHttpUrl(f"{root}/mcp"),
        required_scopes=["user"],
        validate_token_resource=False,
    )
    server = MCPServer("Locked", token_verifier=OneToken(), auth=settings)
    server.tool(name="enter")(lambda: "in")

    async def tell(_: Request) -> JSONResponse:
        places = {"authorization_endpoint": f"{root}/authorize", "token_endpoint": f"{root}/token"}
        return JSONResponse({"issuer": f"{root}/", **places, "code_challenge_methods_supported": ["S256"]})

    server.custom_route("/.well-known/oauth-authorization-server", methods=["GET"])(tell)
    return server.streamable_http_app()


async def test_the_protocols_own_server_is_found_and_then_asked_with_a_token() -> None:
    async with serve(make_locked) as port, find_way(port, OneKey(write_lease(port))) as way:
        url = f"http://127.0.0.1:{port}/mcp"
        found = await ask_tools(way, url)
        assert isinstance(found, Authorisation)
        assert (found.resource, found.token_url, found.scopes) == (url, f"http://127.0.0.1:{port}/token", ("user",))
        document = await ask_tools(way, url, "there")
        assert isinstance(document, bytes)
        assert [tool["name"] for tool in json.loads(document)["tools"]] == ["enter"]
