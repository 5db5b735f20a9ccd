"""Schedules and polls in a flow's document: every mistake is told in its place, and a good one is read as written."""

import json
from typing import Any

import jsonschema
import pytest

from blubees.flows.check import check_flow
from blubees.flows.schema import flow_schema
from blubees.model.flow import TriggerKind
from blubees.model.schedule import Missed, PollStart, RunsFor
from blubees.steps.book import load_book

STEP: dict[str, Any] = {"id": "a", "kind": "stop"}
POLL = {
    "url": "https://api.example.com/items?since={{poll.cursor}}",
    "items": "{{response.body.items}}",
    "id": "{{item.id}}",
    "cursor": "{{response.body.next}}",
}


def check(trigger: dict[str, Any], value: str = "1") -> list[str]:
    step = {"id": "a", "kind": "set", "with": {"values": {"v": value}}}
    text = json.dumps({"id": "a", "name": "A", "trigger": trigger, "steps": [step]})
    return [f"{each.path}: {each.message}" for each in check_flow(text, load_book()).problems]


GOOD: dict[str, tuple[dict[str, Any], str]] = {
    "interval": ({"on": "schedule", "every_seconds": 60}, "{{schedule.due}} {{schedule.last}} {{schedule.missed}} {{now}}"),
    "cron": ({"on": "schedule", "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "missed": "skip"}, "{{trigger.schedule}}"),
    "JQL, one run": ({"on": "schedule", "cron": "0 * * * *", "jql": "project = A"}, "{{issues.size}}"),
    "JQL, one an issue": (
        {"on": "schedule", "cron": "0 * * * *", "jql": "due < {{now.jqlDate}}", "for_each": "issue"},
        "{{issue.key}} {{triggerIssue.summary}}",
    ),
    "Jira poll": ({"on": "poll", "every_seconds": 30, "poll": {"jql": "project = A", "start": "all"}}, "{{issue.key}}"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_is_taken(name: str) -> None:
    assert check(*GOOD[name]) == []


def test_a_poll_of_a_third_party_is_warned_that_its_cursor_is_kept() -> None:
    problems = check(
        {"on": "poll", "every_seconds": 60, "poll": POLL, "where": "{{item.open}}"}, "{{item.name}} {{poll.cursor}}"
    )
    assert [each.partition(":")[0] for each in problems] == ["trigger.poll.cursor"]
    assert "kept" in problems[0]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "neither": ({"on": "schedule"}, "1", "one of every_seconds and cron"),
    "both": ({"on": "schedule", "every_seconds": 60, "cron": "* * * * *"}, "1", "one of every_seconds and cron"),
    "too often": ({"on": "schedule", "every_seconds": 59}, "1", "60 to 2592000"),
    "no cron": ({"on": "schedule", "cron": "61 * * * *"}, "1", "Bad minute"),
    "no zone": ({"on": "schedule", "cron": "* * * * *", "time_zone": "Mars"}, "1", "no time zone"),
    "zone of an interval": ({"on": "schedule", "every_seconds": 60, "time_zone": "UTC"}, "1", "belongs to `cron`"),
    "policy": ({"on": "schedule", "every_seconds": 60, "missed": "all"}, "1", "not one of: once, skip"),
    "divided nothing": ({"on": "schedule", "every_seconds": 60, "for_each": "issue"}, "1", "nothing to divide"),
    "issue without JQL": ({"on": "schedule", "every_seconds": 60}, "{{issue.key}}", "Nothing is called `issue`"),
    "issue of a result": (
        {"on": "schedule", "every_seconds": 60, "jql": "a = 1"},
        "{{issue.key}}",
        "Nothing is called `issue`",
    ),
    "empty JQL": ({"on": "schedule", "every_seconds": 60, "jql": " "}, "1", "1 to 5000"),
    "JQL reads steps": ({"on": "schedule", "every_seconds": 60, "jql": "{{steps.a}}"}, "1", "Nothing is called `steps`"),
    "cron elsewhere": ({"on": "webhook", "cron": "* * * * *"}, "1", "belongs to the trigger schedule only"),
    "poll elsewhere": ({"on": "schedule", "every_seconds": 60, "poll": POLL}, "1", "belongs to the trigger poll only"),
    "poll too often": ({"on": "poll", "every_seconds": 29, "poll": POLL}, "1", "30 to 2592000"),
    "poll without": ({"on": "poll", "every_seconds": 60}, "1", "needs `poll`"),
    "no cursor": (
        {"on": "poll", "every_seconds": 60, "poll": {k: v for k, v in POLL.items() if k != "cursor"}},
        "1",
        "`cursor`",
    ),
    "empty url": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"url": ""}}, "1", "`url` is a text"),
    "items not one": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"items": "x{{response}}"}}, "1", "exactly one"),
    "constant id": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"id": "x"}}, "1", "tell items apart"),
    "url reads the answer": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"url": "{{response}}"}}, "1", "`response`"),
    "both sources": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"jql": "a = 1"}}, "1", "`url` is not known"),
    "ordered": ({"on": "poll", "every_seconds": 60, "poll": {"jql": "a = 1 ORDER  BY key"}}, "1", "Remove ORDER BY"),
    "start": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"start": "later"}}, "1", "not one of: now, all"),
    "headers": ({"on": "poll", "every_seconds": 60, "poll": POLL | {"headers": {"a": 1}}}, "1", "names to texts"),
    "a secret": (
        {"on": "poll", "every_seconds": 60, "poll": POLL | {"headers": {"Authorization": "Bearer abcdefghijkl1234"}}},
        "1",
        "looks like a secret",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told(name: str) -> None:
    trigger, value, part = BAD[name]
    problems = check(trigger, value)
    assert any(part in each for each in problems), problems


def test_the_trigger_is_read_as_written_and_the_schema_knows_it() -> None:
    trigger = {
        "on": "schedule",
        "cron": "0 7 * * *",
        "time_zone": "Asia/Tokyo",
        "jql": "x = 1",
        "for_each": "issue",
        "missed": "skip",
    }
    document = {"id": "a", "name": "A", "trigger": trigger, "steps": [STEP]}
    read = check_flow(json.dumps(document), load_book()).flow
    assert read is not None
    assert (read.trigger.on, read.trigger.time_zone, read.trigger.for_each) == (
        TriggerKind.SCHEDULE,
        "Asia/Tokyo",
        RunsFor.ISSUE,
    )
    assert read.trigger.missed is Missed.SKIP
    jsonschema.validate(document, flow_schema(load_book()))
    polled = document | {"trigger": {"on": "poll", "every_seconds": 60, "poll": POLL | {"start": "all"}}}
    jsonschema.validate(polled, flow_schema(load_book()))
    read = check_flow(json.dumps(polled), load_book()).flow
    assert read is not None
    assert read.trigger.poll is not None
    assert read.trigger.poll.start is PollStart.ALL
