"""Keeps calls of one connection within what the third party allows: so many a minute, so many at a time, and its own word.

One for each conduit, in its memory; asked by connectors/caller.py before and after each call that has a pace. A short wait is
waited; for a long one the step fails as busy, with when to come back: a retry or the flow's own handling takes it from there.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from blubees.connectors.actions.waits import read_wait
from blubees.connectors.meanings import read_retry_after
from blubees.model.call import CallAnswer, Pace
from blubees.model.failures import Failure, FailureCode
from blubees.ports import Clock

WAIT_MAX_SECONDS: Final = 10.0
KEPT_MAX: Final = 10_000  # connections whose pace is remembered
BURST_SECONDS: Final = 6.0  # what may be called at once after a pause: a tenth of a minute's calls
BUSY_STATUS: Final = 429

Key = tuple[str, str, str]
"""Tenant, connection, connector."""


@dataclass(slots=True)
class _Line:
    """The calls of one connection.

    Attributes:
        due: when the next call would be due if all came evenly (seconds of the monotonic clock).
        closed_until: until then the third party takes no calls.
    """

    due: float = 0.0
    closed_until: float = 0.0
    under_way: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class PaceBook:
    """The pace of each connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: OrderedDict[Key, _Line] = OrderedDict()

    async def enter(self, key: Key, pace: Pace) -> Failure | None:
        """Wait until the call may be made; a failure when that is too far away. Who enters must leave."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
            self._forget_idle()
        self._lines.move_to_end(key)
        wait = self._reserve(line, pace)
        if wait > WAIT_MAX_SECONDS:
            return Failure(code=FailureCode.BUSY, detail="pace", retry_after_seconds=round(wait, 3))
        if wait > 0:
            await asyncio.sleep(wait)
        if not pace.at_once or line.under_way < pace.at_once:
            line.under_way += 1
        elif not await self._wait_in_line(line):
            return Failure(code=FailureCode.BUSY, detail="pace", retry_after_seconds=1.0)
        return None

    def leave(self, key: Key, pace: Pace, answer: CallAnswer | Failure) -> None:
        """The call has been made: let the next one in, and mind what the answer says of further calls."""
        line = self._lines.get(key)
        if line is None:
            return
        _step_out(line)
        if not isinstance(answer, CallAnswer):
            return
        headers, wait = answer.headers, 0.0
        if answer.status == BUSY_STATUS:
            wait = read_retry_after(headers)
        if not wait and pace.reset_header and (answer.status == BUSY_STATUS or headers.get(pace.remaining_header, "") == "0"):
            wait = read_wait(headers.get(pace.reset_header, ""), self._clock.now_milliseconds())
        if wait:
            line.closed_until = max(line.closed_until, self._clock.monotonic_seconds() + wait)

    def _reserve(self, line: _Line, pace: Pace) -> float:
        """Give how long to wait; a call that is not too far away has its place from now on."""
        now = self._clock.monotonic_seconds()
        wait = max(line.closed_until - now, 0.0)
        if not pace.calls_per_minute:
            return wait
        between = 60.0 / pace.calls_per_minute
        due = max(line.due, now + wait)
        wait = max(due - max(BURST_SECONDS, between) + between - now, wait)
        if wait <= WAIT_MAX_SECONDS:
            line.due = due + between
        return wait

    async def _wait_in_line(self, line: _Line) -> bool:
        """Wait until another call leaves its place to this one; False after 10 s."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await asyncio.wait((turn,), timeout=WAIT_MAX_SECONDS)
        except asyncio.CancelledError:
            if turn.done():  # the place is ours, and nobody will use it
                _step_out(line)
            else:
                line.waiting.remove(turn)
            raise
        if not turn.done():
            line.waiting.remove(turn)
        return turn.done()

    def _forget_idle(self) -> None:
        while len(self._lines) > KEPT_MAX:
            key = next(iter(self._lines))
            if self._lines[key].under_way or self._lines[key].waiting:
                self._lines.move_to_end(key)
                return
            del self._lines[key]


def _step_out(line: _Line) -> None:
    """Leave the place to the next that waits, if there is one."""
    if line.waiting:
        line.waiting.pop(0).set_result(None)
    else:
        line.under_way -= 1
