"""Port WebClient: the one way out, guarded where the connection is made. Built by main/conduit.py.

The address that is judged is the address that is connected to: the decision stands in the socket factory, after name
resolution, so that neither rebinding nor an odd spelling gets between. No proxy variables, no cookies, no switch that turns
verification off. Why not aiohttp: docs/decisions/0019-outgoing-calls.md.
"""

import asyncio
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from yarl import URL

from blubees.adapters.http_connection import CallFailedError, RawAnswer
from blubees.adapters.http_dialer import Dialer, RefusedAddressError, Resolve
from blubees.adapters.http_pool import HttpPool
from blubees.adapters.http_route import Origin
from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import ClientCertificate, WebAnswer, WebFailure, WebProblem, WebRequest

URL_MAX_CHARACTERS: Final = 8_192
URLS_KEPT: Final = 256  # read already, with the origin that each leads to
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEPT_ON_OTHER_ORIGIN: Final = frozenset({"accept", "content-type"})
SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_DEFAULTS: Final = (("User-Agent", "BluBees/1"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"))
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)  # the last label of an address (WHATWG URL, host parsing)
_BYTE: Final = r"(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_DOTTED: Final = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_BAD_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")
_NEED_DETAIL: Final = frozenset({WebProblem.CLIENT_CERTIFICATE, WebProblem.CROWDED, WebProblem.CIRCUIT_OPEN})
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})


class _BrokenBodyError(Exception):
    """The answer's body is larger than allowed or not what its encoding says."""

    def __init__(self, problem: WebProblem) -> None:
        super().__init__()
        self.problem = problem


class GuardedWebClient:
    """The guarded client.

    Args:
        allowed_loopback_ports: loopback ports that may be reached, also by plain http; for development and tests.
        extra_ca_file: certificates trusted besides the system's, for private authorities.
        resolve: resolves names; another one is for tests.
        find_judge: who judges a tenant's hosts, by its own rules; None: it has none.
    """

    def __init__(
        self,
        allowed_loopback_ports: frozenset[int] = frozenset(),
        *,
        extra_ca_file: str | None = None,
        resolve: Resolve | None = None,
        find_judge: Callable[[TenantId], HostJudge | None] = lambda _tenant: None,
    ) -> None:
        self._find_judge = find_judge
        self._allowed = allowed_loopback_ports
        self._pool = HttpPool(Dialer(allowed_loopback_ports, extra_ca_file=extra_ca_file, resolve=resolve))
        self._urls: dict[str, tuple[URL, Origin]] = {}

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        refused = _check_request(request)
        if refused is not None:
            return refused
        try:
            return await self._follow(request)
        except RefusedAddressError as error:
            return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=error.row)
        except CallFailedError as error:
            detail = error.problem.value if error.problem in _NEED_DETAIL else ""
            return WebFailure(problem=error.problem, detail=detail, retry_after_seconds=error.retry_after_seconds)
        except _BrokenBodyError as error:
            return WebFailure(problem=error.problem)

    async def close(self) -> None:
        """See the port."""
        self._pool.close()

    async def _follow(self, request: WebRequest) -> WebAnswer | WebFailure:
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        method, body, headers = request.method, request.body, request.headers
        certificate = request.client_certificate
        judge = None if request.is_ours else self._find_judge(request.tenant)
        found = self._find_url(request.url)
        for remaining in range(request.redirects, -1, -1):
            if isinstance(found, WebFailure):
                return found
            url, origin = found
            if judge is not None and not judge.permits(origin.host):
                return WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
            if certificate is not None and not origin.is_tls:
                return WebFailure(problem=WebProblem.REFUSED_SCHEME, detail="client_certificate")
            written = _write_request(method, url, origin, headers, body)
            answer = await self._send(origin, certificate, written, method, request, deadline)
            location = answer.headers.get("location", "")
            if request.redirects == 0 or answer.status not in REDIRECTS or not location:
                content = _unpack(answer, request.answer_limit_bytes, method)
                return WebAnswer(status=answer.status, headers=answer.headers, body=content)
            if remaining == 0:
                break
            found = self._find_url(_join(url, location))
            if not isinstance(found, WebFailure):
                if found[1] != origin:
                    headers = tuple(pair for pair in headers if pair[0].lower() in KEPT_ON_OTHER_ORIGIN)
                    body, certificate = b"", None
                if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):  # noqa: PLR2004 - RFC 9110
                    method, body = "GET", b""
        return WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)

    async def _send(
        self,
        origin: Origin,
        certificate: ClientCertificate | None,
        written: bytes,
        method: str,
        request: WebRequest,
        deadline: float,
    ) -> RawAnswer:
        """Send once. A kept connection that died unheard is no try where repeating is harmless; a POST is never sent twice."""
        loop = asyncio.get_running_loop()
        route = self._pool.find_route(request.tenant, origin, certificate)
        began = loop.time()
        if route.pause_seconds and (wait := route.ask_breaker(began)):
            raise CallFailedError(WebProblem.CIRCUIT_OPEN, retry_after_seconds=wait)
        while True:
            try:
                connection = self._pool.take_kept(route) or await self._pool.open(route, deadline, certificate)
                try:
                    answer = await connection.exchange(
                        written,
                        has_no_body=method == "HEAD",
                        limit_bytes=request.answer_limit_bytes,
                        seconds=deadline - loop.time(),
                    )
                finally:
                    self._pool.give_back(route, connection)
            except CallFailedError as error:
                if not error.was_unheard or method not in SAFE_TO_REPEAT:
                    route.note_failure(error.problem, began, loop.time())
                    raise
            else:
                route.note_answer()
                return answer

    def _find_url(self, text: str) -> tuple[URL, Origin] | WebFailure:
        """Read a URL, or remember it."""
        known = self._urls.get(text)
        if known is not None:
            return known
        url = self._read_url(text)
        if isinstance(url, WebFailure):
            return url
        if len(self._urls) >= URLS_KEPT:
            self._urls.clear()
        found = self._urls[text] = url, Origin(url.raw_host or "", url.port or 0, is_tls=url.scheme == "https")
        return found

    def _read_url(self, text: str) -> URL | WebFailure:
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


