"""An MCP server that wants OAuth, with its own authorization server, both of the protocol's SDK; its people say yes at once.

Clients register themselves, tokens end when a test says so, and refresh tokens are good once. Served on loopback by tests.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.types import ASGIApp

SCOPE = "tools"


@dataclass
class House(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What it keeps."""

    registers: bool = True
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    refreshed: int = 0
    resource: str = ""

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = secrets.token_urlsafe(32)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [SCOPE],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        code = self.codes.get(authorization_code)
        return code if code is not None and code.client_id == client.client_id else None

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._give(client.client_id, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        token = self.refresh.get(refresh_token)
        return token if token is not None and token.client_id == client.client_id else None

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        if self.refresh.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant")
        self.refreshed += 1
        return self._give(client.client_id, scopes or refresh_token.scopes, self.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: Any) -> None:
        raise NotImplementedError

    def end_tokens(self) -> None:
        """End all access tokens."""
        self.access.clear()

    def _give(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        token, again = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.access[token] = AccessToken(
            token=token, client_id=client_id, scopes=scopes, expires_at=int(time.time()) + 3_600, resource=resource
        )
        self.refresh[again] = RefreshToken(token=again, client_id=client_id, scopes=scopes)
        return OAuthToken(access_token=token, expires_in=3_600, scope=" ".join(scopes), refresh_token=again)


def make_house(house: House, port: int) -> ASGIApp:
    """Make the server."""
    root = f"http://127.0.0.1:{port}"
    house.resource = f"{root}/mcp"
    auth = AuthSettings(
        issuer_url=AnyHttpUrl(root),
        resource_server_url=AnyHttpUrl(house.resource),
        required_scopes=[SCOPE],
        validate_token_resource=True,  # RFC 8707: only tokens that were asked for with `resource`
        client_registration_options=ClientRegistrationOptions(
            enabled=house.registers, valid_scopes=[SCOPE], default_scopes=[SCOPE]
        ),
    )
    server = MCPServer("House", auth=auth, auth_server_provider=house)

    @server.tool()
    def enter(name: str) -> dict[str, str]:
        token = get_access_token()
        return {"hello": name, "client": token.client_id if token is not None else ""}

    return server.streamable_http_app()
