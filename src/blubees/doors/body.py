"""Reads and parses request bodies within limits. Used by doors/forge_events.py and doors/webhooks.py. No multipart, ever.

Duplicate keys: the last one counts, as in every JSON parser in the field. Signatures are checked on the raw bytes and one
parsed document is used everywhere after, so no two readers can disagree about it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

BODY_MAX_BYTES: Final = 262_144  # docs/decisions/0004-size-limits.md
DEPTH_MAX: Final = 64
FORM_FIELDS_MAX: Final = 1_000
_QUOTE: Final = ord('"')

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyRefusal(StrEnum):
    """Why a body was not taken."""

    TOO_LARGE = "too_large"
    DISCONNECTED = "disconnected"
    MALFORMED = "malformed"
    CONTENT_TYPE = "content_type"


async def read_body(receive: Receive, headers: dict[str, str], limit_bytes: int = BODY_MAX_BYTES) -> bytes | BodyRefusal:
    """Read a body; the limit holds while reading, and before where the sender names a length.

    One that trickles is broken off by doors/slow_clients.py, and looks like a sender who went away.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit_bytes:
        return BodyRefusal.TOO_LARGE
    return await _gather(receive, limit_bytes)


def parse_body(body: bytes, content_type: str) -> tuple[object, bytes] | BodyRefusal:
    """Parse a body by its content type. Gives the document and the same as JSON bytes (the body itself when it is JSON)."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return None, b""
    if kind == "application/json" or kind.endswith("+json") or not kind:
        document = parse_json(body)
        return document if isinstance(document, BodyRefusal) else (document, body)
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict")
            fields = dict(pairs)
            return fields, orjson.dumps(fields)
        except (ValueError, TypeError):
            return BodyRefusal.MALFORMED
    if kind == "text/plain":
        try:
            text = body.decode("utf-8")
            return text, orjson.dumps(text)
        except (UnicodeDecodeError, TypeError):
            return BodyRefusal.MALFORMED
    return BodyRefusal.CONTENT_TYPE


def parse_json(body: bytes) -> Any | BodyRefusal:  # noqa: ANN401 - JSON
    """Parse JSON of at most 64 levels; orjson itself refuses bad UTF-8, lone surrogates, NaN and numbers past a float."""
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _measure_depth(body) > DEPTH_MAX:
        return BodyRefusal.MALFORMED
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return BodyRefusal.MALFORMED


def _measure_depth(body: bytes) -> int:
    """Measure nesting without recursion: strings are taken out first, then brackets counted."""
    depth = deepest = 0
    position = 0
    while position < len(body):
        byte = body[position]
        if byte == _QUOTE:  # a string: jump behind it
            position = _skip_string(body, position + 1)
            continue
        if byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return depth
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
        position += 1
    return deepest


def _skip_string(body: bytes, position: int) -> int:
    while True:
        end = body.find(b'"', position)
        if end < 0:
            return len(body)
        slashes = 0
        while body[end - 1 - slashes] == 0x5C:  # noqa: PLR2004 - a backslash
            slashes += 1
        if slashes % 2 == 0:
            return end + 1
        position = end + 1


async def _gather(receive: Receive, limit_bytes: int) -> bytes | BodyRefusal:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        return BodyRefusal.DISCONNECTED
    if not message.get("more_body"):
        return body if len(body) <= limit_bytes else BodyRefusal.TOO_LARGE
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return BodyRefusal.DISCONNECTED
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit_bytes:
            return BodyRefusal.TOO_LARGE
    return b"".join(parts)
