"""Bodies in pieces: an answer that is read as it comes in, and a request's body as it is framed on its way out.

Used by web_client.py. Nothing is held but what http_inflow.py and the socket's own buffers hold.
"""

import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from blubees.adapters.http_connection import HttpConnection, RawAnswer
from blubees.adapters.http_inflow import Inflow
from blubees.adapters.web_unpack import BrokenBodyError, choose_window, read_encoding
from blubees.model.web import BrokenOffError, FilePart, SentBody, WebFailure, WebProblem

STALL_SECONDS: Final = 30.0  # so long a party may send nothing, or take nothing
INFLATED_PIECE_BYTES: Final = 65_536
_TYPE: Final = re.compile(r"[\x21-\x7e]+/[\x21-\x7e]+(;[\x20-\x7e]*)?")
_ESCAPES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # WHATWG, multipart/form-data encoding


class OpenAnswer:
    """Port AnswerStream."""

    def __init__(
        self,
        head: RawAnswer,
        inflow: Inflow,
        connection: HttpConnection,
        give_back: Callable[[], None],
        limits: tuple[int, float],
    ) -> None:
        self.status, self.headers = head.status, head.headers
        self._inflow, self._connection, self._give_back = inflow, connection, give_back
        self._limit, self._deadline = limits
        self._is_closed = False

    @property
    def length(self) -> int | None:
        """See the port."""
        text = self.headers.get("content-length", "")
        is_known = text.isascii() and text.isdecimal() and self._find_encoding() is None
        return int(text[:20]) if is_known else None

    async def pieces(self) -> AsyncIterator[bytes]:
        """See the port."""
        try:
            encoding = self._find_encoding()
            raw = self._read_raw()
            if encoding is None:
                async for piece in raw:
                    yield piece
            else:
                async for piece in _inflate(raw, encoding, self._limit):
                    yield piece
        except BrokenBodyError as error:
            raise BrokenOffError(WebFailure(problem=error.problem)) from None
        finally:
            self.close()

    def close(self) -> None:
        """See the port."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._inflow.is_read:
            self._connection.close()
        self._give_back()

    async def _read_raw(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(min(self._deadline, loop.time() + STALL_SECONDS)):
                    piece = await self._inflow.read()
            except TimeoutError:
                raise BrokenOffError(WebFailure(problem=WebProblem.TIMEOUT)) from None
            if not piece:
                break
            yield piece
        if self._inflow.problem is not None:
            raise BrokenOffError(WebFailure(problem=self._inflow.problem))

    def _find_encoding(self) -> str | None:
        return read_encoding(self.headers)


def frame_body(body: SentBody) -> tuple[tuple[tuple[str, str], ...], str, AsyncIterator[bytes]] | None:
    """Frame a body.

    Returns:
        Headers to add, the header that tells its end, and the pieces to write; None: the part's content type is none.
    """
    headers: tuple[tuple[str, str], ...] = ()
    pieces, length = _count(body.pieces, body.length), body.length
    if body.part is not None:
        if not _TYPE.fullmatch(body.part.content_type):
            return None
        boundary = os.urandom(24).hex()  # nobody who chooses a file's content can guess it
        before, after = _write_form(body.part, boundary)
        headers = (("Content-Type", f"multipart/form-data; boundary={boundary}"),)
        pieces = _wrap(before, pieces, after)
        length = None if length is None else len(before) + length + len(after)
    if length is None:
        return headers, "Transfer-Encoding: chunked\r\n", _chunk(pieces)
    return headers, f"Content-Length: {length}\r\n", pieces


async def _count(pieces: AsyncIterator[bytes], length: int | None) -> AsyncIterator[bytes]:
    """Pass on what was announced: neither less nor more."""
    sent = 0
    async for piece in pieces:
        sent += len(piece)
        if length is not None and sent > length:
            break
        if piece:
            yield piece
    if length is not None and sent != length:
        raise BrokenOffError(WebFailure(problem=WebProblem.BROKEN_ANSWER))


async def _wrap(before: bytes, pieces: AsyncIterator[bytes], after: bytes) -> AsyncIterator[bytes]:
    yield before
    async for piece in pieces:
        yield piece
    yield after


async def _chunk(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _write_form(part: FilePart, boundary: str) -> tuple[bytes, bytes]:
    """Write what stands before and after the file. Source: RFC 7578; WHATWG HTML, multipart/form-data encoding algorithm."""
    lines = []
    for name, value in part.fields:
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"\r\n\r\n{value}\r\n')
    names = f'name="{part.name.translate(_ESCAPES)}"; filename="{part.file_name.translate(_ESCAPES)}"'
    lines.append(f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\nContent-Type: {part.content_type}\r\n\r\n")
    return "".join(lines).encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()


async def _inflate(pieces: AsyncIterator[bytes], encoding: str, limit: int) -> AsyncIterator[bytes]:
    """Decompress, a bounded piece at a time, within the limit."""
    inflater, size = None, 0
    async for piece in pieces:
        if inflater is None:
            inflater = zlib.decompressobj(choose_window(encoding, piece))
        rest, is_full = piece, True
        while not inflater.eof and (rest or is_full):
            try:
                content = inflater.decompress(rest, INFLATED_PIECE_BYTES)
            except zlib.error:
                raise BrokenBodyError(WebProblem.BROKEN_ANSWER) from None
            rest, is_full = inflater.unconsumed_tail, len(content) == INFLATED_PIECE_BYTES
            size += len(content)
            if size > limit:
                raise BrokenBodyError(WebProblem.TOO_LARGE)
            if content:
                yield content
    if inflater is not None and not inflater.eof:
        raise BrokenBodyError(WebProblem.BROKEN_ANSWER)
