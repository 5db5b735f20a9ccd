"""Dates as java.time knows them: reading, zones, adding, setting parts. Called by functions_dates.py and by steps that wait.

A date is an aware datetime; one that was given a locale is a LocalDate, which only this room knows.
"""

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blubees.expressions.conversions import as_number
from blubees.expressions.date_patterns import parse_date
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter
from blubees.expressions.locales import DEFAULT_LOCALE

_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_TEXT_MAX_CHARACTERS: Final = 200
_COUNT_MAX: Final = 10_000_000_000_000  # some 300 years of milliseconds
_ZONE: Final = re.compile(r"[A-Za-z][\w+\-]{0,31}(?:/[\w+\-]{1,32}){0,2}", re.ASCII)
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?")
_FIXED: Final = {
    "millis": timedelta(milliseconds=1),
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
}


class LocalDate(datetime):
    """A date that is written in the words of a locale."""

    locale: str = DEFAULT_LOCALE


def locale_of(value: datetime) -> str:
    """The locale a date is written in."""
    return value.locale if type(value) is LocalDate else DEFAULT_LOCALE


def with_locale(value: datetime, locale: str) -> datetime:
    """Give a date the words of a locale."""
    made = LocalDate.combine(value.date(), value.timetz())
    made.locale = locale
    return made


def keep_locale(before: datetime, after: datetime) -> datetime:
    """Give what was made of a date the locale that the date had."""
    if type(before) is not LocalDate:
        return after
    return with_locale(after, before.locale)


def make_plain(value: object) -> object:
    """Leave out the locale: what goes out of this room is a plain datetime."""
    if type(value) is LocalDate:
        return datetime.combine(value.date(), value.timetz())
    return [make_plain(each) for each in value] if type(value) is list else value


def read_date(text: object, arguments: Sequence[Any] = ()) -> datetime | None:
    """Read an ISO 8601 date or date-time, or by a Java pattern; no zone means UTC. What is not one is None."""
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str) or len(text) > _TEXT_MAX_CHARACTERS:
        return None
    if arguments:
        if type(arguments[0]) is not str:
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "toDate")
        return parse_date(text, arguments[0])
    found = _ISO.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            microseconds,
            _read_offset(zone),
        )
    except ValueError:
        return None


def _read_offset(text: str | None) -> tzinfo:
    if text in (None, "Z"):
        return UTC
    return datetime.strptime(str(text).replace(":", ""), "%z").tzinfo or UTC


def read_zone(name: object, function: str) -> tzinfo:
    """Give a zone by its name (`Europe/Berlin`) or offset (`+02:00`, `GMT+2`)."""
    text = name.strip() if type(name) is str and len(name) <= _TEXT_MAX_CHARACTERS else ""
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None and int(offset[2]) <= 18 and int(offset[3] or 0) < 60:  # noqa: PLR2004 - java.time's widest
        return _read_offset(f"{offset[1]}{int(offset[2]):02d}{offset[3] or '00'}")
    if _ZONE.fullmatch(text):
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # refused below, with the others
    raise EvaluationError(EvaluationCode.BAD_ARGUMENT, function)


def resolve(local: datetime, zone: tzinfo | None, preferred: timedelta | None) -> datetime:
    """Give the date of a wall clock as java.time does: forward over a gap; in an overlap the offset it had, else the earlier."""
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    if (first.utcoffset() or timedelta()) < (second.utcoffset() or timedelta()):  # a gap: no clock showed this
        return first.astimezone(UTC).astimezone(zone)
    return second if preferred is not None and preferred == second.utcoffset() else first


def convert(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
    """Tell the same instant in another zone."""
    return within("convertToTimeZone", lambda: value.astimezone(read_zone(arguments[0], "convertToTimeZone")))


def set_zone(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
    """Tell the same wall clock in another zone."""
    zone = read_zone(arguments[0], "setTimeZone")
    return within("setTimeZone", lambda: resolve(value, zone, value.utcoffset()))


def within(function: str, work: Callable[[], datetime]) -> datetime:
    """Do something that may leave what dates can hold (years 1 to 9999)."""
    try:
        made = work()
        made.astimezone(UTC)
    except (OverflowError, ValueError):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, function) from None
    return made


def as_count(argument: object, name: str) -> int:
    """An argument as a whole number of units; a fraction is cut."""
    number = as_number(argument)
    if number is None or not abs(number) <= _COUNT_MAX:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return int(number)


def other(argument: object, name: str) -> datetime:
    """An argument as a date, in UTC: two dates of one zone would be compared by their wall clocks."""
    date = read_date(argument)
    if date is None:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return date.astimezone(UTC)


def shift(unit: str, sign: int) -> Callable[[Meter, Any, Sequence[Any]], datetime]:
    """Give what adds or takes off so many units: hours and less on the time line, days and more on the calendar."""
    name = ("plus" if sign > 0 else "minus") + unit.title()

    def move(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
        return within(name, lambda: add(value, unit, as_count(arguments[0], name) * sign))

    return move


def add(value: datetime, unit: str, count: int) -> datetime:
    """Add so many units."""
    if unit in _FIXED:
        return (value.astimezone(UTC) + count * _FIXED[unit]).astimezone(value.tzinfo)
    local = value.replace(tzinfo=None)
    if unit in {"months", "years"}:
        moved = _add_months(local, count * (12 if unit == "years" else 1))
    else:
        moved = local + timedelta(days=count * (7 if unit == "weeks" else 1))
    return resolve(moved, value.tzinfo, value.utcoffset())


def _add_months(value: datetime, months: int) -> datetime:
    """Add months; the day is clamped to the month's last."""
    year, month = divmod(value.year * 12 + value.month - 1 + months, 12)
    if not 1 <= year <= 9_999:  # noqa: PLR2004 - what datetime holds
        raise OverflowError
    return value.replace(year=year, month=month + 1, day=min(value.day, calendar.monthrange(year, month + 1)[1]))


def set_part(part: str) -> Callable[[Meter, Any, Sequence[Any]], datetime]:
    """Give what sets one part of a date."""
    name = "with" + part[0].upper() + part[1:]

    def put(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
        count = as_count(arguments[0], name)
        return within(
            name, lambda: resolve(_put_part(value.replace(tzinfo=None), part, count), value.tzinfo, value.utcoffset())
        )

    return put


def _put_part(value: datetime, part: str, count: int) -> datetime:
    if part == "dayOfMonth":
        return value.replace(day=count)
    if part == "dayOfYear":
        moved = value.replace(month=1, day=1) + timedelta(days=count - 1)
        if moved.year != value.year:
            raise ValueError
        return moved
    if part in {"month", "year"}:  # the day is clamped, as java.time does
        if part == "month" and not 1 <= count <= 12:  # noqa: PLR2004 - months
            raise ValueError
        return _add_months(value, count - value.month if part == "month" else 12 * (count - value.year))
    return _PUT[part](value, count)


_PUT: Final[dict[str, Callable[[datetime, int], datetime]]] = {
    "hour": lambda value, count: value.replace(hour=count),
    "minute": lambda value, count: value.replace(minute=count),
    "second": lambda value, count: value.replace(second=count),
    "millis": lambda value, count: value.replace(microsecond=count * 1_000),
}
