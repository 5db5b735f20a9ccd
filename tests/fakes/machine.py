"""A clock that stands still until told, chance that can be repeated, and a web client that answers from a list."""

import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import msgspec

from blubees.model.ids import RunId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebRequest


class FakeClock:
    """Port Clock."""

    def __init__(self, milliseconds: int = 1_795_000_000_000) -> None:
        self.milliseconds = milliseconds

    def now_milliseconds(self) -> int:
        return self.milliseconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.milliseconds / 1000, UTC)

    def monotonic_seconds(self) -> float:
        return self.milliseconds / 1000

    def advance(self, seconds: float) -> None:
        self.milliseconds += int(seconds * 1000)


class FakeChance:
    """Port Chance: never the same twice, the same in every test."""

    def __init__(self) -> None:
        self.count = 0

    def bytes(self, count: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(str(self.count).encode()).digest(count)

    def new_run_id(self) -> RunId:
        self.count += 1
        return RunId(f"r{self.count:026d}")


class FakeWeb:
    """Port WebClient."""

    def __init__(self, reply: Callable[[WebRequest], WebAnswer | WebFailure]) -> None:
        self.reply = reply
        self.requests: list[WebRequest] = []

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        self.requests.append(request)
        return self.reply(request)

    async def open(self, request: WebRequest, body: SentBody | None = None) -> "FakeStream | WebFailure":
        if body is not None:
            request = msgspec.structs.replace(request, body=b"".join([piece async for piece in body.pieces]))
        answer = await self.call(request)
        return answer if isinstance(answer, WebFailure) else FakeStream(answer)

    async def close(self) -> None:
        """Nothing is open."""


class FakeStream:
    """Port AnswerStream: an answer, in pieces of two bytes."""

    def __init__(self, answer: WebAnswer) -> None:
        self.status, self.headers, self._body = answer.status, answer.headers, answer.body

    @property
    def length(self) -> int | None:
        return len(self._body)

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 2):
            yield self._body[start : start + 2]

    def close(self) -> None:
        """Nothing is open."""
