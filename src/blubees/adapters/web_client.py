"""Port WebClient: the one way out, guarded where the connection is made. Built by main/conduit.py.

The address that is judged is the address that is connected to: the decision stands in the socket factory, after name
resolution, so that neither rebinding nor an odd spelling gets between. No proxy variables, no cookies, no switch that turns
verification off. Why not aiohttp: docs/decisions/0019-outgoing-calls.md.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from blubees.adapters.http_connection import CallFailedError, RawAnswer
from blubees.adapters.http_dialer import Dialer, RefusedAddressError, Resolve
from blubees.adapters.http_pool import HttpPool
from blubees.adapters.http_route import Origin, Route
from blubees.adapters.web_request import check_request, tell_length, write_head
from blubees.adapters.web_stream import STALL_SECONDS, OpenAnswer, frame_body
from blubees.adapters.web_unpack import BrokenBodyError, unpack
from blubees.adapters.web_url import UrlReader, join_url
from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import ClientCertificate, SentBody, WebAnswer, WebFailure, WebProblem, WebRequest

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEPT_ON_OTHER_ORIGIN: Final = frozenset({"accept", "content-type"})
SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110
_NEED_DETAIL: Final = frozenset({WebProblem.CLIENT_CERTIFICATE, WebProblem.CROWDED, WebProblem.CIRCUIT_OPEN})
_UNPACKED: Final = ("Accept-Encoding", "identity")  # what is passed on in pieces shall come as it is

AnswerT = TypeVar("AnswerT", RawAnswer, OpenAnswer)


class _Hop(NamedTuple):
    """One request to one origin, on the way along redirects."""

    tenant: TenantId
    origin: Origin
    certificate: ClientCertificate | None
    method: str
    written: bytes
    limit_bytes: int
    deadline: float


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
        self._pool = HttpPool(Dialer(allowed_loopback_ports, extra_ca_file=extra_ca_file, resolve=resolve))
        self._urls = UrlReader(allowed_loopback_ports)

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        found = await self._make(request, self._send)
        if isinstance(found, WebFailure):
            return found
        answer, method = found
        try:
            body = unpack(answer, request.answer_limit_bytes, method)
        except BrokenBodyError as error:
            return WebFailure(problem=error.problem)
        return WebAnswer(status=answer.status, headers=answer.headers, body=body)

    async def open(self, request: WebRequest, body: SentBody | None = None) -> OpenAnswer | WebFailure:
        """See the port."""
        pieces, framing = None, ""
        headers = (*(pair for pair in request.headers if pair[0].lower() != "accept-encoding"), _UNPACKED)
        if body is not None:
            framed = frame_body(body)
            if framed is None or request.redirects:  # what was sent can't be sent again
                return WebFailure(problem=WebProblem.REFUSED_HEADER, detail="body")
            extra, framing, pieces = framed
            headers = (*headers, *extra)
        request = msgspec.structs.replace(request, headers=headers)
        found = await self._make(request, functools.partial(self._open, pieces), framing)
        return found if isinstance(found, WebFailure) else found[0]

    async def close(self) -> None:
        """See the port."""
        self._pool.close()

    async def _make(
        self, request: WebRequest, send: Callable[[_Hop], Awaitable[AnswerT]], framing: str = ""
    ) -> tuple[AnswerT, str] | WebFailure:
        """Make a call; give its answer, and the method that was answered."""
        refused = check_request(request)
        if refused is not None:
            return refused
        try:
            return await self._follow(request, send, framing)
        except RefusedAddressError as error:
            return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=error.row)
        except CallFailedError as error:
            detail = error.problem.value if error.problem in _NEED_DETAIL else ""
            return WebFailure(problem=error.problem, detail=detail, retry_after_seconds=error.retry_after_seconds)

    async def _follow(
        self, request: WebRequest, send: Callable[[_Hop], Awaitable[AnswerT]], framing: str
    ) -> tuple[AnswerT, str] | WebFailure:
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        method, body, headers = request.method, request.body, request.headers
        tenant, limit, certificate = request.tenant, request.answer_limit_bytes, request.client_certificate
        judge = None if request.is_ours else self._find_judge(tenant)
        found = self._urls.find(request.url)
        for remaining in range(request.redirects, -1, -1):
            if isinstance(found, WebFailure):
                return found
            url, origin = found
            if judge is not None and not judge.permits(origin.host):
                return WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
            if certificate is not None and not origin.is_tls:
                return WebFailure(problem=WebProblem.REFUSED_SCHEME, detail="client_certificate")
            written = write_head(method, url, origin, headers, framing or tell_length(method, body)) + body
            answer = await send(_Hop(tenant, origin, certificate, method, written, limit, deadline))
            location = answer.headers.get("location", "")
            if request.redirects == 0 or answer.status not in REDIRECTS or not location:
                return answer, method
            answer.close()
            if remaining == 0:
                break
            found = self._urls.find(join_url(url, location))
            if not isinstance(found, WebFailure):
                if found[1] != origin:
                    headers = tuple(pair for pair in headers if pair[0].lower() in KEPT_ON_OTHER_ORIGIN)
                    body, certificate = b"", None
                if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):  # noqa: PLR2004 - RFC 9110
                    method, body = "GET", b""
        return WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)

    def _ask(self, hop: _Hop, began: float) -> Route:
        """Find the way, if it is open."""
        route = self._pool.find_route(hop.tenant, hop.origin, hop.certificate)
        if route.pause_seconds and (wait := route.ask_breaker(began)):
            raise CallFailedError(WebProblem.CIRCUIT_OPEN, retry_after_seconds=wait)
        return route

    async def _send(self, hop: _Hop) -> RawAnswer:
        """Send once. A kept connection that died unheard is no try where repeating is harmless; a POST is never sent twice."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        route = self._ask(hop, began)
        while True:
            try:
                connection = self._pool.take_kept(route) or await self._pool.open(route, hop.deadline, hop.certificate)
                try:
                    answer = await connection.exchange(
                        hop.written,
                        has_no_body=hop.method == "HEAD",
                        limit_bytes=hop.limit_bytes,
                        seconds=hop.deadline - loop.time(),
                    )
                finally:
                    self._pool.give_back(route, connection)
            except CallFailedError as error:
                if not error.was_unheard or hop.method not in SAFE_TO_REPEAT:
                    route.note_failure(error.problem, began, loop.time())
                    raise
            else:
                route.note_answer()
                return answer

    async def _open(self, pieces: AsyncIterator[bytes] | None, hop: _Hop) -> OpenAnswer:
        """Send once, on a connection that nobody used before: what was sent in pieces can't be sent again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        route = self._ask(hop, began)
        try:
            connection = await self._pool.open(route, hop.deadline, hop.certificate)
            try:
                async with asyncio.timeout_at(hop.deadline):
                    answer, inflow = await connection.open(
                        hop.written,
                        pieces,
                        has_no_body=hop.method == "HEAD",
                        limit_bytes=hop.limit_bytes,
                        stall_seconds=STALL_SECONDS,
                    )
            except BaseException:
                self._pool.give_back(route, connection)
                raise
        except TimeoutError:
            route.note_failure(WebProblem.TIMEOUT, began, loop.time())
            raise CallFailedError(WebProblem.TIMEOUT) from None
        except CallFailedError as error:
            route.note_failure(error.problem, began, loop.time())
            raise
        route.note_answer()
        give_back = functools.partial(self._pool.give_back, route, connection)
        return OpenAnswer(answer, inflow, connection, give_back, (hop.limit_bytes, hop.deadline))
