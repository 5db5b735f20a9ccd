"""The machine: time, chance, events of the log."""

from datetime import datetime
from typing import Protocol

from blubees.model.ids import RunId


class Clock(Protocol):
    """Time."""

    def now_milliseconds(self) -> int:
        """UTC, since 1970."""
        ...

    def now(self) -> datetime:
        """UTC, aware."""
        ...

    def monotonic_seconds(self) -> float:
        """For durations; the start is arbitrary."""
        ...


class Chance(Protocol):
    """Unpredictable bytes and ids."""

    def bytes(self, count: int) -> bytes:
        """Cryptographically strong bytes."""
        ...

    def new_run_id(self) -> RunId:
        """Sorts by time: 48 bits of milliseconds, 80 bits of chance."""
        ...


class Events(Protocol):
    """Operational log: an event's name and typed fields. No free text, no payload (style, rule 21)."""

    def __call__(self, event: str, /, **fields: float | bool | str) -> None:
        """Tell one event. String fields must be ids or words from our own closed lists."""
        ...
