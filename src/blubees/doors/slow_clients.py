"""uvicorn's HTTP protocol with what it lacks: a deadline for a request to arrive, a size for headers. Used by main/conduit.py.

A client that trickles its headers or its body would hold a connection for ever; one that sends 100 MB of headers, memory.
"""

import asyncio
import sys
from collections.abc import MutableMapping
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_SECONDS: Final = 10.0  # from the connection, or from the first byte of a later request, to the end of its headers
BODY_SECONDS: Final = 10.0  # from the end of the headers to the end of the body
HEADERS_MAX_BYTES: Final = 16_384
HEADERS_MAX_COUNT: Final = 100
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_REFUSED: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 2\r\nconnection: close\r\n\r\n"


class WholeReplyCycle(RequestResponseCycle):
    """One request and its reply, which doors/replies.py hands over as it goes on the wire."""

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """Send a whole reply; anything else as uvicorn does."""
        if message["type"] != "whole":
            await super().send(message)  # type: ignore[arg-type]
            return
        if self.disconnected:
            return
        reply = message["reply"]
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(reply.wire if self.scope["method"] != "HEAD" else reply.wire[: len(reply.wire) - len(reply.body)])
        self.message_event.set()
        if reply.is_last or not self.keep_alive:
            self.transport.close()
        self.on_response()


class GuardedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    header_seconds: ClassVar[float] = HEADER_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS

    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _lengths = 0
    _body_began_at = 0.0  # when the headers of the request under way ended; 0 before

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for headers."""
        super().connection_made(transport)
        self._start_waiting(self.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of the headers; the deadline of a later request starts with its first byte."""
        if not self._body_began_at:
            if self._deadline is None:
                self._start_waiting(self.header_seconds)
            self._header_bytes += len(data) if len(data) < HEADERS_MAX_BYTES else 0
            if self._header_bytes > HEADERS_MAX_BYTES:
                self._refuse(_TOO_LARGE)
                return
        if not self.transport.is_closing():
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. When it was us who could not take it (no memory), it shall come again: it is not bad."""
        if isinstance(sys.exception(), httptools.HttpParserCallbackError):
            self._refuse(_BUSY)
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._lengths = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless there are too many or too long ones."""
        lower = name.lower()
        self.headers.append((lower, value))
        if lower in _LENGTHS:
            self._lengths += 1
        elif lower == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        if len(self.headers) > HEADERS_MAX_COUNT or len(name) + len(value) > HEADERS_MAX_BYTES:
            self._refuse(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The headers are whole: hand the request on, unless its length is told in two ways (request smuggling)."""
        self._body_began_at = self.loop.time()
        self._header_bytes = 0
        if self.transport.is_closing():
            return
        if self._lengths > 1:
            self._refuse(_REFUSED)
        elif self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            self._refuse(_BUSY)
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body of a request that was handed on."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: the next byte begins another one."""
        self._stop_waiting()
        self._body_began_at = 0.0
        if self.cycle is not None:
            super().on_message_complete()

    def _begin_cycle(self) -> None:
        """As uvicorn's on_headers_complete, with our own cycle."""
        parser, scope = self.parser, self.scope
        address = httptools.parse_url(self.url)
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = address.path.decode("ascii")  # a path with %-escapes is none of ours: nothing is unquoted
        scope["query_string"] = address.query or b""
        before: RequestResponseCycle | None = self.cycle
        self.cycle = WholeReplyCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=parser.get_http_version() != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # pipelined requests wait for their turn
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_waiting(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        """The deadline is over; for a body, one timer serves both: most requests come whole, and need no second one."""
        self._deadline = None
        left = self._body_began_at + self.body_seconds - self.loop.time() if self._body_began_at else 0.0
        if left > 0:
            self._start_waiting(left)
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
