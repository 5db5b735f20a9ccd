"""Asks an MCP server what its tools are, and writes it down as the document that mcp.py reads. Called by the import machinery.

A server that wants a credential first says so, and where it is to be had: then that is what is given.
"""

import orjson

from blubees.connectors.mcp.conversation import Conversation, Send
from blubees.connectors.mcp.discovery import Authorisation, discover_authorisation
from blubees.connectors.mcp.tool_call import list_tools
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode

TIMEOUT_SECONDS = 30.0
_WANTS_CREDENTIAL = frozenset({401, 403})


class _Listening:
    """Sends, and remembers what a refusal told of authorisation."""

    __slots__ = ("_send", "challenge")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.challenge = ""

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        answer = await self._send(call)
        if isinstance(answer, CallAnswer) and answer.status in _WANTS_CREDENTIAL:
            self.challenge = answer.headers.get("www-authenticate", "")
        return answer


async def ask_tools(send: Send, url: str, connection: str = "") -> bytes | Authorisation | Failure:
    """Ask a server for its tools.

    Args:
        send: makes a call through the guarded web client, with the credential of the connection that it names.
        connection: whose credential is used; empty for none.

    Returns:
        The document; or how the server is authorised, when it refused for lack of that; or what went wrong.
    """
    listening = _Listening(send)
    template = Call(method="POST", url=url, effect=Effect.READ, connection=connection, timeout_seconds=TIMEOUT_SECONDS)
    conversation = Conversation(listening, template)
    failure = await conversation.open()
    found = failure if failure is not None else await list_tools(conversation)
    if isinstance(found, Failure):
        wanted = found.code is FailureCode.CREDENTIAL_REFUSED
        told = await discover_authorisation(send, url, listening.challenge) if wanted else None
        return told if told is not None else found
    await conversation.close()
    return orjson.dumps(
        {
            "protocolVersion": conversation.version,
            "serverInfo": conversation.server,
            "instructions": conversation.instructions,
            "tools": found,
        }
    )
