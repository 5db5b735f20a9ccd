"""uvicorn's HTTP protocol with a deadline and a size for request headers, which it lacks. Used by main/conduit.py.

A client that trickles its headers would hold a connection for ever; one that sends 100 MB of them, memory.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0  # from the connection, or from the first byte of a later request, to the end of its headers
HEADERS_MAX_BYTES: Final = 16_384
HEADERS_MAX_COUNT: Final = 100
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_REFUSED: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    header_seconds: ClassVar[float] = HEADER_SECONDS

    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for headers."""
        super().connection_made(transport)
        self._start_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of the headers; the deadline of a later request starts with its first byte."""
        if not self._in_request:
            if self._deadline is None:
                self._start_waiting()
            self._header_bytes += len(data) if len(data) < HEADERS_MAX_BYTES else 0
            if self._header_bytes > HEADERS_MAX_BYTES:
                self._refuse(_TOO_LARGE)
                return
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_request = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless there are too many or too long ones."""
        super().on_header(name, value)
        if len(self.headers) > HEADERS_MAX_COUNT or len(name) + len(value) > HEADERS_MAX_BYTES:
            self._refuse(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The headers are whole: hand the request on, unless its length is told in two ways (request smuggling)."""
        self._stop_waiting()
        self._in_request = True
        self._header_bytes = 0
        names = [name for name, _ in self.headers]
        if self.transport.is_closing():
            return
        if names.count(b"content-length") + names.count(b"transfer-encoding") > 1:
            self._refuse(_REFUSED)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body of a request that was handed on."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: the next byte begins another one."""
        self._in_request = False
        if self.cycle is not None:
            super().on_message_complete()

    def _start_waiting(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
