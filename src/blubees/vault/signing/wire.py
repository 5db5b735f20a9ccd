"""What of a call stands on the wire: the signers sign that, not what somebody wrote. Used by the signers beside it.

The web client reads URLs with the same library, so that both see the same bytes (adapters/web_client.py).
"""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

from yarl import URL

from blubees.model.web import WebRequest

UNRESERVED: Final = "-._~"  # RFC 3986, section 2.3, beside letters and digits


class Wire(NamedTuple):
    """The parts of a URL as they are sent.

    Attributes:
        host: lower case, with the port where it is not the scheme's own: the header Host.
        path: from the first slash, percent-encoded; "/" for none.
        query: without the question mark, percent-encoded.
        url: the whole, without fragment: reading it once more gives the same.
    """

    scheme: str
    host: str
    path: str
    query: str
    url: str

    def pairs(self) -> list[tuple[str, str]]:
        """Give the query's names and values, decoded, in order."""
        return parse_qsl(self.query, keep_blank_values=True)


def read_wire(url: str) -> Wire:
    """Read a URL as the web client will. Raises ValueError: it is none."""
    read = URL(url).with_fragment(None)
    if not read.raw_host or read.port is None:
        raise ValueError("no host")
    host = f"[{read.raw_host}]" if ":" in read.raw_host else read.raw_host
    return Wire(
        scheme=read.scheme,
        host=host if read.is_default_port() else f"{host}:{read.port}",
        path=read.raw_path or "/",
        query=read.raw_query_string,
        url=str(read),
    )


def encode(text: str, safe: str = "") -> str:
    """Percent-encode all but unreserved characters (RFC 3986, RFC 5849 section 3.6) and those in `safe`."""
    return quote(text, safe=UNRESERVED + safe)


def find_header(request: WebRequest, name: str) -> str | None:
    """Give a header's value; None when it is not there."""
    return next((value for header, value in request.headers if header.lower() == name.lower()), None)


def add_query(url: str, pairs: dict[str, str]) -> str:
    """Add to the query."""
    return str(URL(url).extend_query(pairs))
