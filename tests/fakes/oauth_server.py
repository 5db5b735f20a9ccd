"""An OAuth 2 server on loopback that speaks the true protocol: Authlib's server, which checks every request of ours.

Authorization code with PKCE and `iss`, refresh with one-time tokens, their reuse detected, device codes, client credentials,
JWTs as grant and as the client's name. Made by tests; it keeps all in memory.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from authlib.common.security import generate_token
from authlib.oauth2 import rfc6749, rfc7523, rfc8628, rfc9207
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ALL_GRANTS = {"authorization_code", "refresh_token", "client_credentials", rfc8628.DEVICE_CODE_GRANT_TYPE, JWT_GRANT}
SCOPES = {"read", "write", "offline_access"}


@dataclass
class Client(rfc6749.ClientMixin):  # type: ignore[misc]
    """A registered app."""

    client_id: str
    secret: str = ""
    auth: str = "client_secret_basic"
    redirect_uris: tuple[str, ...] = ()
    public_key: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(each for each in (scope or "").split() if each in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris or "*" in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, _: str) -> bool:
        return method == self.auth

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ALL_GRANTS


@dataclass
class Grant(rfc6749.AuthorizationCodeMixin, rfc6749.TokenMixin):  # type: ignore[misc]
    """A code or a pair of tokens. `family`: all that came of one consent."""

    client: Client
    scope: str
    user: str
    family: str
    redirect_uri: str = ""
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    used_at: float = 0.0

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client.client_id


class _Request(rfc6749.OAuth2Request):  # type: ignore[misc]
    def __init__(self, method: str, url: str, headers: dict[str, str], body: str) -> None:
        super().__init__(method, url, None, headers)
        self._query, self._form = dict(parse_qsl(urlsplit(url).query)), dict(parse_qsl(body, keep_blank_values=True))
        self.payload = BasicOAuth2Payload({**self._query, **self._form})

    @property
    def args(self) -> dict[str, str]:
        return self._query

    @property
    def form(self) -> dict[str, str]:
        return self._form


@dataclass
class _Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @location.setter
    def location(self, value: str) -> None:
        self.headers["Location"] = value


@dataclass
class OAuthServer:
    """What it knows, and how it behaves.

    Attributes:
        rotates: refresh tokens are good for one use.
        grace_seconds: for how long a used one is taken once more; after that its reuse ends the whole family.
        lives_seconds: of access tokens.
        interval: what devices are told, in seconds; asking faster gets slow_down.
        before_answer: awaited after tokens were given and before they are sent: the moment of a crash.
        next_answers: (status, body) that are given instead of an answer, without anything being done.
        issuer: `iss` in answers to consents.
    """

    clients: dict[str, Client] = field(default_factory=dict)
    rotates: bool = True
    grace_seconds: float = 0.0
    lives_seconds: int = 3_600
    interval: int = 1
    issuer: str = ""
    url: str = ""
    before_answer: Any = None
    next_answers: list[tuple[int, Any]] = field(default_factory=list)
    codes: dict[str, Grant] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, tuple[Grant, float]] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: dict[str, bool] = field(default_factory=dict)
    dead_families: set[str] = field(default_factory=set)
    names_seen: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = _make_server(self)

    def count(self, grant_type: str) -> int:
        """How many requests of a grant there were."""
        return sum(each.get("grant_type") == grant_type for each in self.asked)

    def consent(self, url: str, *, says_yes: bool = True, user: str = "alice") -> str:
        """A person opens the address and says yes or no; gives where the browser is sent then."""
        request = _Request("GET", url, {}, "")
        grant = self.server.get_consent_grant(request, user)
        answer = self.server.create_authorization_response(request, user if says_yes else None, grant)
        assert answer.status == 302, (answer.status, answer.body)
        return str(answer.location)

    def end_access(self, token: str) -> None:
        """End an access token early."""
        self.access_tokens.pop(token)

    def revoke_all(self) -> None:
        """The person takes the consent back: all of it is no more."""
        self.dead_families |= {each.family for each in self.refresh_tokens.values()}
        self.access_tokens.clear()

    async def token(self, request: Request) -> Response:
        body = (await request.body()).decode()
        self.asked.append(dict(parse_qsl(body)))
        if self.next_answers:
            status, document = self.next_answers.pop(0)
            return document if isinstance(document, Response) else JSONResponse(document, status)
        answer = self.server.create_token_response(_Request("POST", self.url + "/token", _capitals(request), body))
        if self.before_answer is not None:
            await self.before_answer()
        return JSONResponse(answer.body, answer.status)

    async def device(self, request: Request) -> Response:
        body = (await request.body()).decode()
        made = _Request("POST", self.url + "/device", _capitals(request), body)
        answer = self.server.create_endpoint_response("device_authorization", made)
        return JSONResponse(answer.body, answer.status)

    async def who(self, request: Request) -> Response:
        """The resource: who the token is for."""
        found = self.access_tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if found is None or found[1] < time.time():
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({"user": found[0].user, "scope": found[0].scope})


def _capitals(request: Request) -> dict[str, str]:
    return {name.title(): value for name, value in request.headers.items()}


def _make_server(world: OAuthServer) -> Any:
    class Server(rfc6749.AuthorizationServer):  # type: ignore[misc]
        def query_client(self, client_id: str) -> Client | None:
            return world.clients.get(client_id)

        def save_token(self, token: dict[str, Any], request: Any) -> None:
            before = request.refresh_token or request.authorization_code
            family = before.family if before is not None else generate_token(12)
            grant = Grant(request.client, token.get("scope", ""), str(request.user or request.client.client_id), family)
            world.access_tokens[token["access_token"]] = (grant, time.time() + token["expires_in"])
            if "refresh_token" in token:
                world.refresh_tokens[token["refresh_token"]] = grant

        def create_oauth2_request(self, request: _Request) -> _Request:
            return request

        def handle_response(self, status: int, body: Any, headers: Any) -> _Answer:
            return _Answer(status, body, dict(headers))

        def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
            """Nobody listens."""

    server = Server()
    generator = BearerTokenGenerator(
        lambda **_: "at-" + generate_token(30), lambda **_: "rt-" + generate_token(30), lambda *_: world.lives_seconds
    )
    server.register_token_generator("default", generator)
    _register_names(server, world)
    _register_grants(server, world)
    _register_devices(server, world)

    class Issuer(rfc9207.IssuerParameter):  # type: ignore[misc]
        def get_issuer(self) -> str | None:
            return world.issuer or None

    server.register_extension(Issuer())
    return server


METHODS = ["client_secret_basic", "client_secret_post", "none", "client_secret_jwt", "private_key_jwt"]


def _register_names(server: Any, world: OAuthServer) -> None:
    class Named(rfc7523.JWTBearerClientAssertion):  # type: ignore[misc]
        def __init__(self, method: str) -> None:
            super().__init__(validate_jti=True)
            self.method = self.CLIENT_AUTH_METHOD = method

        def __call__(self, query_client: Any, request: Any) -> Any:
            client = query_client(request.payload.client_id)
            return super().__call__(query_client, request) if client is not None and client.auth == self.method else None

        def get_audiences(self) -> list[str]:
            return [world.url + "/token"]

        def validate_jti(self, _: dict[str, Any], jti: str) -> bool:
            is_new = jti not in world.names_seen
            world.names_seen.add(jti)
            return is_new

        def resolve_client_public_key(self, client: Client) -> Any:
            return (
                OctKey.import_key(client.secret) if self.method == "client_secret_jwt" else RSAKey.import_key(client.public_key)
            )

    for method in ("client_secret_jwt", "private_key_jwt"):
        server.register_client_auth_method(method, Named(method))


def _register_grants(server: Any, world: OAuthServer) -> None:  # noqa: C901 - one class a grant
    class Code(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            world.codes[code] = Grant(
                request.client, request.scope or "", request.user, generate_token(12), data.get("redirect_uri", ""),
                data.get("code_challenge"), data.get("code_challenge_method"),
            )  # fmt: skip

        def query_authorization_code(self, code: str, client: Client) -> Grant | None:
            found = world.codes.get(code)
            return found if found is not None and found.check_client(client) else None

        def delete_authorization_code(self, authorization_code: Grant) -> None:
            world.codes = {code: each for code, each in world.codes.items() if each is not authorization_code}

        def authenticate_user(self, authorization_code: Grant) -> str:
            return authorization_code.user

    class Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS
        INCLUDE_NEW_REFRESH_TOKEN = world.rotates

        def authenticate_refresh_token(self, refresh_token: str) -> Grant | None:
            found = world.refresh_tokens.get(refresh_token)
            if found is None or found.family in world.dead_families:
                return None
            if world.rotates and found.used_at and time.time() - found.used_at > world.grace_seconds:
                world.dead_families.add(found.family)  # used twice: stolen, for all it knows
                return None
            return found

        def authenticate_user(self, refresh_token: Grant) -> str:
            return refresh_token.user

        def revoke_old_credential(self, refresh_token: Grant) -> None:
            refresh_token.used_at = refresh_token.used_at or time.time()

    class App(grants.ClientCredentialsGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    class Jwt(rfc7523.JWTBearerGrant):  # type: ignore[misc]
        def get_audiences(self) -> list[str]:
            return [world.url + "/token"]

        def resolve_issuer_client(self, issuer: str) -> Client | None:
            return world.clients.get(issuer)

        def resolve_client_public_key(self, client: Client) -> Any:
            return RSAKey.import_key(client.public_key)

        def authenticate_user(self, subject: str) -> str:
            return subject

        def has_granted_permission(self, *_: object) -> bool:
            return True

    server.register_grant(Code, [CodeChallenge(required=True)])
    for each in (Refresh, App, Jwt):
        server.register_grant(each)


def _register_devices(server: Any, world: OAuthServer) -> None:
    class Devices(rfc8628.DeviceAuthorizationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = METHODS
        INTERVAL = world.interval

        def get_verification_uri(self) -> str:
            return world.url + "/activate"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            expires = time.time() + data["expires_in"]
            world.devices[data["device_code"]] = {**data, "client_id": client_id, "scope": scope, "expires_at": expires}

    class Device(rfc8628.DeviceCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def query_device_credential(self, device_code: str) -> Any:
            found = world.devices.get(device_code)
            return rfc8628.DeviceCredentialDict(found) if found is not None else None

        def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
            return ("alice", world.said[user_code]) if user_code in world.said else None

        def should_slow_down(self, credential: dict[str, Any]) -> bool:
            device = world.devices[credential["device_code"]]
            last, device["asked_at"] = device.get("asked_at", 0.0), time.time()
            return bool(time.time() - last < world.interval)

    server.register_endpoint(Devices)
    server.register_grant(Device)


@contextlib.asynccontextmanager
async def run_oauth_server(world: OAuthServer, *, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[OAuthServer]:
    """Have it listen, over TLS when it is given a certificate and its key."""
    app = Starlette(
        routes=[
            Route("/token", world.token, methods=["POST"]),
            Route("/device", world.device, methods=["POST"]),
            Route("/who", world.who, methods=["GET", "POST"]),
        ]
    )
    files = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if certificate else {}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, loop="none", lifespan="off", log_config=None, **files)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by this only
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    world.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    try:
        yield world
    finally:
        server.should_exit = True
        await serving


@contextlib.contextmanager
def serve_oauth(world: OAuthServer) -> Iterator[OAuthServer]:
    """Have it listen in a thread of its own, for tests that start the product's processes."""
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with run_oauth_server(world):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield world
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()
