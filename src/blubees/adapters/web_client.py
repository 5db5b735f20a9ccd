"""Port WebClient: the one way out, guarded where the connection is made. Built by main/conduit.py.

The address that is judged is the address that is connected to: the decision stands in the socket factory, after name
resolution, so that neither rebinding nor an odd spelling gets between. No proxy variables, no cookies, no switch that turns
verification off. Why not aiohttp: docs/decisions/0019-outgoing-calls.md.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from blubees.adapters.http_connection import CallFailedError, RawAnswer
from blubees.adapters.http_dialer import Dialer, RefusedAddressError, Resolve
from blubees.adapters.http_pool import HttpPool
from blubees.adapters.http_route import Route
from blubees.adapters.web_journey import Journey
from blubees.adapters.web_request import check_request
from blubees.adapters.web_stream import STALL_SECONDS, OpenAnswer, frame_body
from blubees.adapters.web_unpack import BrokenBodyError, unpack
from blubees.adapters.web_url import UrlReader
from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebProblem, WebRequest

SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110
_NEED_DETAIL: Final = frozenset({WebProblem.CLIENT_CERTIFICATE, WebProblem.CROWDED, WebProblem.CIRCUIT_OPEN})
_UNPACKED: Final = ("Accept-Encoding", "identity")  # what is passed on in pieces shall come as it is


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
        refused = check_request(request)
        if refused is not None:
            return refused
        journey = Journey(request, self._urls, None if request.is_ours else self._find_judge(request.tenant))
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        try:
            while (refused := journey.prepare()) is None:
                answer = await self._send(journey, request, deadline)
                if not journey.goes_on(answer.status, answer.headers):
                    body = unpack(answer, request.answer_limit_bytes, journey.method)
                    return WebAnswer(status=answer.status, headers=answer.headers, body=body)
        except (CallFailedError, RefusedAddressError, BrokenBodyError) as error:
            return _tell(error)
        return refused

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
        refused = check_request(request)
        if refused is not None:
            return refused
        journey = Journey(request, self._urls, None if request.is_ours else self._find_judge(request.tenant), framing)
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        try:
            while (refused := journey.prepare()) is None:
                answer = await self._open(journey, pieces, request, deadline)
                if not journey.goes_on(answer.status, answer.headers):
                    return answer
                answer.close()
        except (CallFailedError, RefusedAddressError) as error:
            return _tell(error)
        return refused

    async def close(self) -> None:
        """See the port."""
        self._pool.close()

    def _find_route(self, journey: Journey, request: WebRequest, began: float) -> Route:
        """Find the way, if it is open."""
        route = self._pool.find_route(request.tenant, journey.origin, journey.certificate)
        if route.pause_seconds and (wait := route.ask_breaker(began)):
            raise CallFailedError(WebProblem.CIRCUIT_OPEN, retry_after_seconds=wait)
        return route

    async def _send(self, journey: Journey, request: WebRequest, deadline: float) -> RawAnswer:
        """Send once. A kept connection that died unheard is no try where repeating is harmless; a POST is never sent twice."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        route = self._find_route(journey, request, began)
        while True:
            try:
                connection = self._pool.take_kept(route) or await self._pool.open(route, deadline, journey.certificate)
                try:
                    answer = await connection.exchange(
                        journey.written,
                        has_no_body=journey.method == "HEAD",
                        limit_bytes=request.answer_limit_bytes,
                        seconds=deadline - loop.time(),
                    )
                finally:
                    self._pool.give_back(route, connection)
            except CallFailedError as error:
                now = loop.time()
                if not error.was_unheard or journey.method not in SAFE_TO_REPEAT:
                    route.note_failure(error.problem, began, now)
                    raise
                began = now
            else:
                route.note_answer()
                return answer

    async def _open(
        self, journey: Journey, pieces: AsyncIterator[bytes] | None, request: WebRequest, deadline: float
    ) -> OpenAnswer:
        """Send once, on a connection that nobody used before: what was sent in pieces can't be sent again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        route = self._find_route(journey, request, began)
        try:
            connection = await self._pool.open(route, deadline, journey.certificate)
            try:
                async with asyncio.timeout_at(deadline):
                    answer, inflow = await connection.open(
                        journey.written,
                        pieces,
                        has_no_body=journey.method == "HEAD",
                        limit_bytes=request.answer_limit_bytes,
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
        return OpenAnswer(answer, inflow, connection, give_back, (request.answer_limit_bytes, deadline))


def _tell(error: CallFailedError | RefusedAddressError | BrokenBodyError) -> WebFailure:
    if isinstance(error, RefusedAddressError):
        return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=error.row)
    detail = error.problem.value if error.problem in _NEED_DETAIL else ""
    wait = error.retry_after_seconds if isinstance(error, CallFailedError) else 0.0
    return WebFailure(problem=error.problem, detail=detail, retry_after_seconds=wait)
