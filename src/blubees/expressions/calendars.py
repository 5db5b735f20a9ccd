"""Days of the week, business days and months' ends, and what lies between two dates. Called by functions_dates.py.

Business days are Monday to Friday; holidays are not known (docs/smart-values.md).
"""

import calendar
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from blubees.expressions.dates import add, as_count, other, resolve, within
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter

_DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_SATURDAY: Final = 5
_MILLISECOND: Final = timedelta(milliseconds=1)
_UNITS: Final = {"seconds": 1_000, "minutes": 60_000, "hours": 3_600_000, "days": 86_400_000, "weeks": 604_800_000}
Moving = Callable[[Meter, Any, Sequence[Any]], datetime]


def read_day(argument: object, name: str) -> int:
    """A weekday from 0 for Monday: of 1 to 7, `MON` or `Monday`."""
    if type(argument) is str and argument.strip()[:3].upper() in _DAYS:
        return _DAYS.index(argument.strip()[:3].upper())
    number = as_count(argument, name)
    if not 1 <= number <= 7:  # noqa: PLR2004 - days of a week
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return number - 1


def _move(name: str, choose: Callable[[datetime, Sequence[Any]], datetime]) -> Moving:
    """Give a function that moves a date by its wall clock."""

    def move(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
        local = value.replace(tzinfo=None)
        return within(name, lambda: resolve(choose(local, arguments), value.tzinfo, value.utcoffset()))

    return move


def _add_business_days(value: datetime, count: int) -> datetime:
    """Step over weekends; a weekend's day counts from the business day before it (backwards: after it)."""
    if count == 0:
        return value
    past = value.weekday() - _SATURDAY
    if count > 0:
        start = value - timedelta(days=past + 1) if past >= 0 else value
        weeks, days = divmod(count, 5)
        return start + timedelta(days=7 * weeks + days + (2 if start.weekday() + days >= _SATURDAY else 0))
    start = value + timedelta(days=2 - past) if past >= 0 else value
    weeks, days = divmod(-count, 5)
    return start - timedelta(days=7 * weeks + days + (2 if start.weekday() - days < 0 else 0))


def _count_business_days(start: datetime, end: datetime) -> int:
    """Business days from one day (counted) to another (not counted)."""
    if end < start:
        return -_count_business_days(end, start)

    def count_to(ordinal: int) -> int:  # since Monday, 1 January of the year 1, which is day 1
        weeks, days = divmod(ordinal - 1, 7)
        return 5 * weeks + min(days, 5)

    return count_to(end.toordinal()) - count_to(start.toordinal())


def shift_business_days(sign: int) -> Moving:
    """PlusBusinessDays and minusBusinessDays."""
    name = "plusBusinessDays" if sign > 0 else "minusBusinessDays"
    return _move(name, lambda value, arguments: _add_business_days(value, sign * as_count(arguments[0], name)))


def to_business_day(sign: int) -> Moving:
    """Leave a business day as it is; move a weekend's day forward or back to the next one."""
    return _move("toBusinessDay", lambda value, _a: _add_business_days(value, sign) if value.weekday() >= _SATURDAY else value)


def _month_days(value: datetime) -> int:
    return calendar.monthrange(value.year, value.month)[1]


def _end_of_month(value: datetime) -> datetime:
    return value.replace(day=_month_days(value), hour=23, minute=59, second=59, microsecond=999_000)


def _first_business_day(value: datetime) -> datetime:
    first = value.replace(day=1)
    return _add_business_days(first, 1) if first.weekday() >= _SATURDAY else first


def _last_business_day(value: datetime) -> datetime:
    last = value.replace(day=_month_days(value))
    return _add_business_days(last, -1) if last.weekday() >= _SATURDAY else last


def _next_day(value: datetime, arguments: Sequence[Any]) -> datetime:
    ahead = (read_day(arguments[0], "withNextDayOfWeek") - value.weekday()) % 7
    return value + timedelta(days=ahead or 7)


def _of_the_month(value: datetime, number: int, day: int) -> datetime:
    first = value.replace(day=1)
    moved = first + timedelta(days=(day - first.weekday()) % 7 + 7 * (number - 1))
    if moved.month != value.month:
        raise ValueError
    return moved


def _last_of_the_month(value: datetime, arguments: Sequence[Any]) -> datetime:
    last = value.replace(day=_month_days(value))
    return last - timedelta(days=(last.weekday() - read_day(arguments[0], "lastOfTheMonth")) % 7)


def _nth_of_the_month(value: datetime, arguments: Sequence[Any]) -> datetime:
    number = as_count(arguments[0], "ofTheMonth")
    if not 1 <= number <= 5:  # noqa: PLR2004 - weeks a month touches with one day
        raise ValueError
    return _of_the_month(value, number, read_day(arguments[1], "ofTheMonth"))


start_of_day = _move("startOfDay", lambda value, _a: value.replace(hour=0, minute=0, second=0, microsecond=0))
end_of_day = _move("endOfDay", lambda value, _a: value.replace(hour=23, minute=59, second=59, microsecond=999_000))
start_of_month = _move("startOfMonth", lambda value, _a: value.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
end_of_month = _move("endOfMonth", lambda value, _a: _end_of_month(value))
first_business_day = _move("firstBusinessDayOfMonth", lambda value, _a: _first_business_day(value))
last_business_day = _move("lastBusinessDayOfMonth", lambda value, _a: _last_business_day(value))
next_day = _move("withNextDayOfWeek", _next_day)
first_of_the_month = _move("firstOfTheMonth", lambda value, a: _of_the_month(value, 1, read_day(a[0], "firstOfTheMonth")))
last_of_the_month = _move("lastOfTheMonth", _last_of_the_month)
nth_of_the_month = _move("ofTheMonth", _nth_of_the_month)


def tell_difference(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> dict[str, Any]:
    """Argument minus receiver in whole units, cut towards zero; months, years and business days by the receiver's calendar."""
    end = other(arguments[0], "diff")
    start = value.astimezone(UTC)
    told = _tell(start, end, value)
    return told | {"abs": {name: abs(each) if type(each) is int else each.lstrip("-") for name, each in told.items()}}


def _tell(start: datetime, end: datetime, receiver: datetime) -> dict[str, Any]:
    millis = (end - start) // _MILLISECOND if end >= start else -((start - end) // _MILLISECOND)
    from_day, to_day = receiver.replace(tzinfo=None), end.astimezone(receiver.tzinfo).replace(tzinfo=None)
    months = _count_months(from_day, to_day)
    sign = -1 if millis < 0 else 1
    return {
        "millis": millis,
        **{unit: sign * (abs(millis) // size) for unit, size in _UNITS.items()},
        "months": months,
        "years": months // 12 if months >= 0 else -(-months // 12),
        "businessDays": _count_business_days(from_day, to_day),
        "prettyPrint": _tell_in_words(from_day, to_day),
    }


def _count_months(start: datetime, end: datetime) -> int:
    """Whole months between, cut towards zero, as java.time counts them."""
    if end < start:
        return -_count_months(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - (1 if (end.day, end.time()) < (start.day, start.time()) else 0)


def _tell_in_words(start: datetime, end: datetime) -> str:
    if end < start:
        return "-" + _tell_in_words(end, start)
    months = _count_months(start, end)
    rest = end - add(start.replace(tzinfo=UTC), "months", months).replace(tzinfo=None)
    hours, seconds = divmod(rest.seconds, 3_600)
    counts = {
        "year": months // 12,
        "month": months % 12,
        "day": rest.days,
        "hour": hours,
        "minute": seconds // 60,
        "second": seconds % 60,
    }
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for unit, count in counts.items() if count) or "0 seconds"
