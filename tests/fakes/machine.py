"""A clock that stands still until told, chance that can be repeated, and a web client that answers from a list."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from blubees.model.ids import RunId
from blubees.model.web import WebAnswer, WebFailure, WebRequest


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

    async def close(self) -> None:
        """Nothing is open."""
