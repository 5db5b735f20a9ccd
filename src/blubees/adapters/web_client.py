"""Port WebClient on aiohttp: the one way out, guarded where the connection is made. Built by main/conduit.py.

The address that is judged is the address that is connected to: the decision stands in the socket factory, after name
resolution, so that neither rebinding nor an odd spelling gets between. No proxy variables, no cookies, no switch that turns
verification off.
"""

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import Iterable
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from blubees.adapters.address_guard import judge_address
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

CONNECT_SECONDS: Final = 10.0
STALL_SECONDS: Final = 20.0
URL_MAX_CHARACTERS: Final = 8_192
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEPT_ON_OTHER_ORIGIN: Final = frozenset({"accept", "content-type"})
PIECE_BYTES: Final = 65_536
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_BAD_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})


class _RefusedError(OSError):
    """The guard said no; carries the deny table's row."""

    def __init__(self, row: str) -> None:
        super().__init__("refused")
        self.row = row


class _BrokenBodyError(Exception):
    """The answer's body is larger than allowed or not what its encoding says."""

    def __init__(self, problem: WebProblem) -> None:
        super().__init__()
        self.problem = problem


class AiohttpWebClient:
    """The guarded client.

    Args:
        allowed_loopback_ports: loopback ports that may be reached, also by plain http; for development and tests.
        extra_ca_file: certificates trusted besides the system's, for private authorities.
        resolver: resolves names; another one is for tests.
    """

    def __init__(
        self,
        allowed_loopback_ports: frozenset[int] = frozenset(),
        *,
        extra_ca_file: str | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allowed = allowed_loopback_ports
        self._resolver = resolver
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if extra_ca_file:
            self._tls.load_verify_locations(extra_ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        refused = _check_request(request)
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._follow(request)
        except TimeoutError:
            return WebFailure(problem=WebProblem.TIMEOUT)
        except _BrokenBodyError as error:
            return WebFailure(problem=error.problem)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _translate(error)

    async def close(self) -> None:
        """See the port."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(self, request: WebRequest) -> WebAnswer | WebFailure:
        method, body, headers = request.method, request.body, list(request.headers)
        url: URL | WebFailure = self._read_url(request.url)
        for remaining in range(request.redirects, -1, -1):
            if isinstance(url, WebFailure):
                return url
            answer = await self._send(request, method, url, headers, body)
            location = answer.headers.get("location", "")
            if request.redirects == 0 or answer.status not in REDIRECTS or not location:
                return answer
            if remaining == 0:
                return WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)
            there = self._read_url(_join(url, location))
            if isinstance(there, URL):
                if there.origin() != url.origin():
                    headers = [pair for pair in headers if pair[0].lower() in KEPT_ON_OTHER_ORIGIN]
                    body = b""
                if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):  # noqa: PLR2004 - RFC 9110
                    method, body = "GET", b""
            url = there
        return WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)

    async def _send(
        self, request: WebRequest, method: str, url: URL, headers: Iterable[tuple[str, str]], body: bytes
    ) -> WebAnswer:
        session = self._session or self._open_session()
        # aiohttp sends again on a dead kept connection only for idempotent methods: a POST is never sent twice
        async with session.request(method, url, headers=headers, data=body or None, allow_redirects=False) as response:
            content = await _read_body(response, request.answer_limit_bytes)
            return WebAnswer(status=response.status, headers=_join_headers(response), body=content)

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=512,
            limit_per_host=64,
            keepalive_timeout=30,
            ssl=self._tls,
            resolver=_GuardedResolver(self._resolver, self._allowed),
            ttl_dns_cache=10,
            socket_factory=self._make_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
            headers={"User-Agent": "BluBees/1", "Accept-Encoding": "gzip, deflate"},
            max_line_size=16_384,
            max_field_size=16_384,
        )
        return self._session

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Judge the address that is connected to, then make its socket."""
        family, kind, protocol, _, address = info
        row = judge_address(address[0], address[1], self._allowed)
        if row is not None:
            raise _RefusedError(row)
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _read_url(self, text: str) -> URL | WebFailure:
        """Parse once; what is checked here is the object that is sent."""
        if len(text) > URL_MAX_CHARACTERS or _BAD_IN_URL.search(text):
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="characters")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError:
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
        if not host or port is None or port == 0:
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="host")
        if url.user is not None or url.password is not None:
            return WebFailure(problem=WebProblem.REFUSED_URL, detail="user")
        if url.scheme == "https" or (url.scheme == "http" and port in self._allowed and _is_loopback(host)):
            return url.with_fragment(None)
        return WebFailure(problem=WebProblem.REFUSED_SCHEME)


