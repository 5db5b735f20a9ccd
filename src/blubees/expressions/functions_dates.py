"""The functions on dates. Called through functions.py."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from blubees.expressions import calendars
from blubees.expressions.conversions import as_text
from blubees.expressions.date_patterns import find_week, format_date
from blubees.expressions.dates import convert, keep_locale, locale_of, other, set_part, set_zone, shift, with_locale
from blubees.expressions.limits import Meter
from blubees.expressions.locales import NAMED_FORMATS, find_words
from blubees.expressions.signatures import Function, Implementation, function
from blubees.expressions.values import write_date

_SHOWN: Final = datetime(2026, 11, 23, 6, 23, 12, tzinfo=UTC)
_DAY: Final = '"2026-11-23T06:23:12Z".toDate()'
_FIXED_FORMATS: Final = {
    "jiraDate": "yyyy-MM-dd",
    "jqlDate": "yyyy-MM-dd",
    "jiraDateTime": "yyyy-MM-dd'T'HH:mm:ss.SZ",
    "jqlDateTime": "yyyy-MM-dd HH:mm",
}
_SINCE: Final = {"toMillis": 1, "toSeconds": 1_000, "toMinutes": 60_000, "toHours": 3_600_000, "toDays": 86_400_000}
_PARTS: Final = ("year", "month", "dayOfMonth", "dayOfYear", "hour", "minute", "second", "millis")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _moved(call: Implementation) -> Implementation:
    """A function that gives a date: what it gives keeps the receiver's locale."""
    return lambda meter, value, arguments: keep_locale(value, call(meter, value, arguments))


def _format(meter: Meter, value: datetime, arguments: Sequence[Any]) -> str:
    return format_date(value, as_text(meter, arguments[0]), locale_of(value))


def _named(name: str) -> Implementation:
    if name in _FIXED_FORMATS:
        return lambda _m, value, _a: format_date(value, _FIXED_FORMATS[name])
    return lambda _m, value, _a: format_date(value, find_words(locale_of(value)).formats[name], locale_of(value))


def _millis(value: datetime) -> int:
    since = value.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def _since(size: int) -> Implementation:
    return lambda _m, value, _a: _millis(value) // size


def _compare(_meter: Meter, value: datetime, arguments: Sequence[Any]) -> int:
    mine, theirs = value.astimezone(UTC), other(arguments[0], "compareTo")
    return (mine > theirs) - (mine < theirs)


def _week(_meter: Meter, value: datetime, _arguments: Sequence[Any]) -> int:
    return find_week(value.date(), find_words(locale_of(value)))[1]


