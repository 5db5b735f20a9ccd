"""Asks a server what it offers, where there is no document: GraphQL for its schema, MCP for its tools. Called by connectors.py.

It is asked without a credential first: so it is known whether it wants one, and which.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from blubees.connectors.importers.graphql_ask import NO_SCHEMA, ask_schema
from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.connectors.mcp.discovery import Authorisation
from blubees.model.call import Call, CallAnswer
from blubees.model.connector import AuthScheme
from blubees.model.errors import InputError, UnavailableError
from blubees.model.failures import Failure, FailureCode, explain_failure

Send = Callable[[Call], Awaitable[CallAnswer | Failure]]
AWAY: Final = frozenset(
    {FailureCode.TIMEOUT, FailureCode.UNREACHABLE, FailureCode.BUSY, FailureCode.VENDOR_BROKEN, FailureCode.UNAVAILABLE}
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a server told. `is_open`: it told it to one who showed no credential."""

    content: bytes
    is_open: bool
    auth: dict[str, AuthScheme] = {}


async def ask_server(send: Send, ask: str, url: str, connection: str) -> Asked:
    """Ask a server.

    Args:
        send: makes calls for the tenant, with the credential of the connection that a call names.
        ask: `graphql` or `mcp`.

    Raises:
        InputError: it can't be asked so; the sentence says what it wants. UnavailableError: it does not answer now.
    """
    if not url:
        raise InputError("Say which server is to be asked: its https address.")
    ask_it = ask_tools if ask == "mcp" else ask_schema
    found = await ask_it(send, url)
    if isinstance(found, bytes):
        return Asked(content=found, is_open=True)
    auth = {"oauth": found.scheme} if isinstance(found, Authorisation) else {}
    if connection:
        found = await ask_it(send, url, connection)
        if isinstance(found, bytes):
            return Asked(content=found, is_open=False, auth=auth)
    raise _refuse(found, url)


def _refuse(found: Authorisation | Failure, url: str) -> InputError | UnavailableError:
    """Say what a server wants, or why it can't be asked."""
    if isinstance(found, Authorisation):
        where = urlsplit(found.authorize_url).netloc
        client = (
            "" if found.registration_url else " It needs the id of a client that is registered there: --setting client_id=…"
        )
        return InputError(
            f"The server wants OAuth, of {where}. Add a connection to it (connection add NAME --mcp {url}), have a person say"
            f" yes (connection authorize NAME), and import with it: --connection NAME.{client}"
        )
    what, _ = explain_failure(found)
    words = " ".join(filter(None, (str(found.http_status or ""), found.detail)))
    told = f"{what} ({words})" if words else what
    if found.code in AWAY:
        return UnavailableError(f"The server can't be asked now. {told}")
    if found.code is FailureCode.CREDENTIAL_REFUSED:
        return InputError(f"{told} Make a connection to it, and import with it: --connection NAME.")
    hint = " It tells its schema to nobody: import it as a file." if found.detail == NO_SCHEMA else ""
    return InputError(f"The server can't be asked. {told}{hint}")
