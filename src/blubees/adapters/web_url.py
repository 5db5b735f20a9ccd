"""Reads URLs of outgoing calls: what is checked is the object that is sent. Used by web_client.py."""

import re
from typing import Final, NamedTuple

from yarl import URL

from blubees.adapters.http_route import Origin
from blubees.model.web import WebFailure, WebProblem

URL_MAX_CHARACTERS: Final = 8_192
URLS_KEPT: Final = 256  # read already, with the origin that each leads to
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)  # the last label of an address (WHATWG URL, host parsing)
_BYTE: Final = r"(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_DOTTED: Final = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")
_BAD_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")


class ReadUrl(NamedTuple):
    """A URL that was read.

    Attributes:
        asked: what of it stands in a request: the path with its query, then the line with the host.
    """

    url: URL
    origin: Origin
    asked: str


class UrlReader:
    """Reads URLs and remembers some.

    Args:
        allowed: loopback ports that may be reached by plain http.
    """

    def __init__(self, allowed: frozenset[int]) -> None:
        self._allowed = allowed
        self._known: dict[str, ReadUrl] = {}

    def find(self, text: str) -> ReadUrl | WebFailure:
        """Read a URL, or remember it."""
        known = self._known.get(text)
        if known is not None:
            return known
        url = self._read(text)
        if isinstance(url, WebFailure):
            return url
        if len(self._known) >= URLS_KEPT:
            self._known.clear()
        origin = Origin(url.raw_host or "", url.port or 0, is_tls=url.scheme == "https")
        asked = f"{url.raw_path_qs} HTTP/1.1\r\nHost: {origin.host_header}\r\n"
        found = self._known[text] = ReadUrl(url, origin, asked)
        return found

    def _read(self, text: str) -> URL | WebFailure:
        """Parse once; what is checked here is the object that is sent."""
        if len(text) > URL_MAX_CHARACTERS or _BAD_IN_URL.search(text):
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="characters")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError:
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
        if not host or port is None or port == 0 or _is_odd_number(host):
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="host")
        if url.user is not None or url.password is not None:
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="user")
        if url.scheme == "https" or (url.scheme == "http" and port in self._allowed and _is_loopback(host)):
            return url.with_fragment(None)
        return WebFailure(problem=WebProblem.REFUSED_SCHEME)


def join_url(url: URL, location: str) -> str:
    """Read a Location beside the URL that it came from; empty when it can't be read."""
    try:
        return str(url.join(URL(location)))
    except ValueError:
        return ""


def _is_odd_number(host: str) -> bool:
    """Whether a resolver may read it as an address that it does not look like: `2130706433`, `0x7f.1`, `127.1`, `010.0.0.1`."""
    last = host.rstrip(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and _DOTTED.fullmatch(host) is None


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
