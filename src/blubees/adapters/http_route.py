"""One tenant's way to one origin: its connections, who waits for one, and its circuit breaker. Used by http_pool.py.

Why each tenant has its own, and what opens the breaker: docs/decisions/0046-egress.md.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final, NamedTuple

from blubees.adapters.http_connection import HttpConnection
from blubees.model.web import WebProblem

BREAK_AFTER: Final = 5  # calls in a row that nobody answered
PAUSE_SECONDS: Final = 1.0  # then nobody is asked for so long, but one call to see whether it is over; twice as long each time
PAUSE_MAX_SECONDS: Final = 30.0
FORGET_SECONDS: Final = 60.0  # after the last failure
NO_ANSWER: Final = frozenset({WebProblem.UNREACHABLE, WebProblem.TIMEOUT, WebProblem.CUT_OFF})


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


class Share:
    """What one tenant has of the conduit's connections: how many are open, how many of them idle, which routes wait for one."""

    __slots__ = ("__weakref__", "idle", "open", "waiting")

    def __init__(self) -> None:
        self.open = self.idle = 0
        self.waiting: OrderedDict[Route, None] = OrderedDict()

    @property
    def busy(self) -> int:
        """How many are in use."""
        return self.open - self.idle


class Route:
    """One tenant's way to one origin, with one client certificate or none.

    Attributes:
        open: connections there are, idle ones and those that are being made included.
        idle: the kept ones, the oldest first.
        waiting: who waits for a connection: given one, or None for the right to make one.
        pause_seconds: 0 while the other side is taken to be well; else how long the breaker is open each time.
    """

    __slots__ = (
        "_failed_at",
        "_failures",
        "_opened_at",
        "_shut_until",
        "idle",
        "open",
        "origin",
        "pause_seconds",
        "share",
        "waiting",
    )

    def __init__(self, origin: Origin, share: Share) -> None:
        self.origin, self.share = origin, share
        self.open = 0
        self.idle: deque[HttpConnection] = deque()
        self.waiting: dict[asyncio.Future[HttpConnection | None], None] = {}
        self.pause_seconds = 0.0
        self._failures = 0
        self._opened_at = self._shut_until = self._failed_at = 0.0

    @property
    def busy(self) -> int:
        """How many of its connections are in use."""
        return self.open - len(self.idle)

    def is_forgotten(self, now: float) -> bool:
        """Whether nothing is lost with it."""
        return not self.open and not self.waiting and now > self._failed_at + FORGET_SECONDS

    def ask_breaker(self, now: float) -> float:
        """Whether a call may be made: 0, or in how many seconds another may ask. Asked only while `pause_seconds` is not 0."""
        if now < self._shut_until:
            return self._shut_until - now
        self._shut_until = now + self.pause_seconds  # this one finds out; the others wait for another pause
        return 0.0

    def note_answer(self) -> None:
        """The other side answered, whatever it said."""
        self._failures = 0
        self.pause_seconds = 0.0

    def note_failure(self, problem: WebProblem, began: float, now: float) -> None:
        """A call that began then has failed. Those that began before the breaker opened tell it nothing new."""
        if problem not in NO_ANSWER or began < self._opened_at:
            return
        self._failures += 1
        self._failed_at = now
        if self._failures >= BREAK_AFTER:
            self.pause_seconds = min(self.pause_seconds * 2, PAUSE_MAX_SECONDS) or PAUSE_SECONDS
            self._opened_at, self._shut_until = now, now + self.pause_seconds
