"""Checks and writes the heads of outgoing requests. Used by web_client.py."""

import re
from collections.abc import Iterable
from typing import Final

from blubees.adapters.web_url import ReadUrl
from blubees.model.web import WebFailure, WebProblem, WebRequest

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_DEFAULTS: Final = (
    ("user-agent", "User-Agent: BluBees/1\r\n"),
    ("accept", "Accept: */*\r\n"),
    ("accept-encoding", "Accept-Encoding: gzip, deflate\r\n"),
)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})


def check_request(request: WebRequest) -> WebFailure | None:
    """Refuse what would write a head of its own: names and values with line ends, and headers that are ours to write."""
    if not _METHOD.fullmatch(request.method) or request.method in {"CONNECT", "TRACE"}:
        return WebFailure(problem=WebProblem.REFUSED_HEADER, detail="method")
    for name, value in request.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or name.lower() in _OURS:
            return WebFailure(problem=WebProblem.REFUSED_HEADER)
    return None


def tell_length(method: str, body: bytes) -> str:
    """Write the header that tells where a body ends, where there may be one."""
    return f"Content-Length: {len(body)}\r\n" if body or method in _WITH_BODY else ""


def write_head(method: str, url: ReadUrl, headers: Iterable[tuple[str, str]], framing: str) -> bytes:
    """Write a request's head; names and values were checked."""
    head = f"{method} {url.asked}"
    given = set()
    for name, value in headers:
        given.add(name.lower())
        head += f"{name}: {value}\r\n"
    for lower, line in _DEFAULTS:
        if lower not in given:
            head += line
    return f"{head}{framing}\r\n".encode("latin-1")
