"""Holds one tenant's bulk work back while others are there: as much at a time as leaves the event loop on time.

Used by launch, work and the intake. Where a tenant is alone, all goes as fast as it can.
Source: docs/decisions/0006-fairness-between-tenants.md.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from blubees.model.ids import TenantId
from blubees.ports import Clock

TICK_SECONDS: Final = 0.005
LATE_SECONDS: Final = 0.002  # a loop that comes back later than that has no time for more
WAIT_SECONDS: Final = 3.0  # under Forge's 5 s for an answer: then the sender is told to come again
COMPANY_SECONDS: Final = 1.0  # so long after its last event a tenant counts as being there
PIECES_MOST: Final = 16.0  # a tick: 3,200 a second, more than a conduit can do
PIECES_LEAST: Final = 0.1  # a tick: bulk work slows down to 20 pieces a second, and never stops
ALONE: Final = 1_000_000


class Pace:
    """One conduit's. A piece of work is one event that is accepted, or one run that is begun."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: OrderedDict[TenantId, float] = OrderedDict()  # the last two tenants
        self._a_tick, self._left = 1.0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ticking: asyncio.Task[None] | None = None

    def note(self, tenant: TenantId) -> None:
        """Something came for a tenant."""
        self._newest[tenant] = self._clock.monotonic_seconds()
        self._newest.move_to_end(tenant)
        if len(self._newest) > 2:  # noqa: PLR2004 - two are company
            self._newest.popitem(last=False)

    @property
    def has_company(self) -> bool:
        """Whether more than one tenant is there."""
        if len(self._newest) < 2:  # noqa: PLR2004 - see above
            return False
        return self._clock.monotonic_seconds() - next(iter(self._newest.values())) < COMPANY_SECONDS

    def count(self) -> int:
        """How many pieces of bulk work may be begun now."""
        if not self.has_company:
            return ALONE
        self._start_ticking()
        return int(self._left)

    def spend(self) -> None:
        """A piece of bulk work is begun."""
        self._left -= 1

    async def wait(self) -> bool:
        """Wait until a piece of bulk work may be begun, and count it as begun; those that wait take turns.

        Returns: False: there was no time for it within WAIT_SECONDS.
        """
        if not self._waiting and self.count() >= 1:
            self.spend()
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except TimeoutError:
            return False
        return True

    async def wait_for_count(self) -> None:
        """Return when something may be begun, without beginning it."""
        while self.count() < 1:  # noqa: ASYNC110 - a tick is what is waited for
            await asyncio.sleep(TICK_SECONDS)

    def _start_ticking(self) -> None:
        if self._ticking is None:
            self._left = 0.0
            self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        """Let some through each tick: a little more while the loop is on time, half as many when it is late."""
        while self.has_company or self._waiting:
            before = self._clock.monotonic_seconds()
            await asyncio.sleep(TICK_SECONDS)
            late = self._clock.monotonic_seconds() - before - TICK_SECONDS
            if late > LATE_SECONDS:
                self._a_tick = max(PIECES_LEAST, self._a_tick / 2)
            else:
                self._a_tick = min(PIECES_MOST, self._a_tick + 0.1)
            self._left = min(max(self._left, 0.0) + self._a_tick, max(1.0, self._a_tick))
            self._let_through()
        self._ticking = None

    def _let_through(self) -> None:
        while self._waiting and self.count() >= 1:
            turn = self._waiting.popleft()
            if not turn.done():
                self.spend()
                turn.set_result(None)
