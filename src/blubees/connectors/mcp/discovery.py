"""How an MCP server wants to be authorised: protected resource metadata (RFC 9728), then the authorization server's (RFC 8414).

Used by importers/mcp_ask.py. What is found becomes settings of a connection of kind oauth2_code, which the vault's grants use:
code with PKCE, for this server only (RFC 8707). Where a client may register itself (RFC 7591), registration.py does.
Every address found is called through the guarded web client, so none leads inside.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import orjson

from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connector import AuthScheme
from blubees.model.failures import Failure

METADATA_MAX_BYTES: Final = 262_144
TIMEOUT_SECONDS: Final = 10.0
SCOPES_MAX: Final = 50
URL_MAX_CHARACTERS: Final = 2_048
_OK: Final = 200
_PARAMETER: Final = re.compile(r'([A-Za-z_]{1,60})\s*=\s*(?:"((?:[^"\\]|\\.){0,2048})"|([^\s",]{1,2048}))')
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749, section 3.3
METHODS: Final = {"none": "none", "client_secret_post": "body", "client_secret_basic": "basic"}
"""How a client says who it is: the protocol's words and those of connections, the best first. In the body before the header:
servers made with the protocol's own SDK want the client's id in the body in any case, where RFC 6749 has it in the
header alone."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

Send = Callable[[Call], Awaitable[CallAnswer | Failure]]


