"""Dates of smart values are java.time's: patterns, zones with their gaps, locales, business days, differences."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.template import compile_template

MOMENT = datetime(1979, 11, 1, 6, 23, 12, 34_000, tzinfo=ZoneInfo("America/New_York"))
NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def work_out(expression: str, **more: object) -> object:
    return compile_template("{{" + expression + "}}").value({"now": NOW, "moment": MOMENT} | more)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('concat("")', "1979-11-01T11:23:12.0+0000"),
        ("jiraDate", "1979-11-01"),
        ("jiraDateTime", "1979-11-01T06:23:12.0-0500"),
        ("jqlDate", "1979-11-01"),
        ("jqlDateTime", "1979-11-01 06:23"),
        ("shortDate", "11/1/79"),
        ("shortTime", "6:23 AM"),
        ("shortDateTime", "11/1/79 6:23 AM"),
        ("mediumDate", "Nov 1, 1979"),
        ("mediumTime", "6:23:12 AM"),
        ("mediumDateTime", "Nov 1, 1979 6:23:12 AM"),
        ("longDate", "November 1, 1979"),
        ("longTime", "6:23:12 AM EST"),
        ("longDateTime", "November 1, 1979, 6:23:12 AM EST"),
        ("fullDate", "Thursday, November 1, 1979"),
        ("fullTime", "6:23:12 AM Eastern Standard Time"),
        ("fullDateTime", "Thursday, November 1, 1979, 6:23:12 AM Eastern Standard Time"),
        ("asLongDate", "November 1, 1979"),
        ("toMillis", 310303392034),
        ("toSeconds", 310303392),
        ("toMinutes", 5171723),
        ("toHours", 86195),
        ("toDays", 3591),
    ],
)
def test_named_formats_are_those_that_atlassian_prints(name: str, expected: object) -> None:
    assert work_out(f"moment.{name}") == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dd/MM/yyyy", "01/11/1979"),
        ("d MMM yy", "1 Nov 79"),
        ("EEEE d MMMM u", "Thursday 1 November 1979"),
        ("EEEEE MMMMM", "T N"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "1979-11-01T06:23:12.034-05:00"),
        ("hh 'o''clock' a, zzzz", "06 o'clock AM, Eastern Standard Time"),
        ("H:m:s K k h", "6:23:12 6 6 6"),
        ("D w W e Q QQQ q", "305 44 1 5 4 Q4 4"),
        ("X XX XXX x Z ZZZZ ZZZZZ O OOOO", "-05 -0500 -05:00 -05 -0500 GMT-05:00 -05:00 GMT-5 GMT-05:00"),
        ("VV z", "America/New_York EST"),
        ("G yyyy''", "AD 1979'"),
        ("A n", "22992034 34000000"),
        ("Y-w", "1979-44"),
        ("[yyyy]", "1979"),
    ],
)
def test_java_patterns_are_written(pattern: str, expected: str) -> None:
    assert work_out(f'moment.format("{pattern}")') == expected


@pytest.mark.parametrize("pattern", ["b", "yyyy'", "{yyyy}", "#", "y" * 20, "d" * 300, "'" * 3])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        work_out("now.format(pattern)", pattern=pattern)
    assert caught.value.code is EvaluationCode.BAD_PATTERN


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en_US", "Tuesday, November 24, 2026"),
        ("en_GB", "Tuesday, 24 November 2026"),
        ("de", "Dienstag, 24. November 2026"),
        ("fr", "mardi 24 novembre 2026"),
        ("fr_CA", "mardi 24 novembre 2026"),
        ("es", "martes, 24 de noviembre de 2026"),
        ("pt_BR", "terça-feira, 24 de novembro de 2026"),
        ("it", "martedì 24 novembre 2026"),
        ("nl", "dinsdag 24 november 2026"),
        ("ja", "2026年11月24日火曜日"),
        ("pl", "wtorek, 24 listopada 2026"),
        ("sv", "tisdag 24 november 2026"),
        ("de-AT", "Dienstag, 24. November 2026"),
        ("de_XX", "Dienstag, 24. November 2026"),
        ("klingon", "Tuesday, November 24, 2026"),
        ("../../etc/passwd", "Tuesday, November 24, 2026"),
    ],
)
def test_a_locale_writes_dates_in_its_words(locale: str, expected: str) -> None:
    assert work_out(f'now.withLocale("{locale}").fullDate') == expected
    assert work_out(f'now.locale("{locale}").plusDays(0).startOfDay.fullDate') == expected


def test_weeks_begin_where_the_locale_says() -> None:
    assert work_out('now.format("e")') == "3"  # Tuesday, from Sunday
    assert work_out('now.locale("en_GB").format("e")') == "2"
    assert work_out('"2027-01-01".toDate.locale("en_GB").format("YYYY-ww")') == "2026-53"
    assert work_out('"2027-01-01".toDate.format("YYYY-ww")') == "2027-01"


def test_a_date_that_leaves_the_language_is_a_plain_one() -> None:
    assert type(work_out('now.withLocale("fr")')) is datetime


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('convertToTimeZone("Australia/Sydney").jqlDateTime', "2026-11-24 22:00"),
        ('setTimeZone("Australia/Sydney").convertToTimeZone("UTC").jqlDateTime', "2026-11-24 00:00"),
        ('convertToTimeZone("+05:30").format("HH:mm XXX")', "16:30 +05:30"),
        ('convertToTimeZone("GMT+2").format("HH:mm")', "13:00"),
    ],
)
def test_zones(expression: str, expected: str) -> None:
    assert work_out(f"now.{expression}") == expected


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../../etc/passwd", "+25:00", "", "x" * 5_000])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        work_out("now.convertToTimeZone(zone)", zone=zone)
    assert caught.value.code is EvaluationCode.BAD_ARGUMENT


@pytest.mark.parametrize(
    ("start", "move", "expected"),
    [
        ("2026-03-28T02:30", "plusDays(1)", "2026-03-29T03:30+02:00"),  # the gap: forward by its length
        ("2026-03-28T02:30", "plusHours(24)", "2026-03-29T03:30+02:00"),
        ("2026-03-29T01:30", "plusHours(1)", "2026-03-29T03:30+02:00"),
        ("2026-10-24T02:30", "plusDays(1)", "2026-10-25T02:30+02:00"),  # the overlap: the offset it had
        ("2026-10-26T02:30", "minusDays(1)", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:30", "plusHours(1)", "2026-10-25T02:30+01:00"),
        ("2026-01-31T10:00", "plusMonths(1)", "2026-02-28T10:00+01:00"),
        ("2024-02-29T10:00", "plusYears(1)", "2025-02-28T10:00+01:00"),
        ("2026-01-31T10:00", "withMonth(4)", "2026-04-30T10:00+02:00"),
        ("2026-03-28T12:00", "withDayOfMonth(29).withHour(2)", "2026-03-29T03:00+02:00"),
    ],
)
def test_summer_time_is_met_as_java_does(start: str, move: str, expected: str) -> None:
    day = f'"{start}".toDate.setTimeZone("Europe/Berlin")'
    assert work_out(day + f".{move}.format(\"yyyy-MM-dd'T'HH:mmXXX\")") == expected


def test_dates_of_one_zone_are_compared_on_the_time_line() -> None:
    early = '"2026-10-25T00:30:00Z".toDate.convertToTimeZone("Europe/Berlin")'  # 02:30, summer
    late = '"2026-10-25T01:15:00Z".toDate.convertToTimeZone("Europe/Berlin")'  # 02:15, winter
    assert work_out(f"{late}.isAfter({early})") is True
    assert work_out(f"{late}.compareTo({early})") == 1


@pytest.mark.parametrize(
    ("start", "move", "expected"),
    [
        ("2026-11-27", "plusBusinessDays(1)", "2026-11-30"),
        ("2026-11-28", "plusBusinessDays(1)", "2026-11-30"),
        ("2026-11-29", "minusBusinessDays(1)", "2026-11-27"),
        ("2026-11-24", "plusBusinessDays(0)", "2026-11-24"),
        ("2026-11-24", "plusBusinessDays(-2)", "2026-11-20"),
        ("2026-11-28", "toBusinessDay", "2026-11-30"),
        ("2026-11-28", "toBusinessDayBackwards", "2026-11-27"),
        ("2026-11-27", "toBusinessDay", "2026-11-27"),
        ("2026-08-15", "firstBusinessDayOfMonth", "2026-08-03"),
        ("2026-05-15", "lastBusinessDayOfMonth", "2026-05-29"),
        ("2026-11-24", 'withNextDayOfWeek("TUE")', "2026-12-01"),
        ("2026-11-24", 'withNextDayOfWeek("Wednesday")', "2026-11-25"),
        ("2026-11-24", "firstOfTheMonth(7)", "2026-11-01"),
        ("2026-11-24", "lastOfTheMonth(1)", "2026-11-30"),
        ("2026-11-24", "ofTheMonth(5, 1)", "2026-11-30"),
    ],
)
def test_business_days_and_days_of_the_month(start: str, move: str, expected: str) -> None:
    assert work_out(f'"{start}".toDate.{move}.jiraDate') == expected


@given(st.dates(min_value=datetime(2020, 1, 1, tzinfo=UTC).date()), st.integers(-300, 300))
def test_business_days_added_are_business_days_between(day: object, count: int) -> None:
    start = f'"{day}".toDate.toBusinessDay'
    try:
        moved = work_out(f"{start}.plusBusinessDays({count})")
    except EvaluationError:
        return  # past the year 9999
    assert work_out(f"{start}.diff(moved).businessDays", moved=moved) == count


@pytest.mark.parametrize(
    ("other", "unit", "expected"),
    [
        ("2026-11-26T12:30:05Z", "prettyPrint", "2 days 1 hour 30 minutes 5 seconds"),
        ("2026-11-24T11:00:00Z", "prettyPrint", "0 seconds"),
        ("2025-10-20T11:00:00Z", "prettyPrint", "-1 year 1 month 4 days"),
        ("2026-11-22T11:00:00Z", "days", -2),
        ("2026-11-22T11:00:00Z", "days.abs", 2),
        ("2026-11-22T11:00:00Z", "abs.days", 2),
        ("2026-11-24T11:00:01.5Z", "millis", 1500),
        ("2026-11-24T10:59:58.5Z", "seconds", -1),
        ("2027-12-24T10:00:00Z", "months", 12),
        ("2027-12-24T11:00:00Z", "months", 13),
        ("2028-11-24T11:00:00Z", "years", 2),
        ("2026-12-08T11:00:00Z", "weeks", 2),
        ("2026-12-01", "businessDays", 5),
    ],
)
def test_differences_are_argument_minus_receiver(other: str, unit: str, expected: object) -> None:
    assert work_out(f'now.diff("{other}").{unit}') == expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("24/11/2026", "dd/MM/yyyy", "2026-11-24T00:00:00.0+0000"),
        ("24 nov 26 3:05 pm", "d MMM yy h:mm a", "2026-11-24T15:05:00.0+0000"),
        ("20261124", "yyyyMMdd", "2026-11-24T00:00:00.0+0000"),
        ("2026-11-24T11:00:00+02:00", "yyyy-MM-dd'T'HH:mm:ssXXX", "2026-11-24T09:00:00.0+0000"),
        ("2026 Europe/Berlin", "yyyy VV", "2025-12-31T23:00:00.0+0000"),
        ("Tuesday 24 November 2026", "EEEE d MMMM yyyy", "2026-11-24T00:00:00.0+0000"),
        ("31/02/2026", "dd/MM/yyyy", ""),
        ("tomorrow", "dd/MM/yyyy", ""),
    ],
)
def test_texts_are_read_by_patterns(text: str, pattern: str, expected: str) -> None:
    assert compile_template('{{text.toDate("' + pattern + '")}}').text({"text": text}) == expected


@pytest.mark.parametrize(
    "call",
    [
        "plusYears(9000)",
        "plusMillis(99999999999999)",
        "withMonth(13)",
        "withDayOfMonth(32)",
        "ofTheMonth(5, 6)",
        'plusDays("x")',
    ],
)
def test_what_no_calendar_has_is_refused(call: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        work_out(f'"2026-11-24".toDate.{call}')
    assert caught.value.code is EvaluationCode.BAD_ARGUMENT
