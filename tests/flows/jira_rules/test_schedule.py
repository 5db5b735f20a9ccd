"""Schedules of Jira are due at the same times here: Quartz cron, fixed rates, recurrence rules."""

from typing import Any

import orjson
import pytest

from blubees.flows.check import check_flow
from blubees.flows.jira_rules.translate import import_rules
from blubees.steps.book import load_book
from flows.jira_rules.examples import component, rule

LOG = component("ACTION", "codebarrel.action.log", "Hello")


def read(schedule: dict[str, Any], **value: Any) -> tuple[dict[str, Any], str]:
    trigger = component("TRIGGER", "jira.jql.scheduled", {"schedule": schedule, "executionMode": "nosearch", **value})
    (done,) = import_rules(orjson.dumps(rule(trigger, LOG)), load_book()).rules
    flow = check_flow(done.flows[0].text, load_book()).flow
    assert flow is not None
    made = {
        "cron": flow.trigger.cron,
        "every_seconds": flow.trigger.every_seconds,
        "jql": flow.trigger.jql,
        "for_each": flow.trigger.for_each.value,
    }
    return {name: word for name, word in made.items() if word and word != "result"}, done.findings[0].verdict.value


@pytest.mark.parametrize(
    ("quartz", "cron"),
    [
        ("0 0 2 ? * *", "0 2 * * *"),
        ("0 30 7 ? * MON-FRI", "30 7 * * MON-FRI"),
        ("0 0 9 ? * 2-6", "0 9 * * 1-5"),
        ("0 0 9 ? * 1", "0 9 * * 0"),
        ("0 0/15 * * * ?", "0-59/15 * * * *"),
        ("0 0 9 1,15 * ? *", "0 9 1,15 * *"),
        ("0 0 9 L * ?", "0 9 L * *"),
        ("0 0 9 ? * 2#1", "0 9 * * 1#1"),
        ("0 0 9 ? JAN,JUL FRI", "0 9 * JAN,JUL FRI"),
        ("0 0 9 ? * 6L", "0 9 * * 5L"),
        ("0 7 * * 1-5", "0 7 * * 1-5"),
    ],
)
def test_cron(quartz: str, cron: str) -> None:
    assert read({"cronExpression": quartz, "method": "CRON"}, timezone="Europe/Berlin") == ({"cron": cron}, "translated")


@pytest.mark.parametrize("quartz", ["0 0 9 15W * ?", "nonsense", "1 2 3"])
def test_a_cron_expression_that_ours_has_not_is_told(quartz: str) -> None:
    assert read({"cronExpression": quartz, "method": "CRON"})[1] == "not_translatable"


@pytest.mark.parametrize(
    ("schedule", "made", "verdict"),
    [
        ({"method": "FIXED", "rate": 1, "rateInterval": 86400, "cronExpression": ""}, {"every_seconds": 86400}, "approximated"),
        ({"method": "FIXED", "rate": 5, "rateInterval": "MINUTES"}, {"every_seconds": 300}, "approximated"),
        ({"method": "FIXED", "rate": 1, "rateInterval": 10}, {"every_seconds": 60}, "approximated"),
        ({"rRule": "DTSTART:20260105T083000Z\nRRULE:FREQ=DAILY;INTERVAL=1"}, {"cron": "30 8 * * *"}, "approximated"),
        ({"rRule": "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,FR;BYHOUR=9;BYMINUTE=15"}, {"cron": "15 9 * * MON,FRI"}, "approximated"),
        ({"rRule": "DTSTART:20260105T083000Z;FREQ=MONTHLY;BYMONTHDAY=-1"}, {"cron": "30 8 L * *"}, "approximated"),
        ({"rRule": "FREQ=HOURLY;INTERVAL=2"}, {"every_seconds": 7200}, "approximated"),
        ({"rRule": "FREQ=YEARLY"}, {}, "not_translatable"),
        ({"method": "FIXED", "rate": 0}, {}, "not_translatable"),
    ],
)
def test_rates_and_recurrences(schedule: dict[str, Any], made: dict[str, Any], verdict: str) -> None:
    assert read(schedule) == (made, verdict)


def test_a_search_starts_a_run_for_each_issue_in_the_rules_projects() -> None:
    trigger = component(
        "TRIGGER",
        "jira.jql.scheduled",
        {
            "schedule": {"cronExpression": "0 0 2 ? * *"},
            "timezone": "UTC",
            "jql": "labels = late ORDER BY created",
            "executionMode": "jql",
        },
    )
    projects = {"projects": [{"projectId": "10001"}, {"projectId": "10002"}]}
    (done,) = import_rules(orjson.dumps(rule(trigger, LOG, **projects)), load_book()).rules
    flow = check_flow(done.flows[0].text, load_book()).flow
    assert flow is not None
    assert flow.trigger.jql == "(labels = late) AND project in (10001, 10002) ORDER BY created"
    assert flow.trigger.for_each.value == "issue"