class Authorisation(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is authorised.

    Attributes:
        resource: what a token is asked for (RFC 8707).
        issuer: whose tokens it takes; it must stand in the answer's `iss` where the server says that it does (RFC 9207).
        registration_url: where a client registers itself; empty: a person registers one, and types its id.
        takes_url_as_client: whether a URL with our metadata may be the client id.
        scopes: those that the server asks for, the least.
        auth_methods: how a client may say who it is at the token URL.
    """

    resource: str
    issuer: str
    authorize_url: str
    token_url: str
    registration_url: str = ""
    takes_url_as_client: bool = False
    scopes: tuple[str, ...] = ()
    auth_methods: tuple[str, ...] = ()

    @property
    def scheme(self) -> AuthScheme:
        """The scheme of a connector's `auth`; the client's id and secret are the connection's own."""
        return AuthScheme(
            kind="oauth2_code",
            settings={
                "authorize_url": self.authorize_url,
                "token_url": self.token_url,
                "resource": self.resource,
                "scopes": " ".join(self.scopes),
                "client_auth": _choose_method(self.auth_methods),
                **({"issuer": self.issuer} if self.issuer else {}),
                **({"registration_url": self.registration_url} if self.registration_url else {}),
            },
            scopes=dict.fromkeys(self.scopes, ""),
            docs="The server told its authorization server itself. A client is registered there, by us where it allows that.",
        )


async def discover_authorisation(send: Send, url: str, challenge: str = "") -> Authorisation | None:
    """Find how a server is authorised; None: it does not say so, or not so that it can be believed.

    Args:
        challenge: the WWW-Authenticate header of its refusal.
    """
    told = read_challenge(challenge)
    resource = await _find_resource(send, url, told.get("resource_metadata", ""))
    named = resource.get("authorization_servers") if resource is not None else None
    servers = [each for each in named if _is_url(each)] if isinstance(named, list) else []
    issuer = servers[0] if servers else _root(url)  # 2025-03-26: the server itself is its authorization server
    found = await _find_server(send, issuer)
    if found is None:
        return None
    authorize, token = found.get("authorization_endpoint"), found.get("token_endpoint")
    methods = found.get("code_challenge_methods_supported")
    if not _is_url(authorize) or not _is_url(token) or (isinstance(methods, list) and "S256" not in methods):
        return None
    registration = found.get("registration_endpoint")
    return Authorisation(
        resource=_read_resource(resource, url),
        issuer=issuer if found.get("authorization_response_iss_parameter_supported") is True else "",
        authorize_url=str(authorize),
        token_url=str(token),
        registration_url=str(registration) if _is_url(registration) else "",
        takes_url_as_client=found.get("client_id_metadata_document_supported") is True,
        scopes=_choose_scopes(told.get("scope", ""), resource),
        auth_methods=_list_texts(found.get("token_endpoint_auth_methods_supported")),
    )


def read_challenge(header: str) -> dict[str, str]:
    """Read the parameters of a WWW-Authenticate header: RFC 9728, section 5.1; the first of each counts."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(header[:8_192]):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    return found


async def _find_resource(send: Send, url: str, told: str) -> dict[str, Any] | None:
    """Ask for the protected resource's metadata where the server says, then at the well-known places."""
    path = urlsplit(url).path.rstrip("/")
    well_known = "/.well-known/oauth-protected-resource"
    places = [told if _is_url(told) else "", f"{_root(url)}{well_known}{path}" if path else "", f"{_root(url)}{well_known}"]
    for place in dict.fromkeys(filter(None, places)):
        found = await _get_object(send, place)
        # RFC 9728, section 3.3: metadata of another resource must not be used
        if found is not None and _covers(found.get("resource"), url):
            return found
    return None


async def _find_server(send: Send, issuer: str) -> dict[str, Any] | None:
    """Ask for the authorization server's metadata: RFC 8414, then OpenID Connect's; its issuer must be the one asked for."""
    root, path = _root(issuer), urlsplit(issuer).path.rstrip("/")
    places = [f"{root}/.well-known/oauth-authorization-server{path}", f"{root}/.well-known/openid-configuration{path}"]
    if path:
        places.append(f"{root}{path}/.well-known/openid-configuration")
    for place in places:
        found = await _get_object(send, place)
        if found is not None:
            said = found.get("issuer")
            return found if isinstance(said, str) and said.rstrip("/") == issuer.rstrip("/") else None
    return None


async def _get_object(send: Send, url: str) -> dict[str, Any] | None:
    answer = await send(write_call(url, "GET"))
    return read_object(answer) if isinstance(answer, CallAnswer) and answer.status == _OK else None


def write_call(url: str, method: str, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> Call:
    """Write a call without a credential: what is asked here is public, and its hosts are strangers'."""
    return Call(
        method=method,
        url=url,
        effect=Effect.READ if method == "GET" else Effect.UNSAFE,
        headers=(("Accept", "application/json"), *headers),
        body=body,
        timeout_seconds=TIMEOUT_SECONDS,
        answer_limit_bytes=METADATA_MAX_BYTES,
    )


def read_object(answer: CallAnswer) -> dict[str, Any] | None:
    """Read an answer that is a JSON object; None: it is none."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _covers(resource: object, url: str) -> bool:
    """Whether metadata is of this server: the resource is its URL, or a part of the path that leads to it."""
    if not _is_url(resource):
        return False
    asked, told = urlsplit(url), urlsplit(str(resource))
    if (asked.scheme, asked.netloc.lower()) != (told.scheme, told.netloc.lower()):
        return False
    return f"{asked.path.rstrip('/')}/".startswith(f"{told.path.rstrip('/')}/")


def _read_resource(resource: Mapping[str, Any] | None, url: str) -> str:
    told = resource.get("resource") if resource is not None else None
    return told if isinstance(told, str) else urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _choose_scopes(challenged: str, resource: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Choose what is asked for: what the refusal names, else what the resource supports."""
    found = tuple(challenged.split()) or _list_texts(resource.get("scopes_supported") if resource is not None else None)
    return tuple(each for each in found if _SCOPE.fullmatch(each))[:SCOPES_MAX]


def _choose_method(offered: tuple[str, ...]) -> str:
    """Choose how the client says who it is, in the words of connections; RFC 8414: without a list it is basic."""
    return next((ours for theirs, ours in METHODS.items() if theirs in offered), "basic")


def _list_texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _is_url(value: object) -> bool:
    """Whether it is a URL that may be called at all: https, or http to this very machine, which the guard then judges."""
    if not isinstance(value, str) or not 0 < len(value) <= URL_MAX_CHARACTERS or re.search(r"[\x00-\x20\x7f\\]", value):
        return False
    try:
        parts = urlsplit(value)
        host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    except ValueError:
        return False
    return (
        "@" not in parts.netloc and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))
    )


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
