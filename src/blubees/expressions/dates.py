"""Dates, first cut: reading, writing by pattern, adding, comparing. Called by functions.py.

The whole date table, locales and business days come with the language's own issue.
"""

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter

_ISO: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?)?")
_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
PATTERN_MAX_CHARACTERS: Final = 200
NAMED: Final = {
    "jiraDate": "yyyy-MM-dd",
    "jqlDate": "yyyy-MM-dd",
    "jiraDateTime": "yyyy-MM-dd'T'HH:mm:ss.SZ",
    "jqlDateTime": "yyyy-MM-dd HH:mm",
    "shortDate": "M/d/yy",
    "shortTime": "h:mm a",
    "shortDateTime": "M/d/yy h:mm a",
    "mediumDate": "MMM d, yyyy",
    "mediumTime": "h:mm:ss a",
    "mediumDateTime": "MMM d, yyyy h:mm:ss a",
    "longDate": "MMMM d, yyyy",
    "fullDate": "EEEE, MMMM d, yyyy",
}
_MONTHS: Final = list(calendar.month_name)
_DAYS: Final = list(calendar.day_name)


def read_date(text: object, arguments: Sequence[Any] = ()) -> datetime | None:
    """Read an ISO 8601 date or date-time; no zone means UTC. What is not one is None. A pattern argument is not read yet."""
    if arguments:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "toDate")
    if isinstance(text, datetime):
        return text
    found = _ISO.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 64 else None  # noqa: PLR2004 - longer is no date
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        return datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microseconds, _read_zone(zone)
        )
    except ValueError:
        return None


def _read_zone(text: str | None) -> tzinfo:
    if text in (None, "Z"):
        return UTC
    return datetime.strptime(str(text).replace(":", ""), "%z").tzinfo or UTC


def format_date(value: datetime, pattern: str) -> str:
    """Write a date by a Java pattern; a letter that is not known is an error."""
    if len(pattern) > PATTERN_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
    return "".join(_write_token(value, found) for found in _TOKEN.finditer(pattern))


def _write_token(value: datetime, found: re.Match[str]) -> str:
    token, quoted, letter = found[0], found[1], found[2]
    if letter is None:
        return token if quoted is None else quoted.replace("''", "'") or "'"
    width = len(token)
    hour12 = (value.hour % 12) or 12
    numbers = {
        "d": value.day, "D": value.timetuple().tm_yday, "H": value.hour, "h": hour12, "k": value.hour or 24,
        "K": value.hour % 12, "m": value.minute, "s": value.second, "w": value.isocalendar()[1], "Q": (value.month + 2) // 3,
    }  # fmt: skip
    if letter in numbers:
        return str(numbers[letter]).rjust(width, "0")
    if letter in "yuY":
        year = value.isocalendar()[0] if letter == "Y" else value.year
        return str(year % 100).rjust(2, "0") if width == 2 else str(year).rjust(width, "0")  # noqa: PLR2004 - "yy"
    if letter == "M":
        name = _MONTHS[value.month]
        return str(value.month).rjust(width, "0") if width < 3 else name[:3] if width == 3 else name  # noqa: PLR2004 - "MMM"
    if letter == "E":
        name = _DAYS[value.weekday()]
        return name if width > 3 else name[:3]  # noqa: PLR2004 - "EEEE"
    if letter == "S":
        return f"{value.microsecond:06d}".ljust(width, "0")[:width]
    if letter == "a":
        return "AM" if value.hour < 12 else "PM"  # noqa: PLR2004 - noon
    if letter in "ZXz":
        return _write_zone(value, letter, width)
    raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")


def _write_zone(value: datetime, letter: str, width: int) -> str:
    offset = value.strftime("%z")[:5] or "+0000"
    if letter == "X":
        return "Z" if offset == "+0000" else offset[:3] + ":" + offset[3:] if width > 2 else offset  # noqa: PLR2004 - "XXX"
    return offset if letter == "Z" else value.tzname() or offset


def _whole(argument: object, name: str) -> int:
    if type(argument) is str and argument.strip().lstrip("-").isdecimal() and len(argument) < 12:  # noqa: PLR2004 - digits
        argument = int(argument)
    if type(argument) not in (int, float) or abs(argument) > 10_000_000_000:  # type: ignore[arg-type]  # noqa: PLR2004 - far out
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return int(argument)  # type: ignore[call-overload, no-any-return]


def shift(unit: str, sign: int) -> Callable[[Meter, Any, Sequence[Any]], Any]:
    """Give what adds or takes off so many units."""

    def shift(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
        amount = _whole(arguments[0], unit) * sign
        try:
            if unit in {"months", "years"}:
                return _add_months(value, amount * (12 if unit == "years" else 1))
            return value + timedelta(**{"milliseconds" if unit == "millis" else unit: amount})
        except (OverflowError, ValueError):
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT, unit) from None

    return shift


def _add_months(value: datetime, months: int) -> datetime:
    """Add months; the day is clamped to the month's last."""
    index = value.year * 12 + value.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:  # noqa: PLR2004 - what datetime holds
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "months")
    return value.replace(year=year, month=month + 1, day=min(value.day, calendar.monthrange(year, month + 1)[1]))


def other(argument: object, name: str) -> datetime:
    """An argument as a date."""
    date = read_date(argument)
    if date is None:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return date


def convert(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> datetime:
    """Tell the same instant in another zone."""
    try:
        return value.astimezone(ZoneInfo(str(arguments[0])[:64]))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "convertToTimeZone") from None


def difference(value: datetime, argument: object) -> dict[str, object]:
    """Argument minus receiver, in whole units."""
    seconds = (other(argument, "diff") - value).total_seconds()
    units = {"millis": 0.001, "seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
    return {unit: int(seconds / size) for unit, size in units.items()}
