"""The functions on dates. Called through functions.py."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from blubees.expressions.dates import NAMED, convert, difference, format_date, other, shift
from blubees.expressions.signatures import Function, function
from blubees.expressions.values import write_date

_SHOWN: Final = datetime(2026, 11, 23, 6, 23, 12, tzinfo=UTC)
_DAY: Final = '"2026-11-23T06:23:12Z".toDate()'


def _list_named() -> Iterator[Function]:
    """Named formats, with and without `as`."""
    for name, pattern in NAMED.items():
        for called in (name, "as" + name[0].upper() + name[1:]):
            call = lambda _m, v, _a, pattern=pattern: format_date(v, pattern)  # noqa: E731 - a row of a table
            yield function(f"date.{called}() -> text", call, f"{_DAY}.{called}()", format_date(_SHOWN, pattern))


def _list_shifts() -> Iterator[Function]:
    """PlusDays and its like."""
    for unit in ("Millis", "Seconds", "Minutes", "Hours", "Days", "Weeks", "Months", "Years"):
        for word, sign in (("plus", 1), ("minus", -1)):
            moved = shift(unit.lower(), sign)
            shown = write_date(moved(None, _SHOWN, (1,)))  # type: ignore[arg-type]
            yield function(f"date.{word}{unit}(count: number) -> date", moved, f'{_DAY}.{word}{unit}(1).concat("")', shown)


DATE: Final[tuple[Function, ...]] = (
    function("date.format(pattern: text) -> text", lambda _m, v, a: format_date(v, str(a[0])), f'{_DAY}.format("dd/MM/yyyy HH:mm")', "23/11/2026 06:23"),
    function("date.as(pattern: text) -> text", lambda _m, v, a: format_date(v, str(a[0])), f'{_DAY}.as("EEE")', "Mon"),
    function("date.isAfter(other: date) -> boolean", lambda _m, v, a: v > other(a[0], "isAfter"), f'{_DAY}.isAfter("2026-01-01")', True),
    function("date.isBefore(other: date) -> boolean", lambda _m, v, a: v < other(a[0], "isBefore"), f'{_DAY}.isBefore("2026-01-01")', False),
    function("date.isEquals(other: date) -> boolean", lambda _m, v, a: v == other(a[0], "isEquals"), f"{_DAY}.isEquals({_DAY})", True),
    function("date.diff(other: date) -> object", lambda _m, v, a: difference(v, a[0]), f'{_DAY}.diff("2026-11-25T06:23:12Z").days', 2),
    function("date.convertToTimeZone(zone: text) -> date", convert, f'{_DAY}.convertToTimeZone("Europe/Berlin").format("HH:mm")', "07:23"),
    function("date.toDate() -> date", lambda _m, v, _a: v, f"{_DAY}.toDate().jqlDate()", "2026-11-23"),
    function("date.dayOfMonth() -> number", lambda _m, v, _a: v.day, f"{_DAY}.dayOfMonth()", 23),
    function("date.dayOfWeek() -> number", lambda _m, v, _a: v.isoweekday(), f"{_DAY}.dayOfWeek()", 1),
    *_list_named(),
    *_list_shifts(),
)  # fmt: skip
