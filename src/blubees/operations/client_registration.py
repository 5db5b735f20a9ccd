"""Finds how an MCP server is authorised, and registers a client of ours where a connection has none. Called by connections.py.

All calls go for the tenant, through the guarded web client and the tenant's own rules of hosts, and show no credential.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.connectors.mcp.discovery import Authorisation
from blubees.connectors.mcp.registration import register_client
from blubees.model.errors import InputError, UnavailableError
from blubees.model.failures import Failure, FailureCode, explain_failure
from blubees.model.ids import TenantId
from blubees.operations.connector_asking import AWAY, Send

CLIENT_ID: Final = "client_id"
REGISTRATION_URL: Final = "registration_url"
URL_MAX_CHARACTERS: Final = 2_048
_ON_THE_WAY: Final = frozenset({FailureCode.EGRESS_REFUSED, FailureCode.TLS_REFUSED})


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection to an MCP server is made of: settings and the server's host."""

    settings: dict[str, str]
    host: str


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A client, as a connection keeps it. `secrets`: by field; none for a public client."""

    settings: dict[str, str]
    secrets: dict[str, str] = {}

    def __repr__(self) -> str:
        """Tell no secret."""
        return f"Registered(settings={self.settings!r})"


class ClientRegistrar:
    """Makes what a connection of kind oauth2_code lacks.

    Args:
        make_send: gives what makes calls for a tenant.
        callback: where vendors send browsers back; what is registered.
    """

    def __init__(self, make_send: Callable[[TenantId], Send], callback: str) -> None:
        self._make_send, self._callback = make_send, callback

    async def prepare(self, tenant: TenantId, url: str, given: Mapping[str, str]) -> Prepared:
        """Ask an MCP server how it is authorised; what a person gives counts more than what it says.

        Raises:
            InputError: it is authorised in another way, or a client id is needed that a person must fetch.
            UnavailableError: it does not answer now.
        """
        if len(url) > URL_MAX_CHARACTERS or not urlsplit(url).netloc:
            raise InputError("mcp: give the server's whole address, such as https://mcp.example.com/mcp.")
        found = await ask_tools(self._make_send(tenant), url)
        if isinstance(found, bytes):
            raise InputError("The server asks for no credential: import it without a connection.")
        if isinstance(found, Failure):
            raise _tell(found, "The server does not say that it speaks OAuth. Where it wants a token: --kind bearer.")
        settings = {**found.scheme.settings, **given}
        if not settings.get(CLIENT_ID) and not settings.get(REGISTRATION_URL):
            raise InputError(self._ask_for_client(found))
        return Prepared(settings={name: text for name, text in settings.items() if text}, host=urlsplit(url).netloc.lower())

    async def register(self, tenant: TenantId, settings: Mapping[str, str]) -> Registered | None:
        """Register a client, where the settings name no client and a place to register one; else None.

        Raises:
            InputError: it is refused. UnavailableError: nobody answers there now.
        """
        url = settings.get(REGISTRATION_URL, "")
        if not url or settings.get(CLIENT_ID):
            return None
        made = await register_client(
            self._make_send(tenant),
            url,
            redirect_url=self._callback,
            client_auth=settings.get("client_auth", ""),
            scopes=settings.get("scopes", ""),
        )
        if isinstance(made, Failure):
            raise _tell(made, f"No client was registered at {urlsplit(url).netloc}. {self._advise()}")
        secrets = {"client_secret": made.secret} if made.secret else {}
        return Registered(settings={CLIENT_ID: made.client_id, "client_auth": made.client_auth}, secrets=secrets)

    def _ask_for_client(self, found: Authorisation) -> str:
        where = urlsplit(found.authorize_url).netloc
        return f"client_id: {where} does not let clients register themselves. {self._advise()}"

    def _advise(self) -> str:
        return (
            f"Register one there with the redirect address {self._callback}, and give its id: --setting client_id=…; its"
            ' secret, where it has one, by --fields as {"client_secret": "…"}.'
        )


def _tell(failure: Failure, advice: str) -> InputError | UnavailableError:
    what, _ = explain_failure(failure)
    words = " ".join(filter(None, (str(failure.http_status or ""), failure.detail)))
    told = f"{what} ({words})" if words else what
    if failure.code in AWAY:
        return UnavailableError(told)
    return InputError(told if failure.code in _ON_THE_WAY else f"{advice} {told}")
