"""Opens connections to third parties: resolves, judges every address, connects, speaks TLS. Used by http_pool.py."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import aiohappyeyeballs

from blubees.adapters.address_guard import judge_address
from blubees.adapters.http_connection import CallFailedError, HttpConnection, translate_error
from blubees.adapters.http_route import Origin
from blubees.adapters.http_tls import TlsContexts
from blubees.model.web import ClientCertificate

NAMES_SECONDS: Final = 10.0  # a resolved name is asked for again after that
NAMES_KEPT: Final = 1_024
_SECOND_ADDRESS_SECONDS: Final = 0.25  # RFC 8305

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


class RefusedAddressError(OSError):
    """The guard said no; carries the deny table's row."""

    def __init__(self, row: str) -> None:
        super().__init__("refused")
        self.row = row


class Dialer:
    """Makes connections. Arguments as GuardedWebClient's."""

    def __init__(self, allowed: frozenset[int], *, extra_ca_file: str | None, resolve: Resolve | None) -> None:
        self._allowed = allowed
        self._resolve_name = resolve or _resolve
        self._tls = TlsContexts(extra_ca_file)
        self._names: dict[tuple[str, int], tuple[float, Sequence[AddressInfo]]] = {}

    async def connect(self, origin: Origin, certificate: ClientCertificate | None) -> HttpConnection:
        """Make a connection.

        Raises:
            CallFailedError: it could not be made. RefusedAddressError: the guard said no.
        """
        loop = asyncio.get_running_loop()
        tls = None
        if origin.is_tls:
            tls = self._tls.plain if certificate is None else await self._tls.find(certificate)
        made = await self.dial(origin)
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

    async def dial(self, origin: Origin) -> socket.socket:
        """Make a TCP connection, not blocking, without TLS.

        Raises:
            CallFailedError: it could not be made. RefusedAddressError: the guard said no.
        """
        found = await self.find_addresses(origin)
        try:
            return await aiohappyeyeballs.start_connection(
                found,
                happy_eyeballs_delay=_SECOND_ADDRESS_SECONDS,
                loop=asyncio.get_running_loop(),
                socket_factory=self._make_socket,
            )
        except RefusedAddressError:
            raise
        except OSError as error:
            raise CallFailedError(translate_error(error)) from None

    @property
    def tls(self) -> TlsContexts:
        """What TLS is spoken with."""
        return self._tls

    async def find_addresses(self, origin: Origin) -> Sequence[AddressInfo]:
        """Resolve, then judge every answer: one that is denied refuses them all (an answer that mixes is an attack).

        Raises:
            CallFailedError: nobody has the name. RefusedAddressError: the guard said no.
        """
        now, key = asyncio.get_running_loop().time(), (origin.host, origin.port)
        known = self._names.get(key)
        if known is None or known[0] < now:
            if len(self._names) >= NAMES_KEPT:
                self._names.clear()
            try:
                found = await self._resolve_name(origin.host, origin.port)
            except (OSError, ValueError) as error:  # a name that is none is a ValueError
                raise CallFailedError(translate_error(error)) from None
            known = self._names[key] = now + NAMES_SECONDS, found
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
