"""When schedules are due: over clock changes, leap days and year ends, and after a standstill."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.flows.timing import MISSED_COUNTED, check_cron, find_next, is_time_zone, judge_tick
from blubees.model.schedule import Missed, Timing

MINUTE = 60_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def walk(cron: str, zone: str, start: str, count: int) -> list[str]:
    timing, now, found = Timing(cron=cron, time_zone=zone), at(start, zone), []
    for _ in range(count):
        now = find_next(timing, 0, now)
        found.append(datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M %z"))
    return found


CLOCK_CHANGES = {
    "Berlin skips 02:30": ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"]),
    "Berlin doubles 02:30": ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
    "New York skips 02:30": ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["03-08 03:00 -0400", "03-09 02:30 -0400"]),
    "New York doubles 01:30": (
        "30 1 * * *",
        "America/New_York",
        "2026-10-31T12:00",
        ["11-01 01:30 -0400", "11-02 01:30 -0500"],
    ),
    "Lord Howe skips half an hour": (
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00",
        ["10-04 02:30 +1100", "10-05 02:15 +1100"],
    ),
    "Lord Howe doubles half an hour": (
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T12:00",
        ["04-05 01:45 +1100", "04-06 01:45 +1030"],
    ),
    "every twenty minutes goes on": (
        "*/20 * * * *",
        "Europe/Berlin",
        "2026-03-29T01:30",
        ["03-29 01:40 +0100", "03-29 03:00 +0200"],
    ),
    "a leap day": ("0 9 29 2 *", "UTC", "2026-01-01T00:00", ["02-29 09:00 +0000", "02-29 09:00 +0000"]),
    "the year's end": ("59 23 31 12 *", "UTC", "2026-12-31T23:58", ["12-31 23:59 +0000", "12-31 23:59 +0000"]),
    "the month's last day": ("0 0 L * *", "Asia/Tokyo", "2026-02-01T00:00", ["02-28 00:00 +0900", "03-31 00:00 +0900"]),
}


@pytest.mark.parametrize("name", CLOCK_CHANGES)
def test_a_local_time_is_due_once_whatever_the_clock_does(name: str) -> None:
    cron, zone, start, expected = CLOCK_CHANGES[name]
    assert walk(cron, zone, start, len(expected)) == expected


def test_an_interval_does_not_drift_whenever_it_is_asked() -> None:
    timing, anchor = Timing(every_seconds=90), 7_000
    assert [find_next(timing, anchor, now) for now in (7_000, 7_001, 96_999, 97_000, 100_000)] == [
        97_000,
        97_000,
        97_000,
        187_000,
        187_000,
    ]


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 0 1 * *", "7 */2 * * *", "0,30 1-3 * * *", "0 12 * * MON-FRI"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    now=st.integers(at("2026-01-01T00:00"), at("2027-12-31T00:00")),
    away=st.integers(0, 40 * DAY),
)
def test_after_any_standstill_the_newest_tick_is_fired_and_the_next_is_ahead(cron: str, zone: str, now: int, away: int) -> None:
    timing = Timing(cron=cron, time_zone=zone)
    due = find_next(timing, 0, now)
    later = due + away
    tick = judge_tick(timing, 0, due, later)
    assert due <= tick.due_milliseconds <= later < tick.next_milliseconds
    assert find_next(timing, 0, tick.due_milliseconds) == tick.next_milliseconds, "no tick lies between"
    assert (tick.missed == 0) is (tick.due_milliseconds == due)


def test_missed_ticks_become_one_or_none() -> None:
    once, skip = Timing(every_seconds=3600), Timing(every_seconds=3600, missed=Missed.SKIP)
    due, now = HOUR, HOUR + 3 * HOUR + 10 * MINUTE
    tick = judge_tick(once, 0, due, now)
    assert (tick.due_milliseconds, tick.missed, tick.next_milliseconds) == (4 * HOUR, 3, 5 * HOUR)
    tick = judge_tick(skip, 0, due, now)
    assert (tick.due_milliseconds, tick.missed, tick.next_milliseconds) == (0, 4, 5 * HOUR)
    tick = judge_tick(skip, 0, due, 4 * HOUR + 1_000)
    assert (tick.due_milliseconds, tick.missed) == (4 * HOUR, 3), "the newest one is on time"
    assert judge_tick(skip, 0, due, due + 30_000).due_milliseconds == due
    assert judge_tick(Timing(cron="* * * * *"), 0, at("2026-01-01T00:00"), at("2027-01-01T00:00")).missed == MISSED_COUNTED


def test_a_tick_half_a_second_ahead_is_not_fired() -> None:
    due = at("2026-05-01T12:00")
    tick = judge_tick(Timing(cron="* * * * *"), 0, due, due + MINUTE - 500)
    assert (tick.due_milliseconds, tick.next_milliseconds) == (due, due + MINUTE)


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 31 2 *", "a b c d e", "1#2/2 * * * *", 5, "@daily"]
)
def test_what_is_no_cron_expression_is_told(text: object) -> None:
    assert check_cron(text)


@pytest.mark.parametrize("text", ["* * * * *", "30 7 * * MON-FRI", "0 0 L * *", "0 9 * * 1#2", " */5 8-18 1,15 JAN,JUL * "])
def test_what_is_one_is_taken(text: str) -> None:
    assert not check_cron(text)


def test_time_zones_are_iana_names() -> None:
    assert all(map(is_time_zone, ["UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
    assert not any(map(is_time_zone, ["", "Europe/Berlln", "../../etc/passwd", "/etc/localtime", "Europe", 3, "CEST+1"]))
