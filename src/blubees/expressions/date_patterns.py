"""Java's DateTimeFormatter patterns: writing and reading. Called by functions_dates.py and dates.py.

Letters and widths: the Java documentation of DateTimeFormatter, to which Atlassian's pages refer.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.locales import DEFAULT_LOCALE, Words, find_words, name_zone

PATTERN_MAX_CHARACTERS: Final = 200
_WIDTH_MAX: Final = 19
_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_WIDTHS: Final = {4: "wide", 5: "narrow"}
_Writer = Callable[[datetime, int, Words], str]


@lru_cache(maxsize=256)
def split_pattern(pattern: str) -> tuple[tuple[str, int] | str, ...]:
    """Split a pattern into letters with their widths, and literal texts.

    Raises:
        EvaluationError: too long, a letter that Java does not know, a quote that is not closed, braces.
    """
    if len(pattern) > PATTERN_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
    parts: list[tuple[str, int] | str] = []
    position = 0
    for found in _TOKEN.finditer(pattern):
        if found.start() != position:
            raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
        position = found.end()
        quoted, letter = found[1], found[2]
        if quoted is not None:
            parts.append(quoted.replace("''", "'") or "'")
        elif letter is None:
            if found[0] in "{}#":  # kept by Java for the future
                raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
            parts.append("" if found[0] in "[]" else found[0])  # an optional part is always there when writing
        elif letter not in _WRITERS or len(found[0]) > _WIDTH_MAX:
            raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
        else:
            parts.append((letter, len(found[0])))
    if position != len(pattern):
        raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
    return tuple(parts)


def format_date(value: datetime, pattern: str, locale: str = DEFAULT_LOCALE) -> str:
    """Write a date by a pattern. Raises EvaluationError for what is none."""
    words = find_words(locale)
    parts = split_pattern(pattern)
    return "".join(part if isinstance(part, str) else _WRITERS[part[0]](value, part[1], words) for part in parts)


def find_week(value: date, words: Words) -> tuple[int, int]:
    """Week year and week, as the locale counts weeks."""
    for year in (value.year + 1, value.year, value.year - 1):
        if 1 <= year <= 9_999 and (start := _first_week(year, words)) <= value.toordinal():  # noqa: PLR2004 - what a date holds
            return year, (value.toordinal() - start) // 7 + 1
    return value.year, 1


def _find_week_of_month(value: datetime, words: Words) -> int:
    behind = (value.replace(day=1).weekday() - words.first_week_day) % 7
    return (value.day - 1 + behind) // 7 + (1 if 7 - behind >= words.min_week_days else 0)


def _first_week(year: int, words: Words) -> int:
    first = date(year, 1, 1).toordinal()
    behind = (date(year, 1, 1).weekday() - words.first_week_day) % 7
    return first - behind if 7 - behind >= words.min_week_days else first - behind + 7


def _number(get: Callable[[datetime], int]) -> _Writer:
    return lambda value, width, _words: str(get(value)).rjust(width, "0")


def _write_year(year: int, width: int) -> str:
    return f"{year % 100:02d}" if width == 2 else str(year).rjust(width, "0")  # noqa: PLR2004 - "yy"


def _write_month(value: datetime, width: int, words: Words, *, stands: bool = False) -> str:
    if width < 3:  # noqa: PLR2004 - "MMM"
        return str(value.month).rjust(width, "0")
    return (words.standing_months if stands else words.months)[_WIDTHS.get(width, "abbreviated")][value.month]


def _write_quarter(value: datetime, width: int, _words: Words) -> str:
    quarter = (value.month + 2) // 3
    return str(quarter).rjust(width, "0") if width < 3 else f"Q{quarter}"  # noqa: PLR2004 - "QQQ"


def _write_day(value: datetime, width: int, words: Words) -> str:
    return words.days[_WIDTHS.get(width, "abbreviated")][value.weekday()]


def _write_local_day(value: datetime, width: int, words: Words) -> str:
    if width < 3:  # noqa: PLR2004 - "eee"
        return str((value.weekday() - words.first_week_day) % 7 + 1).rjust(width, "0")
    return _write_day(value, width, words)


def _offset(value: datetime) -> tuple[str, int, int]:
    minutes = round((value.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return "-" if minutes < 0 else "+", hours, rest


def _write_offset(value: datetime, width: int, *, zero: str) -> str:
    sign, hours, minutes = _offset(value)
    if zero and not hours and not minutes:
        return zero
    if width == 1:
        return f"{sign}{hours:02d}" + (f"{minutes:02d}" if minutes else "")
    colon = ":" if width in {3, 5} else ""
    return f"{sign}{hours:02d}{colon}{minutes:02d}"


def _write_gmt(value: datetime, width: int) -> str:
    sign, hours, minutes = _offset(value)
    if not hours and not minutes:
        return "GMT"
    if width == 4:  # noqa: PLR2004 - "OOOO"
        return f"GMT{sign}{hours:02d}:{minutes:02d}"
    return f"GMT{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


def _write_z(value: datetime, width: int, _words: Words) -> str:
    if width == 4:  # noqa: PLR2004 - "ZZZZ"
        return _write_gmt(value, 4)
    return _write_offset(value, 5, zero="Z") if width == 5 else _write_offset(value, 2, zero="")  # noqa: PLR2004 - "ZZZZZ"


def _write_zone_id(value: datetime, _width: int, _words: Words) -> str:
    return str(getattr(value.tzinfo, "key", "")) or ("Z" if not value.utcoffset() else _write_offset(value, 3, zero="Z"))


def _millis_of_day(value: datetime) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000 + value.microsecond // 1_000


_WRITERS: Final[dict[str, _Writer]] = {
    "G": lambda _v, width, words: words.eras[_WIDTHS.get(width, "abbreviated")][1],
    "u": lambda v, width, _w: _write_year(v.year, width),
    "y": lambda v, width, _w: _write_year(v.year, width),
    "Y": lambda v, width, words: _write_year(find_week(v.date(), words)[0], width),
    "w": lambda v, width, words: str(find_week(v.date(), words)[1]).rjust(width, "0"),
    "W": lambda v, width, words: str(_find_week_of_month(v, words)).rjust(width, "0"),
    "D": _number(lambda v: v.timetuple().tm_yday),
    "M": _write_month,
    "L": lambda v, width, words: _write_month(v, width, words, stands=True),
    "d": _number(lambda v: v.day),
    "Q": _write_quarter,
    "q": _write_quarter,
    "E": _write_day,
    "e": _write_local_day,
    "c": _write_local_day,
    "F": _number(lambda v: (v.day - 1) // 7 + 1),
    "a": lambda v, _width, words: words.half_days[v.hour >= 12],  # noqa: PLR2004 - noon
    "h": _number(lambda v: v.hour % 12 or 12),
    "K": _number(lambda v: v.hour % 12),
    "k": _number(lambda v: v.hour or 24),
    "H": _number(lambda v: v.hour),
    "m": _number(lambda v: v.minute),
    "s": _number(lambda v: v.second),
    "S": lambda v, width, _w: f"{v.microsecond:06d}".ljust(width, "0")[:width],
    "A": _number(_millis_of_day),
    "n": _number(lambda v: v.microsecond * 1_000),
    "N": _number(lambda v: _millis_of_day(v) * 1_000_000 + v.microsecond % 1_000 * 1_000),
    "V": _write_zone_id,
    "v": lambda v, width, words: name_zone(v, words.name, is_long=width > 3),  # noqa: PLR2004 - "vvvv"
    "z": lambda v, width, words: name_zone(v, words.name, is_long=width > 3),  # noqa: PLR2004 - "zzzz"
    "O": lambda v, width, _w: _write_gmt(v, width),
    "X": lambda v, width, _w: _write_offset(v, width, zero="Z"),
    "x": lambda v, width, _w: _write_offset(v, width, zero=""),
    "Z": _write_z,
}  # fmt: skip


# Reading. What a pattern does not say is 1 January, midnight, UTC; the year must be said.

_DIGITS: Final = {
    "M": "month",
    "L": "month",
    "d": "day",
    "D": "yday",
    "H": "hour",
    "h": "hour12",
    "K": "hour12",
    "k": "hour",
    "m": "minute",
    "s": "second",
}


def parse_date(text: str, pattern: str) -> datetime | None:
    """Read a date by a pattern, with English names; null where the text is not such a date.

    Raises:
        EvaluationError: the pattern is none, or has letters that can't be read back (weeks, quarters, eras).
    """
    found = _compile_reader(pattern).fullmatch(text.strip())
    if found is None:
        return None
    got = {name: value for name, value in found.groupdict().items() if value is not None}
    try:
        return _build(got)
    except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
        return None


@lru_cache(maxsize=256)
def _compile_reader(pattern: str) -> re.Pattern[str]:
    parts = split_pattern(pattern)
    names: set[str] = set()
    source = ""
    for index, part in enumerate(parts):
        if isinstance(part, str):
            source += re.escape(part)
            continue
        following = parts[index + 1] if index + 1 < len(parts) else ""
        name, inner = _read_part(part[0], part[1], is_fixed=not isinstance(following, str))
        if name and name in names:
            raise EvaluationError(EvaluationCode.BAD_PATTERN, "toDate")
        names.add(name)
        source += f"(?P<{name}>{inner})" if name else inner
    return re.compile(source, re.IGNORECASE | re.ASCII)


def _read_part(letter: str, width: int, *, is_fixed: bool) -> tuple[str, str]:
    """The name of what a letter reads, and the regular expression of its text; none of them can go back and forth for long."""
    words = find_words(DEFAULT_LOCALE)
    if letter in "uy":
        return ("shortYear", r"\d{2}") if width == 2 else ("year", r"\d{4}")  # noqa: PLR2004 - "yy"
    if letter in "ML" and width > 2:  # noqa: PLR2004 - "MMM"
        return "monthName", "|".join(map(re.escape, words.months[_WIDTHS.get(width, "abbreviated")].values()))
    if letter in _DIGITS:
        most = 3 if letter == "D" else 2
        return _DIGITS[letter], rf"\d{{{width}}}" if is_fixed or width >= most else rf"\d{{{width},{most}}}"
    if letter == "S":
        return "fraction", rf"\d{{{width}}}"
    if letter == "a":
        return "half", "am|pm"
    if letter == "E":
        days = words.days["wide" if width == 4 else "abbreviated"]  # noqa: PLR2004 - "EEEE"
        return "", "(?:" + "|".join(map(re.escape, days.values())) + ")"
    if letter in "XxZ":
        return "offset", r"Z|[+-]\d\d(?::?\d\d)?"
    if letter in "zV":
        return "zone", r"[A-Za-z]{1,32}(?:/[A-Za-z_+\d-]{1,32}){0,2}"
    raise EvaluationError(EvaluationCode.BAD_PATTERN, "toDate")


def _build(got: dict[str, str]) -> datetime:
    year = int(got["year"]) if "year" in got else 2_000 + int(got["shortYear"]) if "shortYear" in got else None
    if year is None:
        message = "a year is missing"
        raise ValueError(message)
    hour = int(got.get("hour", "0")) % 24
    if "hour12" in got:
        hour = int(got["hour12"]) % 12 + (12 if got.get("half", "am").lower() == "pm" else 0)
    zone: tzinfo = _read_offset(got["offset"]) if "offset" in got else ZoneInfo(got["zone"]) if "zone" in got else UTC
    microsecond = int(got.get("fraction", "0")[:6].ljust(6, "0"))
    made = datetime(
        year,
        _read_month(got),
        int(got.get("day", "1")),
        hour,
        int(got.get("minute", "0")),
        int(got.get("second", "0")),
        microsecond,
        zone,
    )
    return made.replace(month=1, day=1) + timedelta(days=int(got["yday"]) - 1) if "yday" in got else made


def _read_month(got: dict[str, str]) -> int:
    if "monthName" not in got:
        return int(got.get("month", "1"))
    months = find_words(DEFAULT_LOCALE).months
    name = got["monthName"].casefold()
    return next(number for width in months.values() for number, word in width.items() if word.casefold() == name)


def _read_offset(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
