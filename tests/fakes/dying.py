"""A process that dies before, or right after, one of its writes: what SIGKILL does to a control plane, at each row."""

from collections.abc import Callable, Collection
from typing import Any, Protocol


class KilledError(Exception):
    """The process is dead."""


class Life(Protocol):
    """How many writes there were, and at which one it ends; 0: never."""

    writes: int
    dies_before: int
    dies_after: int


class Dying:
    """A part of which the process dies at a write."""

    def __init__(self, part: Any, life: Life, writes: Collection[str]) -> None:
        self._part, self._life, self._writes = part, life, writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._part, name)
        if name not in self._writes:
            return call  # type: ignore[no-any-return]

        async def write(*given: object, **named: object) -> object:
            self._life.writes += 1
            if self._life.writes == self._life.dies_before:
                raise KilledError
            done = await call(*given, **named)
            if self._life.writes == self._life.dies_after:
                raise KilledError
            return done

        return write
