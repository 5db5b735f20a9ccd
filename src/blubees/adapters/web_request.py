"""Checks and writes the heads of outgoing requests. Used by web_client.py."""

import re
from collections.abc import Iterable
from typing import Final

from yarl import URL

from blubees.adapters.http_route import Origin
from blubees.model.web import WebFailure, WebProblem, WebRequest

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_DEFAULTS: Final = (("User-Agent", "BluBees/1"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"))
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


def write_head(method: str, url: URL, origin: Origin, headers: Iterable[tuple[str, str]], framing: str) -> bytes:
    """Write a request's head; names and values were checked."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {origin.host_header}\r\n"]
    given = set()
    for name, value in headers:
        given.add(name.lower())
        lines.append(f"{name}: {value}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in _DEFAULTS if name.lower() not in given]
    lines.append(f"{framing}\r\n")
    return "".join(lines).encode("latin-1")
