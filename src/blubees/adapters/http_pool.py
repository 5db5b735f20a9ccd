"""Kept connections to third parties, by origin: opens them guarded, hands them out, bounds their number.

Used by web_client.py.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import aiohappyeyeballs

from blubees.adapters.address_guard import judge_address
from blubees.adapters.http_connection import CallFailedError, HttpConnection, translate_error
from blubees.adapters.http_tls import TlsContexts
from blubees.model.web import ClientCertificate

CONNECT_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 30.0
NAMES_SECONDS: Final = 10.0  # a resolved name is asked for again after that
NAMES_KEPT: Final = 1_024
CONNECTIONS_MAX: Final = 15_000  # more than a conduit holds runs; docs/decisions/0004-size-limits.md
_SECOND_ADDRESS_SECONDS: Final = 0.25  # RFC 8305

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


class Origin(NamedTuple):
    """Where connections lead."""

    host: str
    port: int
    is_tls: bool

    @property
    def host_header(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


class Way(NamedTuple):
    """Whose connections may be used: those to the origin that show the same client certificate (its fingerprint), or none."""

    origin: Origin
    certificate: str


class RefusedAddressError(OSError):
    """The guard said no; carries the deny table's row."""

    def __init__(self, row: str) -> None:
        super().__init__("refused")
        self.row = row


class HttpPool:
    """The connections of one conduit. Arguments as GuardedWebClient's."""

    def __init__(self, allowed: frozenset[int], *, extra_ca_file: str | None, resolve: Resolve | None) -> None:
        self._allowed = allowed
        self._resolve_name = resolve or _resolve
        self._tls = TlsContexts(extra_ca_file)
        self._idle: dict[Way, deque[HttpConnection]] = {}
        self._names: dict[tuple[str, int], tuple[float, Sequence[AddressInfo]]] = {}
        self._open = 0  # handed out or idle
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._cleaner: asyncio.TimerHandle | None = None

    async def take(
        self, origin: Origin, deadline: float, certificate: ClientCertificate | None = None
    ) -> tuple[Way, HttpConnection]:
        """Give a connection of our own: a kept one where there is one. It goes back by its way.

        Raises:
            CallFailedError: it could not be made. RefusedAddressError: the guard said no. TimeoutError: it took too long.
        """
        way = Way(origin, "" if certificate is None else certificate.fingerprint)
        idle = self._idle.get(way)
        while idle:
            connection = idle.pop()  # the youngest: it is the likeliest to live
            if connection.is_usable:
                return way, connection
            self._count_closed()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_SECONDS)):
            await self._wait_for_place()
            try:
                return way, await self._connect(origin, certificate)
            except BaseException:
                self._count_closed()
                raise

    def give_back(self, way: Way, connection: HttpConnection) -> None:
        """It is used no more, for now."""
        if not connection.is_usable or self._waiting:
            connection.close()
            self._count_closed()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(way, deque()).append(connection)
        if self._cleaner is None:
            self._cleaner = loop.call_later(KEPT_SECONDS / 2, self._clean)

    def close(self) -> None:
        """Close what is idle; what is under way ends with its call."""
        if self._cleaner is not None:
            self._cleaner.cancel()
            self._cleaner = None
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
                self._count_closed()
        self._idle.clear()

    def _clean(self) -> None:
        """Close what nobody has used for long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEPT_SECONDS
        for way, idle in list(self._idle.items()):
            while idle and (idle[0].idle_since < oldest or not idle[0].is_usable):
                idle.popleft().close()
                self._count_closed()
            if not idle:
                del self._idle[way]
        self._cleaner = loop.call_later(KEPT_SECONDS / 2, self._clean) if self._idle else None

    async def _wait_for_place(self) -> None:
        while self._open >= CONNECTIONS_MAX:
            if self._close_one_idle():
                break
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        self._open += 1

    def _close_one_idle(self) -> bool:
        for idle in self._idle.values():
            if idle:
                idle.popleft().close()
                self._open -= 1
                return True
        return False

    def _count_closed(self) -> None:
        self._open -= 1
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    async def _connect(self, origin: Origin, certificate: ClientCertificate | None) -> HttpConnection:
        loop = asyncio.get_running_loop()
        tls = None
        if origin.is_tls:
            tls = self._tls.plain if certificate is None else await self._tls.find(certificate)
        try:
            found = await self._find_addresses(origin)
            made = await aiohappyeyeballs.start_connection(
                found,
                happy_eyeballs_delay=_SECOND_ADDRESS_SECONDS,
                loop=loop,
                socket_factory=self._make_socket,
            )
        except RefusedAddressError:
            raise
        except (OSError, ValueError) as error:  # a name that is none is a ValueError
            raise CallFailedError(translate_error(error)) from None
        try:
            _, connection = await loop.create_connection(
                lambda: HttpConnection(loop),
                sock=made,
                ssl=tls,
                server_hostname=origin.host if origin.is_tls else None,
            )
        except OSError as error:
            made.close()
            raise CallFailedError(translate_error(error)) from None
        except BaseException:
            made.close()
            raise
        return connection

    async def _find_addresses(self, origin: Origin) -> Sequence[AddressInfo]:
        """Resolve, then judge every answer: one that is denied refuses them all (an answer that mixes is an attack)."""
        now, key = asyncio.get_running_loop().time(), (origin.host, origin.port)
        known = self._names.get(key)
        if known is None or known[0] < now:
            if len(self._names) >= NAMES_KEPT:
                self._names.clear()
            known = self._names[key] = now + NAMES_SECONDS, await self._resolve_name(origin.host, origin.port)
        for *_, address in known[1]:
            row = judge_address(address[0], origin.port, self._allowed)
            if row is not None:
                raise RefusedAddressError(row)
        return known[1]

    def _make_socket(self, info: AddressInfo) -> socket.socket:
        """Judge the address that is connected to, then make its socket."""
        family, kind, protocol, _, address = info
        row = judge_address(address[0], address[1], self._allowed)
        if row is not None:
            raise RefusedAddressError(row)
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)  # noqa: FBT003 - the socket's own method
        return made


async def _resolve(host: str, port: int) -> Sequence[AddressInfo]:
    found: Sequence[Any] = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return found