class _GuardedResolver(AbstractResolver):
    """Resolves names; one denied address among the answers refuses them all (an answer that mixes is an attack)."""

    def __init__(self, inner: AbstractResolver | None, allowed: frozenset[int]) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """Resolve, then judge every answer."""
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            row = judge_address(answer["host"], port, self._allowed)
            if row is not None:
                raise _RefusedError(row)
        return answers

    async def close(self) -> None:
        """Close the inner one."""
        await self._inner.close()


def _check_request(request: WebRequest) -> WebFailure | None:
    if not _METHOD.fullmatch(request.method) or request.method in {"CONNECT", "TRACE"}:
        return WebFailure(problem=WebProblem.REFUSED_HEADER, detail="method")
    for name, value in request.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or name.lower() in _OURS:
            return WebFailure(problem=WebProblem.REFUSED_HEADER)
    return None


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _join(url: URL, location: str) -> str:
    try:
        return str(url.join(URL(location)))
    except ValueError:
        return ""


def _join_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in response.headers.items():
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read and decompress within the limit: neither form of the body is ever larger than it by more than a piece."""
    if (response.content_length or 0) > limit and response.method != "HEAD":
        raise _BrokenBodyError(WebProblem.TOO_LARGE)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return await _read_plain(response, limit)
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise _BrokenBodyError(WebProblem.BROKEN_ANSWER)
    inflater: Any = None
    parts: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        if inflater is None:
            inflater = zlib.decompressobj(_choose_window(encoding, piece))
        data = piece
        while data:
            try:
                part = inflater.decompress(data, limit - size + 1)
            except zlib.error:
                raise _BrokenBodyError(WebProblem.BROKEN_ANSWER) from None
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _BrokenBodyError(WebProblem.TOO_LARGE)
            data = inflater.unconsumed_tail
    if inflater is not None and not inflater.eof:
        raise _BrokenBodyError(WebProblem.BROKEN_ANSWER)
    return b"".join(parts)


async def _read_plain(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        parts.append(piece)
        size += len(piece)
        if size > limit:
            raise _BrokenBodyError(WebProblem.TOO_LARGE)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _choose_window(encoding: str, first: bytes) -> int:
    """Choose zlib's mode: gzip; for deflate, with or without zlib's two-byte head, since servers send both."""
    if encoding != "deflate":
        return 16 + zlib.MAX_WBITS
    has_head = len(first) > 1 and first[0] & 0x0F == 8 and ((first[0] << 8) | first[1]) % 31 == 0  # noqa: PLR2004 - RFC 1950
    return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS


def _translate(error: BaseException) -> WebFailure:
    """Name the problem by the error's type, never by its text."""
    seen: BaseException | None = error
    while seen is not None:  # aiohttp wraps the guard's refusal
        if isinstance(seen, _RefusedError):
            return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=seen.row)
        if isinstance(seen, ssl.SSLError):
            return WebFailure(problem=WebProblem.TLS)
        seen = getattr(seen, "os_error", None) or seen.__cause__
    if isinstance(error, aiohttp.ServerTimeoutError):
        return WebFailure(problem=WebProblem.TIMEOUT)
    if isinstance(error, aiohttp.InvalidURL):
        return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
    if isinstance(error, aiohttp.ClientConnectorError | OSError):
        return WebFailure(problem=WebProblem.UNREACHABLE)
    return WebFailure(problem=WebProblem.BROKEN_ANSWER)
