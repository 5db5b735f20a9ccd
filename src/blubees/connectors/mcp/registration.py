"""Registers a client of ours at an authorization server that lets clients register themselves (RFC 7591).

Used by operations/client_registration.py, when a connection is added that has no client. The control plane's calls only.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

from blubees.connectors.mcp.discovery import METHODS, Send, read_object, write_call
from blubees.model.call import CallAnswer
from blubees.model.failures import Failure, FailureCode

CLIENT_NAME: Final = "BluBees"
SECRET_MAX_CHARACTERS: Final = 4_096
_MADE: Final = frozenset({200, 201})
_CLIENT_ID: Final = re.compile(r"[\x21-\x7e]{1,1000}")
_REFUSALS: Final = frozenset(
    {
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_software_statement",
        "unapproved_software_statement",
        "access_denied",
        "invalid_token",
    }
)
"""The words that may be told of a refusal (RFC 7591, section 3.2.2; RFC 6750): all else is a stranger's text."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client that was registered.

    Attributes:
        secret: empty for a public one; it goes to the vault and nowhere else.
        client_auth: how it says who it is at the token URL, in the words of connections.
    """

    client_id: str
    secret: str = ""
    client_auth: str = "none"

    def __repr__(self) -> str:
        """Tell the id only."""
        return f"Client(client_id={self.client_id!r})"


async def register_client(send: Send, url: str, *, redirect_url: str, client_auth: str, scopes: str = "") -> Client | Failure:
    """Register a client.

    Args:
        send: makes the call, with no credential.
        url: the registration endpoint.
        redirect_url: where browsers are sent back to.
        client_auth: how it shall say who it is at the token URL: `none`, `basic` or `body`.
        scopes: what will be asked for, spaces between.

    Returns:
        The client; or a failure whose detail is `registration`, or a word of RFC 7591's.
    """
    wanted = next((theirs for theirs, ours in METHODS.items() if ours == client_auth), "client_secret_basic")
    asked = {
        "client_name": CLIENT_NAME,
        "redirect_uris": [redirect_url],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": wanted,
        "application_type": "native" if redirect_url.startswith("http://") else "web",  # OpenID Connect Registration, section 2
        **({"scope": scopes} if scopes else {}),
    }
    answer = await send(write_call(url, "POST", orjson.dumps(asked), (("Content-Type", "application/json"),)))
    if isinstance(answer, Failure):
        return answer
    told = read_object(answer)
    if answer.status not in _MADE or told is None:
        return _refuse(answer, told or {})
    client_id, secret = told.get("client_id"), told.get("client_secret") or ""
    back, method = told.get("redirect_uris") or [redirect_url], told.get("token_endpoint_auth_method") or wanted
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id) or not _is_secret(secret):
        return _refuse(answer, {})
    # the server may put other values in the place of ours (section 3.2.1): those that we can't go on with are none
    if not isinstance(back, list) or redirect_url not in back:
        return _refuse(answer, {"error": "invalid_redirect_uri"})
    ours = METHODS.get(method) if isinstance(method, str) else None
    if ours is None or (ours != "none" and not secret):
        return _refuse(answer, {"error": "invalid_client_metadata"})
    return Client(client_id=client_id, secret="" if ours == "none" else secret, client_auth=ours)


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and len(value) <= SECRET_MAX_CHARACTERS and (value.isprintable() or not value)


def _refuse(answer: CallAnswer, told: Mapping[str, object]) -> Failure:
    error = told.get("error")
    detail = error if isinstance(error, str) and error in _REFUSALS else "registration"
    return Failure(code=FailureCode.REQUEST_REFUSED, http_status=answer.status, detail=detail)
