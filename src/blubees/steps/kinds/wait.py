"""Wait before the next step."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from blubees.expressions.dates import read_date
from blubees.model.failures import Failure, FailureCode
from blubees.model.parking import Answered, WaitEnd, WaitKind
from blubees.steps.contract import Done, Example, Outcome, Park, Tools, step_kind

WAIT_MAX_MILLISECONDS: Final = 366 * 86_400_000
WEEKEND: Final = 5  # Saturday, counted from Monday
DAYS_LOOKED_AT: Final = 1_000


@step_kind("wait", waits=True)
@dataclass(frozen=True, slots=True)
class Wait:
    """Park the run for a time: for a duration, until a time, or until a business day. At most 366 days.

    One of the three: a duration (`days`, `hours`, `minutes`, `seconds`, added up), `until` (a date and time), or
    `business_days` from now, Monday to Friday without `holidays`, at `at` o'clock in `time_zone` (0: today, when that is still
    to come). What is over already does not wait. Gives `until`.
    """

    seconds: Annotated[float, Meta(ge=0)] = 0
    minutes: Annotated[float, Meta(ge=0)] = 0
    hours: Annotated[float, Meta(ge=0)] = 0
    days: Annotated[float, Meta(ge=0)] = 0
    until: Any = None
    business_days: Annotated[int, Meta(ge=0, le=260)] | None = None
    at: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "09:00"
    time_zone: str = "UTC"
    holidays: list[str] = field(default_factory=list)

    async def perform(self, tools: Tools) -> Outcome:
        """Park, or go on."""
        if tools.answer is not None:
            return _tell(tools.answer.at_milliseconds)
        now = tools.now_milliseconds()
        due = self._find_due(now)
        if isinstance(due, Failure):
            return due
        if due <= now:
            return _tell(now)
        if due - now > WAIT_MAX_MILLISECONDS:
            return Failure(code=FailureCode.SETTING_INVALID, field="with", detail="longer_than_366_days")
        return Park(WaitKind.TIME, due)

    def _find_due(self, now: int) -> int | Failure:
        seconds = self.seconds + 60 * self.minutes + 3_600 * self.hours + 86_400 * self.days
        if sum((bool(seconds), self.until is not None, self.business_days is not None)) != 1:
            return Failure(code=FailureCode.SETTING_INVALID, field="with", detail="not_exactly_one_of_three")
        if seconds:
            return now + int(1_000 * min(seconds, 1e9))
        if self.until is not None:
            found = read_date(self.until)
            return int(found.timestamp() * 1_000) if found else Failure(code=FailureCode.SETTING_INVALID, field="with.until")
        return self._find_business_day(datetime.fromtimestamp(now / 1_000, UTC))

    def _find_business_day(self, now: datetime) -> int | Failure:
        try:
            zone = ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.time_zone")
        try:
            holidays = {date.fromisoformat(day) for day in self.holidays}
        except ValueError:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.holidays")
        local = now.astimezone(zone)
        left = self.business_days or 0
        day = local.date()
        for _ in range(DAYS_LOOKED_AT):
            due = datetime.combine(day, time.fromisoformat(self.at), zone)
            is_open = day.weekday() < WEEKEND and day not in holidays
            if is_open and left == 0 and due > local:
                return int(due.timestamp() * 1_000)
            if is_open and day > local.date() and left > 0:
                left -= 1
                if left == 0:
                    return int(due.timestamp() * 1_000)
            day += timedelta(days=1)
        return Failure(code=FailureCode.SETTING_INVALID, field="with.holidays", detail="no_day_left")


def _tell(milliseconds: int) -> Done:
    return Done({"until": f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%Y-%m-%dT%H:%M:%S}Z"})


_NOW: Final = 1_795_000_000_000  # Wednesday, 18 November 2026, 11:06:40 UTC: the clock of examples
EXAMPLES = (
    Example({"days": 1, "hours": 2}, Park(WaitKind.TIME, _NOW + 93_600_000)),
    Example({"until": "2026-11-20T08:00:00Z"}, Park(WaitKind.TIME, 1_795_161_600_000)),
    Example({"until": "2026-11-18"}, Done({"until": "2026-11-18T11:06:40Z"})),
    Example({"business_days": 2, "at": "09:00", "time_zone": "Europe/Berlin"}, Park(WaitKind.TIME, 1_795_161_600_000)),
    Example(
        {"days": 1},
        Done({"until": "2026-11-19T12:00:00Z"}),
        answer=Answered(path="a", end=WaitEnd.DUE, at_milliseconds=1_795_089_600_000),
    ),
    Example({"days": 1, "until": "2026-11-20"}, FailureCode.SETTING_INVALID),
    Example({"days": 4_000}, FailureCode.SETTING_INVALID),
)
