"""Jira's schedules (Quartz cron, fixed rates, recurrence rules) as ours. Called by triggers.py."""

import re
from collections.abc import Mapping
from typing import Any, Final

from blubees.flows.jira_rules.build import UntranslatableError
from blubees.flows.jira_rules.export import read_text
from blubees.flows.jira_rules.note import Note

SECONDS: Final = (60, 2_592_000)
_CRON_PART: Final = re.compile(
    r"([A-Z]{3}|\d{1,2})(?:-([A-Z]{3}|\d{1,2}))?(?:/(\d{1,4}))?|\*/(\d{1,4})|(L)|([1-7])L|([A-Z]{3}|[1-7])#([1-5])"
)
_LASTS: Final = (59, 23, 31, 12, 7)  # of minute, hour, day of month, month, day of week
_UNITS: Final = {"MINUTES": 60, "MINUTE": 60, "HOURS": 3_600, "HOUR": 3_600, "DAYS": 86_400, "DAY": 86_400, "WEEKS": 604_800}
_PERIODS: Final = {"MINUTELY": 60, "HOURLY": 3_600, "DAILY": 86_400, "WEEKLY": 604_800}
_DAYS: Final = {"MO": "MON", "TU": "TUE", "WE": "WED", "TH": "THU", "FR": "FRI", "SA": "SAT", "SU": "SUN"}


