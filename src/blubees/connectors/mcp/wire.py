"""What goes over the wire to an MCP server: JSON-RPC messages, their headers, and answers as JSON or server-sent events.

Pure; used by conversation.py. Source: modelcontextprotocol.io/specification, 2025-03-26 to 2026-07-28, "Transports".
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from blubees.model.call import CallAnswer

MODERN: Final = "2026-07-28"
"""Each request stands alone: no handshake, no session."""
HANDSHAKES: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""The versions that begin with `initialize`, the newest first. 2024-11-05 has another transport, and is not spoken."""
TOLD_FROM: Final = "2025-06-18"  # since then the version stands in a header
UNSUPPORTED_VERSION: Final = -32022
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
MODERN_ERRORS: Final = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
"""Codes that only servers of the modern version give: a header that is not as the body, a capability that is missing."""
SESSION_HEADER: Final = "mcp-session-id"
_ACCEPT: Final = "application/json, text/event-stream"
_META: Final = "io.modelcontextprotocol/"
_CLIENT: Final = {"name": "BluBees", "version": "1"}
_PLAIN_HEADER: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_ENCODED: Final = re.compile(r"=\?base64\?.*\?=")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_EVENT_ID: Final = re.compile(r"[\x20-\x7e]{1,1000}")
_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1000}")  # "visible ASCII", Session Management
_RETRY_DIGITS_MAX: Final = 7
MIRRORED: Final = "x-mcp-header"
"""In a tool's input schema: the value goes into the header `Mcp-Param-…` too (2026-07-28, "Custom Headers")."""
_MIRRORED_TYPES: Final = frozenset({"string", "integer", "boolean"})
_MIRROR_DEPTH: Final = 16

Headers = tuple[tuple[str, str], ...]
Mirrors = tuple[tuple[tuple[str, ...], str], ...]
"""Which arguments go into headers: the path of the argument, the header's token."""


class Stream(NamedTuple):
    """An answer's messages, and where its stream could be taken up again.

    Attributes:
        last_id: of the last event that had one; empty: it can't be resumed.
        retry_milliseconds: how long the server wants to be left alone first; None: it did not say.
    """

    messages: list[Any]
    last_id: str = ""
    retry_milliseconds: int | None = None


def write_request(number: int, method: str, params: Mapping[str, Any], version: str) -> bytes:
    """Write a request; the modern version is told in each."""
    told = dict(params)
    if version == MODERN:
        told["_meta"] = {
            f"{_META}protocolVersion": version,
            f"{_META}clientInfo": _CLIENT,
            f"{_META}clientCapabilities": {},
        }
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": told})


def write_initialize(number: int) -> bytes:
    """Write the first message of a handshake."""
    params = {"protocolVersion": HANDSHAKES[0], "capabilities": {}, "clientInfo": _CLIENT}
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params})


def write_notification(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """Write a message that has no answer."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})


def write_headers(method: str, version: str, *, session: str = "", name: str = "", more: Headers = ()) -> Headers:
    """Give the headers of a POST.

    Args:
        version: empty during the handshake.
        name: of the tool, where there is one.
    """
    headers: list[tuple[str, str]] = [("Content-Type", "application/json"), ("Accept", _ACCEPT)]
    if version >= TOLD_FROM:
        headers.append(("MCP-Protocol-Version", version))
    if session:
        headers.append(("Mcp-Session-Id", session))
    if version == MODERN:
        headers.append(("Mcp-Method", method))
        headers += [("Mcp-Name", encode_header(name))] if name else []
        headers += more
    return tuple(headers)


def encode_header(text: str) -> str:
    """Write a value as a header takes it; one that it does not take as base64, marked."""
    if _PLAIN_HEADER.fullmatch(text) and not _ENCODED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8', 'replace')).decode()}?="


def find_mirrors(schema: object) -> Mirrors | None:
    """Find the arguments that go into headers; None: the schema breaks the rules for them, so the tool must not be used."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    waiting: list[tuple[tuple[str, ...] | None, object]] = [((), schema)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, list):
            waiting += [(None, each) for each in one]
        if not isinstance(one, dict):
            continue
        token = one.get(MIRRORED)
        if token is not None:
            is_sound = isinstance(token, str) and _TOKEN.fullmatch(token) and one.get("type") in _MIRRORED_TYPES
            if not path or not is_sound or token.lower() in found:
                return None
            found[token.lower()] = (path, token)
        for key, each in one.items():
            if key == "properties" and isinstance(each, dict):
                is_near = path is not None and len(path) < _MIRROR_DEPTH
                waiting += [((*path, name) if is_near and path is not None else None, inner) for name, inner in each.items()]
            elif key not in {"default", "examples", "const", "enum"}:
                waiting.append((None, each))
    return tuple(found.values())


def write_mirrors(mirrors: Mirrors, arguments: Mapping[str, Any]) -> Headers:
    """Give the headers that repeat arguments."""
    headers: list[tuple[str, str]] = []
    for path, token in mirrors:
        value: Any = arguments
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str | int | float):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            headers.append((f"Mcp-Param-{token}", encode_header(text)))
    return tuple(headers)


def read_session(answer: CallAnswer) -> str:
    """Give the session that a server opened; empty for none."""
    session = answer.headers.get(SESSION_HEADER, "")
    return session if _SESSION_ID.fullmatch(session) else ""


def read_stream(answer: CallAnswer) -> Stream | None:
    """Read an answer's messages; None: it is neither JSON nor events."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _read_events(answer.body)
    if kind == "application/json" and answer.body:
        try:
            return Stream(_list_messages(orjson.loads(answer.body)))
        except orjson.JSONDecodeError:
            return None
    return Stream([]) if not answer.body else None


def find_reply(messages: Sequence[Any], number: int) -> dict[str, Any] | None:
    """Find the answer to a request: the message with its number that is no request itself; an error may have none."""
    for message in messages:
        if not isinstance(message, dict) or "method" in message or not ("result" in message or "error" in message):
            continue
        if message.get("id") == number or ("error" in message and message.get("id") is None):
            return message
    return None


def _list_messages(read: object) -> list[Any]:
    return read if isinstance(read, list) else [read]


def _read_events(body: bytes) -> Stream:
    """Read server-sent events as WHATWG's "event stream interpretation" has it; an event cut short does not count."""
    messages: list[Any] = []
    last_id, retry = "", None
    for name, data, identity, wait in _split_events(body.removeprefix(b"\xef\xbb\xbf")):
        last_id = identity or last_id
        retry = wait if wait is not None else retry
        if name not in {"", "message"} or not data:
            continue
        try:
            messages += _list_messages(orjson.loads(data))
        except orjson.JSONDecodeError:
            continue  # not a message of this protocol; the answer may still come
    return Stream(messages, last_id, retry)


def _split_events(body: bytes) -> Iterator[tuple[str, str, str, int | None]]:
    name, identity, wait = "", "", None
    data: list[str] = []
    for line in _LINE_END.split(body):
        if not line:
            yield name, "\n".join(data), identity, wait
            name, identity, data, wait = "", "", [], None
            continue
        field, _, text = line.decode("utf-8", "replace").partition(":")
        text = text.removeprefix(" ")
        if field == "data":
            data.append(text)
        elif field == "event":
            name = text
        elif field == "id":
            identity = text if _EVENT_ID.fullmatch(text) else ""
        elif field == "retry" and text.isascii() and text.isdecimal() and len(text) <= _RETRY_DIGITS_MAX:
            wait = int(text)
