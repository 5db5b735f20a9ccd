"""One call on its way: what is asked of which origin now, and where redirects lead it. Used by web_client.py.

It knows URLs, the tenant's rules and what may be taken along to another origin; it knows no connections.
"""

from collections.abc import Mapping
from typing import Final

from blubees.adapters.http_route import Origin
from blubees.adapters.web_request import tell_length, write_head
from blubees.adapters.web_url import ReadUrl, UrlReader, join_url
from blubees.model.egress import HostJudge
from blubees.model.web import WebFailure, WebProblem, WebRequest

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEPT_ON_OTHER_ORIGIN: Final = frozenset({"accept", "content-type"})


class Journey:
    """A call's way.

    Args:
        judge: who judges the hosts; None: nobody does.
        framing: the header that tells where a body ends that is sent in pieces; empty: the body is the request's own.

    Attributes:
        origin, written: where the request goes now, and its bytes. Set by `prepare`.
        certificate: shown there, if it asks for one.
    """

    __slots__ = (
        "_body",
        "_found",
        "_framing",
        "_headers",
        "_judge",
        "_redirects",
        "_urls",
        "certificate",
        "method",
        "origin",
        "written",
    )
    origin: Origin
    written: bytes

    def __init__(self, request: WebRequest, urls: UrlReader, judge: HostJudge | None, framing: str = "") -> None:
        self._urls, self._judge, self._framing = urls, judge, framing
        self.method, self._headers, self._body = request.method, request.headers, request.body
        self.certificate = request.client_certificate
        self._redirects = request.redirects or None  # how many are left; None: an answer that leads elsewhere is an answer
        self._found: ReadUrl | WebFailure = urls.find(request.url)

    def prepare(self) -> WebFailure | None:
        """Write the next request, or tell why there is none."""
        found = self._found
        if isinstance(found, WebFailure):
            return found
        if self._judge is not None and not self._judge.permits(found.origin.host):
            return WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
        if self.certificate is not None and not found.origin.is_tls:
            return WebFailure(problem=WebProblem.REFUSED_SCHEME, detail="client_certificate")
        self.origin = found.origin
        framing = self._framing or tell_length(self.method, self._body)
        self.written = write_head(self.method, found, self._headers, framing) + self._body
        return None

    def goes_on(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer leads elsewhere; then `prepare` tells more."""
        if status not in REDIRECTS or self._redirects is None:
            return False
        location, here = headers.get("location", ""), self._found
        if not location or isinstance(here, WebFailure):
            return False
        if self._redirects == 0:
            self._found = WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)
            return True
        self._redirects -= 1
        self._found = found = self._urls.find(join_url(here.url, location))
        if not isinstance(found, WebFailure):
            if found.origin != here.origin:
                self._headers = tuple(pair for pair in self._headers if pair[0].lower() in KEPT_ON_OTHER_ORIGIN)
                self._body, self.certificate = b"", None
            if status == 303 or (status in {301, 302} and self.method == "POST"):  # noqa: PLR2004 - RFC 9110
                self.method, self._body = "GET", b""
        return True