def write_schedule(value: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """Write `cron` and `time_zone`, or `every_seconds`.

    Raises:
        UntranslatableError: neither can say when it is due.
    """
    given = value.get("schedule")
    schedule: Mapping[str, Any] = given if isinstance(given, dict) else value
    zone = read_text(schedule.get("timezone", schedule.get("timeZone", value.get("timezone", value.get("timeZone")))), 60)
    cron = read_text(schedule.get("cronExpression", value.get("cronExpression")), 200).strip()
    rule = schedule.get("rRule", schedule.get("rrule"))
    text = read_text(rule.get("value", rule.get("rule")) if isinstance(rule, dict) else rule, 500).strip()
    method = read_text(schedule.get("method"), 20).upper()
    if cron and method not in {"FIXED", "BASIC"}:
        return _with_zone({"cron": write_cron(cron, note)}, zone, note)
    if text:
        return _with_zone(_write_recurrence(text, note), zone, note)
    return {"every_seconds": _write_interval(schedule, note)}


def write_cron(quartz: str, note: Note) -> str:
    """Write a Quartz expression (seconds first, days of the week from Sunday = 1) as ours.

    Raises:
        UntranslatableError: it has a form that ours has not.
    """
    parts = quartz.upper().split()
    if len(parts) == 5:  # noqa: PLR2004 - without seconds, as Unix has it
        return " ".join(parts).replace("?", "*")
    if len(parts) not in {6, 7}:
        raise UntranslatableError("Its cron expression has neither five, six nor seven parts.", "Write the schedule by hand.")
    if parts[0] not in {"0", "*"}:
        note.approximate("It is due on the minute: seconds are left out.")
    if len(parts) == 7 and parts[6] not in {"*", "?"}:  # noqa: PLR2004 - the last is the year
        note.approximate("The years of its cron expression are left out.")
    return " ".join(_write_part(part, place) for place, part in enumerate(parts[1:6]))


def _write_part(part: str, place: int) -> str:
    written = []
    for each in part.split(","):
        if each in {"*", "?"}:
            written.append("*")
            continue
        found = _CRON_PART.fullmatch(each)
        if found is None:
            raise UntranslatableError(
                "Its cron expression has a form that is not known here (such as W).", "Write the schedule by hand."
            )
        first, last, step, starred, end, last_day, day, week = found.groups()
        if end:
            written.append("L" if place == 2 else "6")  # noqa: PLR2004 - of the month; of the week it is Saturday
        elif last_day:
            written.append(f"{_shift(last_day, place)}L")
        elif starred:
            written.append(f"*/{starred}")
        elif week:
            written.append(f"{_shift(day, place)}#{week}")
        else:
            until = f"-{_shift(last, place)}" if last else f"-{_LASTS[place] - (place == 4)}" if step else ""  # noqa: PLR2004 - the week's days
            written.append(f"{_shift(first, place)}{until}{f'/{step}' if step else ''}")
    return ",".join(written)


def _shift(part: str, place: int) -> str:
    """Quartz counts days of the week from Sunday = 1, we from Sunday = 0."""
    return str(int(part) - 1) if place == 4 and part.isdecimal() and int(part) else part  # noqa: PLR2004 - the day of the week


def _with_zone(made: dict[str, Any], zone: str, note: Note) -> dict[str, Any]:
    if "cron" not in made:
        return made
    if zone:
        return made | {"time_zone": zone}
    note.approximate("The export does not say in which time zone it is due.", "Check time_zone: it is UTC here.")
    return made


def _write_interval(schedule: Mapping[str, Any], note: Note) -> int:
    rate, unit = schedule.get("rate"), schedule.get("rateInterval", schedule.get("rateUnit"))
    seconds: object = schedule.get("intervalMinutes")
    if isinstance(seconds, int):
        seconds *= 60
    elif isinstance(rate, int) and rate > 0:
        each = (
            _UNITS.get(read_text(unit, 20).upper(), 0)
            if isinstance(unit, str) and not unit.isdecimal()
            else int(read_text(unit, 9) or 1)
            if read_text(unit, 9).isdecimal()
            else 1
        )
        seconds = rate * each
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        raise UntranslatableError("It does not say when it is due in a form that is known.", "Write the schedule by hand.")
    if not SECONDS[0] <= seconds <= SECONDS[1]:
        note.approximate(f"It is due every {seconds} seconds in Jira; allowed are {SECONDS[0]} to {SECONDS[1]}.")
    note.approximate("It is counted from publishing.")
    return min(max(seconds, SECONDS[0]), SECONDS[1])


def _write_recurrence(text: str, note: Note) -> dict[str, Any]:
    start = re.search(r"DTSTART[^:\n]*:(\d{8})T(\d{2})(\d{2})", text)
    parts = dict(pair.split("=", 1) for pair in re.findall(r"[A-Z]+=[^;\s]+", text))
    period, interval = parts.get("FREQ", ""), int(parts["INTERVAL"]) if parts.get("INTERVAL", "").isdecimal() else 1
    if interval > 1 or period in {"MINUTELY", "HOURLY"}:
        if period not in _PERIODS or "BYDAY" in parts:
            raise UntranslatableError("Its recurrence has a form that is not known here.", "Write the schedule by hand.")
        note.approximate("It is counted from publishing.")
        return {"every_seconds": min(max(_PERIODS[period] * interval, SECONDS[0]), SECONDS[1])}
    hour = parts.get("BYHOUR", str(int(start[2])) if start else "")
    minute = parts.get("BYMINUTE", str(int(start[3])) if start else "0")
    days = [_DAYS.get(day, "") for day in parts.get("BYDAY", "").split(",") if day]
    if not hour or not all(days) or period not in {"DAILY", "WEEKLY", "MONTHLY"} or (period == "WEEKLY" and not days):
        raise UntranslatableError("Its recurrence has a form that is not known here.", "Write the schedule by hand.")
    month_day = parts.get("BYMONTHDAY", start[1][6:] if start else "") if period == "MONTHLY" else "*"
    month_day = "L" if month_day == "-1" else month_day
    if not re.fullmatch(r"[\dL*,]{1,100}", month_day):
        raise UntranslatableError("Its recurrence has a form that is not known here.", "Write the schedule by hand.")
    return {"cron": f"{minute} {hour} {month_day.lstrip('0') or '*'} * {','.join(days) or '*'}"}
