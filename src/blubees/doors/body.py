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
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX: Final = 1_000

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
    if kind == FORM_TYPE:
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
    """Parse JSON of at most 64 levels; orjson itself refuses bad UTF-8, lone surrogates, NaN, numbers past a float, 1,024."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return BodyRefusal.MALFORMED
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_too_deep(document):
        return BodyRefusal.MALFORMED
    return document


def _is_too_deep(document: object) -> bool:
    """Look level by level, without recursion."""
    level = [document]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each if type(each) is list else ())
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


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