def _check_request(request: WebRequest) -> WebFailure | None:
    if not _METHOD.fullmatch(request.method) or request.method in {"CONNECT", "TRACE"}:
        return WebFailure(problem=WebProblem.REFUSED_HEADER, detail="method")
    for name, value in request.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or name.lower() in _OURS:
            return WebFailure(problem=WebProblem.REFUSED_HEADER)
    return None


def _is_odd_number(host: str) -> bool:
    """Whether a resolver may read it as an address that it does not look like: `2130706433`, `0x7f.1`, `127.1`, `010.0.0.1`."""
    last = host.rstrip(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and _DOTTED.fullmatch(host) is None


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _join(url: URL, location: str) -> str:
    try:
        return str(url.join(URL(location)))
    except ValueError:
        return ""


def _write_request(method: str, url: URL, origin: Origin, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Write a request in one piece; names and values were checked."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {origin.host_header}\r\n"]
    given = set()
    for name, value in headers:
        given.add(name.lower())
        lines.append(f"{name}: {value}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in _DEFAULTS if name.lower() not in given]
    lines.append(f"Content-Length: {len(body)}\r\n\r\n" if body or method in _WITH_BODY else "\r\n")
    return "".join(lines).encode("latin-1") + body


def _unpack(answer: RawAnswer, limit: int, method: str) -> bytes:
    """Decompress within the limit: neither form of the body is ever larger than it."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""} or method == "HEAD":
        return answer.body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise _BrokenBodyError(WebProblem.BROKEN_ANSWER)
    if not answer.body:
        return b""
    inflater = zlib.decompressobj(_choose_window(encoding, answer.body))
    try:
        content = inflater.decompress(answer.body, limit + 1)
    except zlib.error:
        raise _BrokenBodyError(WebProblem.BROKEN_ANSWER) from None
    if len(content) > limit:
        raise _BrokenBodyError(WebProblem.TOO_LARGE)
    if not inflater.eof:
        raise _BrokenBodyError(WebProblem.BROKEN_ANSWER)
    return content


def _choose_window(encoding: str, first: bytes) -> int:
    """Choose zlib's mode: gzip; for deflate, with or without zlib's two-byte head, since servers send both."""
    if encoding != "deflate":
        return 16 + zlib.MAX_WBITS
    has_head = len(first) > 1 and first[0] & 0x0F == 8 and ((first[0] << 8) | first[1]) % 31 == 0  # noqa: PLR2004 - RFC 1950
    return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS
