"""One kept HTTP/1.1 connection to a third party: writes a request, reads its answer within limits. Used by web_client.py.

Parsing is httptools' (llhttp, strict). One call at a time: a connection that says anything unasked, that is closed, or whose
answer left room for doubt about its end, is not used again.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

import httptools

from blubees.adapters.http_inflow import Inflow
from blubees.model.web import WebProblem

HEAD_MAX_BYTES: Final = 65_536
HEADERS_MAX_COUNT: Final = 200
INTERIM_MAX_COUNT: Final = 20  # answers before the answer: a hundred thousand of them would be an attack
_BODILESS: Final = frozenset({204, 304})
_FIRST_FINAL_STATUS: Final = 200
_SWITCHING: Final = 101


class CallFailedError(Exception):
    """No answer: what became of the call.

    Attributes:
        was_unheard: the kept connection ended before a byte of an answer came: the other side may never have seen the call.
        retry_after_seconds: when it may go better, 0 where that is not known.
    """

    def __init__(self, problem: WebProblem, *, was_unheard: bool = False, retry_after_seconds: float = 0.0) -> None:
        super().__init__()
        self.problem = problem
        self.was_unheard = was_unheard
        self.retry_after_seconds = retry_after_seconds


class RawAnswer:
    """An answer as it came: names lower-cased, a repeated one joined with ", "; the body as it was packed."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def close(self) -> None:
        """Nothing is left of it on the connection."""


class HttpConnection(asyncio.Protocol):
    """One connection. `idle_since` is the pool's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[RawAnswer] | None = None
        self._inflow: Inflow | None = None  # where the body goes that is read in pieces
        self._may_write: asyncio.Future[None] | None = None
        self._is_asked = False  # an answer is expected, or not all of it has come
        self._is_open = False
        self.calls = 0
        self.idle_since = 0.0
        self._limit = self._interim = 0
        self._has_no_body = False
        self._problem: WebProblem | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._start_over()

    @property
    def is_usable(self) -> bool:
        """Whether another call may be made on it."""
        return self._is_open and not self._is_asked

    async def exchange(self, request: bytes, *, has_no_body: bool, limit_bytes: int, seconds: float) -> RawAnswer:
        """Send a whole request, and give its answer.

        Args:
            has_no_body: the answer to HEAD has none, whatever its length says.

        Raises:
            CallFailedError: timeout, an answer that is too large or broken, a connection that ended.
        """
        assert self._transport is not None  # noqa: S101 - connected before it is handed out
        waiting = self._ask(limit_bytes, has_no_body=has_no_body)
        timer = self._loop.call_later(seconds, self._fail, WebProblem.TIMEOUT)
        self._transport.write(request)
        try:
            return await waiting
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()

    async def open(
        self,
        head: bytes,
        pieces: AsyncIterator[bytes] | None,
        *,
        has_no_body: bool,
        limit_bytes: int,
        stall_seconds: float,
    ) -> tuple[RawAnswer, Inflow]:
        """Send a request whose body comes in pieces, framed already; give its answer's head, and its body as it comes in.

        An answer that comes before the request is whole ends the sending: the other side has heard enough.

        Args:
            pieces: None for a request without a body. What it raises is raised; the connection is closed then.
            stall_seconds: so long the other side may take nothing.

        Raises:
            CallFailedError: as exchange.
        """
        assert self._transport is not None  # noqa: S101 - connected before it is handed out
        waiting = self._ask(limit_bytes, has_no_body=has_no_body)
        self._inflow = inflow = Inflow(self._transport.pause_reading, self._resume_reading)
        self._transport.write(head)
        try:
            if pieces is not None:
                await self._send(pieces, waiting, stall_seconds)
            return await waiting, inflow
        except BaseException:
            if not waiting.cancel() and not waiting.cancelled():
                waiting.exception()  # what is raised tells more
            self.close()
            raise

    def close(self) -> None:
        """Close at once."""
        self._is_open = False
        if self._inflow is not None:
            self._inflow.end(WebProblem.CUT_OFF)
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ asyncio

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connected."""
        self._transport = transport
        self._is_open = True

    def data_received(self, data: bytes) -> None:
        """Some of the answer came."""
        if not self._is_asked:
            self.close()  # nobody asked
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(self._problem or WebProblem.BROKEN_ANSWER)
        else:
            if not self._is_head_read and self._came > HEAD_MAX_BYTES:
                self._fail(WebProblem.BROKEN_ANSWER)

    def eof_received(self) -> bool:
        """The other side will say no more: that ends an answer without a length."""
        has_length = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._is_head_read and not has_length and self._is_asked:
            self._is_open = False
            self._give()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended; in TLS 1.3 this is how a refused client certificate is told."""
        self._is_open = False
        self.resume_writing()
        if self._is_asked:
            problem = translate_error(exc) if isinstance(exc, ssl.SSLError) else WebProblem.CUT_OFF
            self._end(CallFailedError(problem, was_unheard=self.calls > 1 and not self._came))

    def pause_writing(self) -> None:
        """The other side takes less than is sent."""
        if self._may_write is None:
            self._may_write = self._loop.create_future()

    def resume_writing(self) -> None:
        """It takes more again, or nothing ever."""
        if self._may_write is not None:
            if not self._may_write.done():
                self._may_write.set_result(None)
            self._may_write = None

    # ------------------------------------------------------------ httptools

    def on_message_begin(self) -> None:
        """An answer begins; one more than was asked for is none of ours."""
        if not self._is_asked:
            self._is_open = False
            raise ValueError("unasked")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers = self._headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self._header_bytes += len(name) + len(value)
        if len(headers) > HEADERS_MAX_COUNT or self._header_bytes > HEAD_MAX_BYTES:
            self._problem = WebProblem.BROKEN_ANSWER
            raise ValueError("headers")

    def on_headers_complete(self) -> None:
        """The head is read. What comes after an answer without a body belongs to no call: the connection is not used again."""
        self._status = self._parser.get_status_code()
        if self._status < _FIRST_FINAL_STATUS:
            return
        self._is_head_read = True
        length = self._headers.get("content-length", "")
        if self._has_no_body or self._status in _BODILESS:
            is_clean = length in {"", "0"} and "transfer-encoding" not in self._headers
            self._is_open = self._is_open and is_clean and self._parser.should_keep_alive()
            self._give()
        elif length.isdecimal() and int(length[:20]) > self._limit:
            self._problem = WebProblem.TOO_LARGE
            raise ValueError("length")
        elif self._inflow is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(RawAnswer(self._status, self._headers, b""))

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        if self._inflow is None:
            self._body.append(piece)
        else:
            self._inflow.feed(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._problem = WebProblem.TOO_LARGE
            raise ValueError("body")

    def on_message_complete(self) -> None:
        """The answer is whole, or it was an interim one."""
        if not self._is_asked:
            return
        if self._status < _FIRST_FINAL_STATUS:
            interim = self._interim + 1
            if self._status == _SWITCHING or interim > INTERIM_MAX_COUNT:
                raise ValueError("interim")
            self._start_over()
            self._interim = interim
            return
        self._is_open = self._is_open and self._parser.should_keep_alive()
        self._give()

    # ------------------------------------------------------------ within

    def _ask(self, limit_bytes: int, *, has_no_body: bool) -> "asyncio.Future[RawAnswer]":
        self.calls += 1
        self._limit, self._has_no_body = limit_bytes, has_no_body
        self._start_over()
        self._inflow, self._is_asked = None, True
        self._waiting = waiting = self._loop.create_future()
        return waiting

    async def _send(self, pieces: AsyncIterator[bytes], waiting: "asyncio.Future[RawAnswer]", stall_seconds: float) -> None:
        """Send a body until it ends, or an answer comes."""
        sending = asyncio.ensure_future(self._write_all(pieces, stall_seconds))
        asked: set[asyncio.Future[Any]] = {sending, waiting}
        try:
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            else:
                self._is_open = False  # the rest of the request is owed: it is used for this answer only
        finally:
            sending.cancel()
            await asyncio.wait({sending})
            if not sending.cancelled():
                sending.exception()  # it is known, or it came too late to matter

    async def _write_all(self, pieces: AsyncIterator[bytes], stall_seconds: float) -> None:
        assert self._transport is not None  # noqa: S101 - see open
        async for piece in pieces:
            self._transport.write(piece)
            while self._may_write is not None:
                done, _ = await asyncio.wait({self._may_write}, timeout=stall_seconds)
                if not done:
                    raise CallFailedError(WebProblem.TIMEOUT)

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _start_over(self) -> None:
        self._headers, self._body, self._problem = {}, [], None
        self._size = self._came = self._header_bytes = self._status = self._interim = 0
        self._is_head_read = False

    def _give(self) -> None:
        waiting = self._waiting
        if waiting is None or not self._is_asked:
            return
        self._is_asked = False
        if self._inflow is not None:
            self._inflow.end()
        if not waiting.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            waiting.set_result(RawAnswer(self._status, self._headers, body))
        self._body = []
        if not self._is_open and self._transport is not None:
            self._transport.abort()

    def _fail(self, problem: WebProblem) -> None:
        self._end(CallFailedError(problem))
        self.close()

    def _end(self, error: CallFailedError) -> None:
        self._is_asked = False
        if self._inflow is not None:
            self._inflow.end(error.problem)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


def translate_error(error: BaseException) -> WebProblem:
    """Name the problem by the error's type and OpenSSL's name for it, never by its text."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            reason = str(seen.reason)
            is_ours = "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason)
            return WebProblem.CLIENT_CERTIFICATE if is_ours else WebProblem.TLS
        seen = seen.__cause__
    return WebProblem.UNREACHABLE
