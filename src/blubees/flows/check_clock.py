"""Checks the triggers that the clock starts: schedules and polls. Called by flows/check.py."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from blubees.engine.scope import COMMON_ROOTS, ISSUE_ROOTS, RESULT_ROOTS
from blubees.flows.document import Place, ReadDocument
from blubees.flows.timing import check_cron, is_time_zone
from blubees.model.flow import TriggerKind
from blubees.model.ids import CONNECTION_PATTERN
from blubees.model.schedule import Missed, PollStart, RunsFor

CLOCK_KINDS: Final = (TriggerKind.SCHEDULE, TriggerKind.POLL)
SCHEDULE_SECONDS: Final = (60, 2_592_000)
POLL_SECONDS: Final = (30, 2_592_000)
JQL_MAX: Final = 5_000
_PLACE: Final[Place] = ("trigger",)
_ORDER_BY: Final = re.compile(r"(?i)\border\s+by\b")
_STORED: Final = "What the cursor gives is kept in the database. Let it be an id, a number, a time or a page token."


class Checks(Protocol):
    """What is needed of the checker."""

    read: ReadDocument
    roots: tuple[str, ...]

    def expect_names(self, place: Place, data: Mapping[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        """Expect these names and no others."""
        ...

    def expect_choice(self, place: Place, data: Mapping[str, Any], choices: Any) -> Any:  # noqa: ANN401 - an enum class and its member
        """Expect one of an enum's words."""
        ...

    def expect_text(self, place: Place, data: Mapping[str, Any], pattern: str, allowed: str) -> None:
        """Expect a text of a form, where there is one."""
        ...

    def check_condition(self, place: Place, condition: object, done: Iterable[str] = ()) -> None:
        """Check that it is one smart value."""
        ...

    def check_templates(self, document: object, place: Place, done: set[str]) -> None:
        """Check every template in it."""
        ...


def list_found_roots(trigger: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the first names that a trigger has besides those of its kind: of the issues that it finds."""
    poll = trigger.get("poll")
    if trigger.get("on") == TriggerKind.POLL:
        return ISSUE_ROOTS if isinstance(poll, dict) and "jql" in poll else ()
    if trigger.get("on") == TriggerKind.SCHEDULE and "jql" in trigger:
        return ISSUE_ROOTS if trigger.get("for_each") == RunsFor.ISSUE else RESULT_ROOTS
    return ()


def check_clock(checks: Checks, trigger: Mapping[str, Any], kind: TriggerKind) -> None:
    """Check a schedule or a poll."""
    if kind is TriggerKind.POLL:
        _check_interval(checks, trigger, POLL_SECONDS, "A poll")
        _check_poll(checks, trigger.get("poll"))
        return
    if ("cron" in trigger) == ("every_seconds" in trigger):
        checks.read.complain(_PLACE, "A schedule needs one of every_seconds and cron, and not both.")
    elif "every_seconds" in trigger:
        _check_interval(checks, trigger, SCHEDULE_SECONDS, "A schedule")
    elif problem := check_cron(trigger["cron"]):
        checks.read.complain((*_PLACE, "cron"), problem)
    if "time_zone" in trigger and not is_time_zone(trigger["time_zone"]):
        checks.read.complain((*_PLACE, "time_zone"), "This is no time zone. Use an IANA name such as Europe/Berlin or UTC.")
    if "time_zone" in trigger and "cron" not in trigger:
        checks.read.complain((*_PLACE, "time_zone"), "`time_zone` belongs to `cron`: an interval has none. Remove it.")
    if "missed" in trigger:
        checks.expect_choice((*_PLACE, "missed"), trigger, Missed)
    if "for_each" in trigger:
        checks.expect_choice((*_PLACE, "for_each"), trigger, RunsFor)
        if "jql" not in trigger:
            checks.read.complain((*_PLACE, "for_each"), "`for_each` belongs to `jql`: without it there is nothing to divide.")
    if "jql" in trigger:
        _check_jql(checks, (*_PLACE, "jql"), trigger["jql"], ("schedule",))


def _check_interval(checks: Checks, trigger: Mapping[str, Any], bounds: tuple[int, int], what: str) -> None:
    seconds = trigger.get("every_seconds")
    if type(seconds) is not int or not bounds[0] <= seconds <= bounds[1]:
        checks.read.complain((*_PLACE, "every_seconds"), f"{what} needs every_seconds: {bounds[0]} to {bounds[1]}.")


def _check_jql(checks: Checks, place: Place, jql: object, roots: tuple[str, ...]) -> None:
    if not isinstance(jql, str) or not 1 <= len(jql.strip()) <= JQL_MAX:
        checks.read.complain(place, f"`jql` is a text of 1 to {JQL_MAX} characters.")
        return
    _check_with(checks, place, jql, roots)


def _check_with(checks: Checks, place: Place, document: object, roots: tuple[str, ...], *, single: bool = False) -> None:
    """Check smart values that see other first names than the steps do."""
    before, checks.roots = checks.roots, (*roots, *(each for each in COMMON_ROOTS if each != "steps"))
    if single:
        checks.check_condition(place, document)
    else:
        checks.check_templates(document, place, set())
    checks.roots = before


def _check_poll(checks: Checks, poll: object) -> None:
    place: Place = (*_PLACE, "poll")
    if not isinstance(poll, dict):
        checks.read.complain(place, "A poll needs `poll`: a mapping with url, items, id and cursor, or with jql.")
        return
    if "jql" in poll:
        checks.expect_names(place, poll, ("jql",), ("start",))
        _check_jql(checks, (*place, "jql"), poll["jql"], ("poll",))
        if isinstance(poll["jql"], str) and _ORDER_BY.search(poll["jql"]):
            checks.read.complain((*place, "jql"), "A poll orders by `updated` itself. Remove ORDER BY.")
    else:
        checks.expect_names(place, poll, ("url", "items", "id", "cursor"), ("query", "headers", "connection", "start"))
        _check_source(checks, place, poll)
    if "start" in poll:
        checks.expect_choice((*place, "start"), poll, PollStart)


def _check_source(checks: Checks, place: Place, poll: Mapping[str, Any]) -> None:
    for name in ("url", "items", "id", "cursor"):
        if name in poll and (not isinstance(poll[name], str) or not poll[name].strip()):
            checks.read.complain((*place, name), f"`{name}` is a text that is not empty.")
            return
    for name in ("query", "headers"):
        given = poll.get(name, {})
        if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
            checks.read.complain((*place, name), f"`{name}` is a mapping of names to texts.")
        else:
            _check_with(checks, (*place, name), given, ("poll",))
    if "connection" in poll:
        checks.expect_text((*place, "connection"), poll, CONNECTION_PATTERN, "the name of a connection")
    for name, roots, single in (
        ("url", ("poll",), False),
        ("items", ("response", "poll"), True),
        ("id", ("item", "response", "poll"), False),
        ("cursor", ("items", "response", "poll"), True),
    ):
        if name in poll:
            _check_with(checks, (*place, name), poll[name], roots, single=single)
    if "id" in poll and "{{" not in poll["id"]:
        checks.read.complain((*place, "id"), 'The id must tell items apart: a smart value such as "{{item.id}}".')
    if "cursor" in poll:
        checks.read.complain((*place, "cursor"), _STORED, severity="warning")
