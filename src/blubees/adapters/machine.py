"""The machine behind the ports Clock, Chance and Events. Built by main."""

import os
import re
import time
from datetime import UTC, datetime
from typing import BinaryIO, Final

import orjson

from blubees.model.ids import RunId

_EVENT_NAME: Final = re.compile(r"[a-z_]{1,64}")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)  # base32hex, two digits at a time
_PLACES: Final = tuple(range(120, -1, -10))
_WORD: Final = re.compile(r"[A-Za-z0-9_.:/@+-]{0,128}")


class SystemClock:
    """Port Clock."""

    def now_milliseconds(self) -> int:
        """UTC, since 1970."""
        return time.time_ns() // 1_000_000

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """For durations."""
        return time.perf_counter()


class SystemChance:
    """Port Chance."""

    def bytes(self, count: int) -> bytes:
        """Cryptographically strong bytes."""
        return os.urandom(count)

    def new_run_id(self) -> RunId:
        """48 bits of milliseconds, 80 bits of chance; sorts by time."""
        number = int.from_bytes((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10), "big") << 2
        return RunId("r" + "".join([_PAIRS[number >> place & 1023] for place in _PLACES]))


class EventLog:
    """Port Events: one JSON line an event. A text that is not an id or a word is withheld, whoever passed it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __call__(self, event: str, /, **fields: float | bool | str) -> None:
        """Write one event."""
        if not _EVENT_NAME.fullmatch(event):
            raise ValueError("An event's name is lower-case letters and underscores.")
        safe = {
            name: value if not isinstance(value, str) or _WORD.fullmatch(value) else "withheld"
            for name, value in fields.items()
        }
        line = {"event": event, "at": time.time_ns() // 1_000_000, **safe}
        self._stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._stream.flush()
