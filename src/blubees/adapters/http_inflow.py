"""The body of an answer on its way in, in pieces: a bounded buffer that holds up who sends faster than is read.

Filled by http_connection.py; read by web_stream.py.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from blubees.model.web import WebProblem

HELD_MAX_BYTES: Final = 131_072  # then nothing more is read from the socket; what it had given already comes on top (262,144)


class Inflow:
    """One body. `pause` and `resume` stop and start the reading of the socket."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._is_paused = False
        self._wake: asyncio.Future[None] | None = None
        self.is_over = False
        self.problem: WebProblem | None = None

    @property
    def is_read(self) -> bool:
        """Whether the whole body has come and was read: its connection may be used again."""
        return self.is_over and self.problem is None and not self._pieces

    def feed(self, piece: bytes) -> None:
        """Hold a piece until it is read."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > HELD_MAX_BYTES and not self._is_paused:
            self._is_paused = True
            self._pause()
        self._tell()

    def end(self, problem: WebProblem | None = None) -> None:
        """No more will come; with a problem, the body is not whole."""
        if not self.is_over:
            self.is_over, self.problem = True, problem
            self._tell()

    async def read(self) -> bytes:
        """Give the next piece; empty at the end, whole or not: see `problem`. One reader at a time."""
        while not self._pieces:
            if self.is_over:
                return b""
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._is_paused and self._held <= HELD_MAX_BYTES // 2:
            self._is_paused = False
            self._resume()
        return piece

    def _tell(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