def _list_named() -> Iterator[Function]:
    """Named formats, with and without `as`."""
    for name in (*_FIXED_FORMATS, *NAMED_FORMATS):
        call = _named(name)
        for called in (name, "as" + name[0].upper() + name[1:]):
            yield function(f"date.{called}() -> text", call, f"{_DAY}.{called}()", str(call(None, _SHOWN, ())))  # type: ignore[arg-type]
    for name, size in _SINCE.items():
        yield function(f"date.{name}() -> number", _since(size), f"{_DAY}.{name}()", _millis(_SHOWN) // size)


def _list_shifts() -> Iterator[Function]:
    """PlusDays and its like."""
    for unit in ("Millis", "Seconds", "Minutes", "Hours", "Days", "Weeks", "Months", "Years"):
        for word, sign in (("plus", 1), ("minus", -1)):
            moved = shift(unit.lower(), sign)
            shown = write_date(moved(None, _SHOWN, (1,)))  # type: ignore[arg-type]
            yield function(
                f"date.{word}{unit}(count: number) -> date", _moved(moved), f'{_DAY}.{word}{unit}(1).concat("")', shown
            )


def _list_parts() -> Iterator[Function]:
    """Parts of a date, and what sets them."""
    for name, size, value in zip(_PARTS, (2030, 2, 1, 32, 5, 5, 5, 5), (2026, 11, 23, 327, 6, 23, 12, 0), strict=True):
        put = set_part(name)
        capital = name[0].upper() + name[1:]
        shown = write_date(put(None, _SHOWN, (size,)))  # type: ignore[arg-type]
        yield function(
            f"date.with{capital}(value: number) -> date", _moved(put), f'{_DAY}.with{capital}({size}).concat("")', shown
        )
        yield function(f"date.{name}() -> number", _PART_READERS[name], f"{_DAY}.{name}()", value)


_PART_READERS: Final[dict[str, Implementation]] = {
    "year": lambda _m, v, _a: v.year,
    "month": lambda _m, v, _a: v.month,
    "dayOfMonth": lambda _m, v, _a: v.day,
    "dayOfYear": lambda _m, v, _a: v.timetuple().tm_yday,
    "hour": lambda _m, v, _a: v.hour,
    "minute": lambda _m, v, _a: v.minute,
    "second": lambda _m, v, _a: v.second,
    "millis": lambda _m, v, _a: v.microsecond // 1_000,
}

DATE: Final[tuple[Function, ...]] = (
    function("date.format(pattern: text) -> text", _format, f'{_DAY}.format("dd/MM/yyyy HH:mm")', "23/11/2026 06:23"),
    function("date.as(pattern: text) -> text", _format, f'{_DAY}.as("EEE")', "Mon"),
    function("date.withLocale(locale: text) -> date", lambda m, v, a: with_locale(v, as_text(m, a[0])), f'{_DAY}.withLocale("fr").asFullDate()', "lundi 23 novembre 2026"),
    function("date.locale(locale: text) -> date", lambda m, v, a: with_locale(v, as_text(m, a[0])), f'{_DAY}.locale("de").format("EEEE")', "Montag"),
    function("date.convertToTimeZone(zone: text) -> date", _moved(convert), f'{_DAY}.convertToTimeZone("Europe/Berlin").format("HH:mm z")', "07:23 CET"),
    function("date.setTimeZone(zone: text) -> date", _moved(set_zone), f'{_DAY}.setTimeZone("Europe/Berlin").format("HH:mm z")', "06:23 CET"),
    function("date.toDate() -> date", lambda _m, v, _a: v, f"{_DAY}.toDate().jqlDate()", "2026-11-23"),
    function("date.isAfter(other: date) -> boolean", lambda _m, v, a: v.astimezone(UTC) > other(a[0], "isAfter"), f'{_DAY}.isAfter("2026-01-01")', True),
    function("date.isBefore(other: date) -> boolean", lambda _m, v, a: v.astimezone(UTC) < other(a[0], "isBefore"), f'{_DAY}.isBefore("2026-01-01")', False),
    function("date.isEquals(other: date) -> boolean", lambda _m, v, a: v.astimezone(UTC) == other(a[0], "isEquals"), f"{_DAY}.isEquals({_DAY})", True),
    function("date.compareTo(other: date) -> number", _compare, f'{_DAY}.compareTo("2026-01-01")', 1),
    function("date.diff(other: date) -> object", calendars.tell_difference, f'{_DAY}.diff("2026-11-25T09:23:12Z").prettyPrint', "2 days 3 hours"),
    function("date.dayOfWeek() -> number", lambda _m, v, _a: v.isoweekday(), f"{_DAY}.dayOfWeek()", 1),
    function("date.dayOfWeekName() -> text", lambda _m, v, _a: format_date(v, "EEEE", locale_of(v)), f"{_DAY}.dayOfWeekName()", "Monday"),
    function("date.monthName() -> text", lambda _m, v, _a: format_date(v, "MMMM", locale_of(v)), f"{_DAY}.monthName()", "November"),
    function("date.weekOfYear() -> number", _week, f"{_DAY}.weekOfYear()", 48),
    function("date.plusBusinessDays(count: number) -> date", _moved(calendars.shift_business_days(1)), f"{_DAY}.plusBusinessDays(5).jiraDate()", "2026-11-30"),
    function("date.minusBusinessDays(count: number) -> date", _moved(calendars.shift_business_days(-1)), f"{_DAY}.minusBusinessDays(1).jiraDate()", "2026-11-20"),
    function("date.toBusinessDay() -> date", _moved(calendars.to_business_day(1)), '"2026-11-21".toDate().toBusinessDay().jiraDate()', "2026-11-23"),
    function("date.toBusinessDayBackwards() -> date", _moved(calendars.to_business_day(-1)), '"2026-11-21".toDate().toBusinessDayBackwards().jiraDate()', "2026-11-20"),
    function("date.withNextDayOfWeek(day: any) -> date", _moved(calendars.next_day), f'{_DAY}.withNextDayOfWeek("MON").jiraDate()', "2026-11-30"),
    function("date.startOfDay() -> date", _moved(calendars.start_of_day), f"{_DAY}.startOfDay().jqlDateTime()", "2026-11-23 00:00"),
    function("date.endOfDay() -> date", _moved(calendars.end_of_day), f"{_DAY}.endOfDay().jqlDateTime()", "2026-11-23 23:59"),
    function("date.startOfMonth() -> date", _moved(calendars.start_of_month), f"{_DAY}.startOfMonth().jqlDateTime()", "2026-11-01 00:00"),
    function("date.endOfMonth() -> date", _moved(calendars.end_of_month), f"{_DAY}.endOfMonth().jqlDateTime()", "2026-11-30 23:59"),
    function("date.firstBusinessDayOfMonth() -> date", _moved(calendars.first_business_day), f"{_DAY}.firstBusinessDayOfMonth().jiraDate()", "2026-11-02"),
    function("date.lastBusinessDayOfMonth() -> date", _moved(calendars.last_business_day), f"{_DAY}.lastBusinessDayOfMonth().jiraDate()", "2026-11-30"),
    function("date.firstOfTheMonth(day: any) -> date", _moved(calendars.first_of_the_month), f"{_DAY}.firstOfTheMonth(1).jiraDate()", "2026-11-02"),
    function("date.lastOfTheMonth(day: any) -> date", _moved(calendars.last_of_the_month), f'{_DAY}.lastOfTheMonth("FRI").jiraDate()', "2026-11-27"),
    function("date.ofTheMonth(number: number, day: any) -> date", _moved(calendars.nth_of_the_month), f"{_DAY}.ofTheMonth(3, 2).jiraDate()", "2026-11-17"),
    *_list_named(),
    *_list_shifts(),
    *_list_parts(),
)  # fmt: skip
