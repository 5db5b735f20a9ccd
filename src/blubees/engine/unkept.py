"""Receipts that were sent and are not yet known to be in the database: sent again when the brokers lost them. Used by work.py.

Between a conduit and the database a receipt is in the brokers' memory only, and its run is forgotten by then.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from blubees.model.receipt import Receipt
from blubees.ports import Stand

RECEIPTS_HELD: Final = 65_536


class Unkept:
    """Holds batches in the order in which they were sent; when there are too many, the oldest are let go."""

    def __init__(self, limit: int = RECEIPTS_HELD) -> None:
        self._limit = limit
        self._batches: deque[tuple[Stand, Sequence[Receipt]]] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def note(self, stand: Stand, batch: Sequence[Receipt]) -> int:
        """Hold a batch that was sent; gives how many receipts had to be let go for it."""
        self._batches.append((stand, batch))
        self._count += len(batch)
        before = self._count
        while self._count > self._limit and len(self._batches) > 1:
            self._count -= len(self._batches.popleft()[1])
        return before - self._count

    def settle(self, kept: Stand) -> list[Receipt]:
        """Let go of what is kept up to `kept`; gives what went down with an earlier memory of the brokers."""
        lost = [receipt for stand, batch in self._batches if stand.epoch != kept.epoch for receipt in batch]
        self._batches = deque(each for each in self._batches if each[0].epoch == kept.epoch and each[0].number > kept.number)
        self._count = sum(len(batch) for _, batch in self._batches)
        return lost
