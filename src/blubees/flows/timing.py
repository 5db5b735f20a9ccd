"""When a schedule is due: intervals without drift, cron with daylight saving right, what to do about ticks that were missed.

Pure. Called by flows/timetable.py (publishing), operations/schedules.py (firing) and flows/check.py.
A local time that a clock change leaves out is due once, right after the gap; one that comes twice is due once: as Debian's
cron does it, in the words of the library cronsim.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from blubees.model.flow import Trigger, TriggerKind
from blubees.model.schedule import Missed, Timing

LATE_MILLISECONDS: Final = 60_000  # a tick that nothing fired for so long was missed
MISSED_COUNTED: Final = 1_000
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_CRON: Final = re.compile(r"[A-Za-z0-9*/,#-]{1,100}( [A-Za-z0-9*/,#-]{1,100}){4}")


@dataclass(frozen=True, slots=True)
class Tick:
    """What is to be done about a schedule that is due.

    Attributes:
        due_milliseconds: the tick to fire; 0 for none.
        missed: how many ticks before it (or before now, when there is none) were missed; counted up to 1,000.
        next_milliseconds: the next one after now.
    """

    due_milliseconds: int
    missed: int
    next_milliseconds: int


def read_timing(trigger: Trigger) -> Timing | None:
    """Give when a trigger is due; None for one that the clock does not start."""
    if trigger.on not in {TriggerKind.SCHEDULE, TriggerKind.POLL}:
        return None
    is_poll = trigger.on is TriggerKind.POLL
    return Timing(
        every_seconds=trigger.every_seconds,
        cron=trigger.cron,
        time_zone=trigger.time_zone,
        missed=trigger.missed,
        asks=is_poll or bool(trigger.jql),
        is_poll=is_poll,
    )


def find_next(timing: Timing, anchor_milliseconds: int, after_milliseconds: int) -> int:
    """Give the first tick after a time.

    Args:
        anchor_milliseconds: what intervals are counted from.
    """
    if not timing.cron:
        every = timing.every_seconds * 1_000
        return anchor_milliseconds + ((after_milliseconds - anchor_milliseconds) // every + 1) * every
    return _tell(next(_walk(timing, after_milliseconds)))


def judge_tick(timing: Timing, anchor_milliseconds: int, due_milliseconds: int, now_milliseconds: int) -> Tick:
    """Say what to fire now, when `due_milliseconds` is past: the newest tick, unless it is late and late ones are skipped."""
    newest = max(due_milliseconds, _find_newest(timing, anchor_milliseconds, now_milliseconds))
    missed = _count_ticks(timing, due_milliseconds, newest)
    upcoming = find_next(timing, anchor_milliseconds, now_milliseconds)
    if timing.missed is Missed.SKIP and now_milliseconds - newest > LATE_MILLISECONDS:
        return Tick(0, min(missed + 1, MISSED_COUNTED), upcoming)
    return Tick(newest, missed, upcoming)


def check_cron(expression: object) -> str:
    """Give what is wrong with a cron expression, or nothing."""
    allowed = "five fields: minute, hour, day of month, month, day of week, such as 30 7 * * MON-FRI"
    if not isinstance(expression, str) or not _CRON.fullmatch(expression.strip()):
        return f"A cron expression has {allowed}."
    try:
        next(CronSim(expression.strip(), datetime(2026, 1, 1, tzinfo=UTC)))
    except StopIteration:
        return "This cron expression is never due."
    except (CronSimError, ValueError, AssertionError, TypeError) as error:
        field = f" ({error})" if isinstance(error, CronSimError) else ""
        return f"This is no cron expression{field}. It has {allowed}."
    return ""


def is_time_zone(name: object) -> bool:
    """Whether there is a time zone of that name."""
    return isinstance(name, str) and _load_zone(name) is not None


@lru_cache(maxsize=1_024)
def _load_zone(name: str) -> ZoneInfo | None:
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _walk(timing: Timing, from_milliseconds: int, *, back: bool = False) -> CronSim:
    start = datetime.fromtimestamp(from_milliseconds / 1_000, UTC)
    zone = UTC if timing.time_zone == "UTC" else _load_zone(timing.time_zone) or UTC
    return CronSim(timing.cron.strip(), start.astimezone(zone), reverse=back)


def _tell(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def _find_newest(timing: Timing, anchor_milliseconds: int, now_milliseconds: int) -> int:
    """The newest tick that is not in the future."""
    if not timing.cron:
        every = timing.every_seconds * 1_000
        return anchor_milliseconds + (now_milliseconds - anchor_milliseconds) // every * every
    return _tell(next(_walk(timing, (now_milliseconds // 1_000 + 1) * 1_000, back=True)))


def _count_ticks(timing: Timing, first: int, until: int) -> int:
    """How many ticks there are from `first` on and before `until`."""
    if first >= until:
        return 0
    if not timing.cron:
        every = timing.every_seconds * 1_000
        return min(MISSED_COUNTED, -((first - until) // every))
    count, walk = 1, _walk(timing, first)
    while count < MISSED_COUNTED and _tell(next(walk)) < until:
        count += 1
    return count
