"""Kept connections to third parties, by tenant and origin: hands them out, bounds their number, shares them fairly.

Used by web_client.py.
"""

import asyncio
import resource
from collections import OrderedDict
from typing import Final
from weakref import WeakValueDictionary

from blubees.adapters.http_connection import CallFailedError, HttpConnection
from blubees.adapters.http_dialer import Dialer
from blubees.adapters.http_route import Origin, Route, Share
from blubees.model.ids import TenantId
from blubees.model.web import ClientCertificate, WebProblem

CONNECT_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 30.0
CONNECTIONS_MAX: Final = 15_000  # more than a conduit holds runs; docs/decisions/0004-size-limits.md
CROWDED_SECONDS: Final = 1.0  # who found no place asks again after that
FAIR_FACTOR: Final = 8  # of what is free, so many times may be in one hand; docs/decisions/0046-egress.md


class HttpPool:
    """The connections of one conduit."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = CONNECTIONS_MAX if files < 0 else min(CONNECTIONS_MAX, files * 3 // 4)  # the doors need some, too
        self._routes: dict[tuple[TenantId, Origin, str], Route] = {}
        self._shares: WeakValueDictionary[TenantId, Share] = WeakValueDictionary()  # held by their routes
        self._open = self._idle = 0
        self._waiting: OrderedDict[Share, None] = OrderedDict()  # tenants that wait, who was served last stands last
        self._cleaner: asyncio.TimerHandle | None = None

    def find_route(self, tenant: TenantId, origin: Origin, certificate: ClientCertificate | None) -> Route:
        """Give a tenant's way to an origin."""
        key = (tenant, origin, "" if certificate is None else certificate.fingerprint)
        route = self._routes.get(key)
        if route is None:
            share = self._shares.get(tenant)
            if share is None:
                share = self._shares[tenant] = Share()
            route = self._routes[key] = Route(origin, share)
            if self._cleaner is None:
                self._cleaner = asyncio.get_running_loop().call_later(KEPT_SECONDS / 2, self._clean)
        return route

    def take_kept(self, route: Route) -> HttpConnection | None:
        """Give a kept connection, where there is one that lives."""
        while route.idle:
            connection = route.idle.pop()  # the youngest: it is the likeliest to live
            self._idle -= 1
            route.share.idle -= 1
            if connection.is_usable:
                return connection
            self._release(route)
        return None

    async def open(self, route: Route, deadline: float, certificate: ClientCertificate | None) -> HttpConnection:
        """Make a connection, once the tenant may have one more.

        Raises:
            CallFailedError: it could not be made, or there was no place for it. RefusedAddressError: the guard said no.
        """
        if self._waiting or not self._take_place(route):
            kept = await self._wait(route, deadline)
            if kept is not None:
                return kept
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_SECONDS)):
                return await self._dialer.connect(route.origin, certificate)
        except TimeoutError:
            self._count_closed(route)
            raise CallFailedError(WebProblem.UNREACHABLE) from None  # whatever the call does: it was not made
        except BaseException:
            self._count_closed(route)
            raise

    def give_back(self, route: Route, connection: HttpConnection) -> None:
        """It is used no more, for now."""
        if not connection.is_usable:
            connection.close()
            self._count_closed(route)
            return
        connection.idle_since = asyncio.get_running_loop().time()
        route.idle.append(connection)
        self._idle += 1
        route.share.idle += 1
        if self._waiting:
            self._serve()

    def close(self) -> None:
        """Close what is idle; what is under way ends with its call."""
        if self._cleaner is not None:
            self._cleaner.cancel()
            self._cleaner = None
        for route in self._routes.values():
            while route.idle:
                self._close_oldest(route)

    # ------------------------------------------------------------ shares

    def _has_room(self, route: Route) -> bool:
        """Whether one more in use is fair: a tenant, and each of its routes, has FAIR_FACTOR times what it leaves at most."""
        room = FAIR_FACTOR * (self._most - self._open + self._idle) - route.share.busy
        return room > 0 and FAIR_FACTOR * room > route.busy

    def _take_place(self, route: Route) -> bool:
        """Count a connection that will be made; where there are as many as may be, an idle one is closed for it."""
        if not self._has_room(route):
            return False
        if self._open >= self._most:
            idle = next((each for each in self._routes.values() if each.idle), None) if self._idle else None
            if idle is None:
                return False
            self._close_oldest(idle)
        self._open += 1
        route.open += 1
        route.share.open += 1
        return True

    async def _wait(self, route: Route, deadline: float) -> HttpConnection | None:
        """Wait for one's turn: a connection that another call has given back, or None for the right to make one."""
        waiting: asyncio.Future[HttpConnection | None] = asyncio.get_running_loop().create_future()
        route.waiting[waiting] = None
        route.share.waiting[route] = None
        self._waiting[route.share] = None
        self._serve()
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting
        except BaseException as error:
            route.waiting.pop(waiting, None)
            if waiting.done() and not waiting.cancelled():
                self._take_back(route, waiting.result())
            if isinstance(error, TimeoutError):
                raise CallFailedError(WebProblem.CROWDED, retry_after_seconds=CROWDED_SECONDS) from None
            raise

    def _take_back(self, route: Route, given: HttpConnection | None) -> None:
        """Who was given something has gone meanwhile."""
        if given is None:
            self._count_closed(route)
        else:
            self.give_back(route, given)

    def _serve(self) -> None:
        """Give to those who wait what there is, tenant by tenant in turn."""
        refused = 0
        while refused < len(self._waiting):
            share = next(iter(self._waiting))
            self._waiting.move_to_end(share)
            refused = 0 if self._serve_tenant(share) else refused + 1
            if not share.waiting:
                del self._waiting[share]
                refused = 0

    def _serve_tenant(self, share: Share) -> bool:
        """Give to one of the tenant's, route by route in turn."""
        for _ in range(len(share.waiting)):
            route = next(iter(share.waiting))
            share.waiting.move_to_end(route)
            if not route.waiting:
                del share.waiting[route]
            elif self._has_room(route):
                waiting = next(iter(route.waiting))
                if waiting.done():  # it goes
                    del route.waiting[waiting]
                    return True
                kept = self.take_kept(route)
                if kept is None and not self._take_place(route):
                    return False
                del route.waiting[waiting]
                waiting.set_result(kept)
                return True
        return False

    # ------------------------------------------------------------ ends

    def _close_oldest(self, route: Route) -> None:
        route.idle.popleft().close()
        self._idle -= 1
        route.share.idle -= 1
        self._release(route)

    def _release(self, route: Route) -> None:
        self._open -= 1
        route.open -= 1
        route.share.open -= 1

    def _count_closed(self, route: Route) -> None:
        self._release(route)
        if self._waiting:
            self._serve()

    def _clean(self) -> None:
        """Close what nobody has used for long, and forget routes that lead nowhere any more."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for key, route in list(self._routes.items()):
            while route.idle and (route.idle[0].idle_since < now - KEPT_SECONDS or not route.idle[0].is_usable):
                self._close_oldest(route)
            if route.is_forgotten(now):
                del self._routes[key]
        if self._waiting:
            self._serve()
        self._cleaner = loop.call_later(KEPT_SECONDS / 2, self._clean) if self._routes else None
