"""Conditions hold where Jira's do: each operator is worked out against an issue."""

from typing import Any

import pytest

from blubees.expressions.template import compile_template
from blubees.flows.jira_rules.build import Build
from blubees.flows.jira_rules.export import Component
from blubees.flows.jira_rules.table import CONDITIONS

ISSUE = {
    "key": "OPS-7",
    "fields": {
        "summary": "Disk is full",
        "status": {"id": "3", "name": "In Progress"},
        "labels": ["late", "disk"],
        "components": [{"id": "10", "name": "Storage"}, {"id": "11", "name": "Web"}],
        "assignee": {"accountId": "ann"},
        "customfield_1": {"id": "55", "value": "L2"},
        "customfield_2": 8,
        "duedate": "2026-03-01",
        "attachment": [{"id": "1"}],
    },
}
SCOPE = {"issue": ISSUE, "initiator": {"accountId": "bob"}, "n": 12}


def holds(kind: str, value: Any) -> bool:
    component = Component("CONDITION", kind, value, "components[0]")
    build = Build()
    note = build.open_note(component, "a condition")
    condition = CONDITIONS[kind].need()(build, component, note)
    assert not condition.prepare
    return compile_template("{{" + condition.expression + "}}").holds(SCOPE)


@pytest.mark.parametrize(
    ("first", "operator", "second", "wanted"),
    [
        ("{{issue.key}}", "EQUALS", "OPS-7", True),
        ("{{issue.key}}", "EQUALS", "OPS-8", False),
        ("{{issue.key}}", "NOT_EQUALS", "OPS-8", True),
        ("{{issue.nothing}}", "EQUALS", "", True),
        ("{{issue.summary}}", "EQUALS", "", False),
        ("{{issue.nothing}}", "NOT_EQUALS", "", False),
        ("{{n}}", "EQUALS", "12", True),
        ("a {{issue.key}} b", "EQUALS", "a OPS-7 b", True),
        ("{{issue.key}}", "EQUALS", "{{issue.key}}", True),
        ("{{issue.summary}}", "CONTAINS", "full", True),
        ("{{issue.labels}}", "CONTAINS", "late, d", True),
        ("{{issue.summary}}", "NOT_CONTAINS", "full", False),
        ("{{issue.summary}}", "STARTS_WITH", "Disk", True),
        ("{{issue.summary}}", "NOT_STARTS_WITH", "Disk", False),
        ("{{issue.summary}}", "ENDS_WITH", "Disk", False),
        ("{{n}}", "GREATER_THAN", "9", True),
        ("{{n}}", "LESS_THAN", "9", False),
        ("{{n}}", "GREATER_THAN_OR_EQUAL", "12", True),
        ("{{n}}", "LESS_THAN_OR_EQUAL", "{{issue.customfield_2}}", False),
        ("{{issue.summary}}", "GREATER_THAN", "9", False),
        ("{{n}}", "GREATER_THAN", "{{issue.summary}}", False),
        ("{{issue.summary}}", "REGEX_MATCHES", "disk.*", False),
        ("{{issue.summary}}", "REGEX_MATCHES", "(?i)disk.*", True),
        ("{{issue.summary}}", "REGEX_MATCHES", "Disk", False),
        ("{{issue.summary}}", "REGEX_CONTAINS", "is (full|empty)", True),
        ("{{issue.summary}}", "REGEX_NOT_MATCHES", "Disk.*", False),
        ("{{issue.key}}", "REGEX_MATCHES", r"^OPS-\d+$", True),
    ],
)
def test_a_comparison(first: str, operator: str, second: str, wanted: object) -> None:
    assert holds("jira.comparator.condition", {"first": first, "operator": operator, "second": second}) is wanted


def _on(field: str, kind: str, comparison: str, value: object = None) -> dict[str, Any]:
    return {
        "selectedField": {"type": "ID", "value": field},
        "selectedFieldType": kind,
        "comparison": comparison,
        "compareValue": value,
    }


SELECT = "com.atlassian.jira.plugin.system.customfieldtypes:select"
FLOAT = "com.atlassian.jira.plugin.system.customfieldtypes:float"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (_on("status", "status", "EQUALS", {"type": "ID", "value": "3"}), True),
        (_on("status", "status", "EQUALS", {"type": "NAME", "value": "Done"}), False),
        (_on("status", "status", "NOT_EQUALS", {"type": "NAME", "value": "Done"}), True),
        (_on("status", "status", "ONE_OF", {"type": "ID", "value": '["1","3"]', "multiValue": True}), True),
        (_on("status", "status", "NOT_ONE_OF", {"type": "ID", "value": '["1","3"]', "multiValue": True}), False),
        (_on("labels", "labels", "CONTAINS_ANY", {"type": "FREE", "value": '["late","other"]', "multiValue": True}), True),
        (
            _on("labels", "labels", "CONTAINS_ALL", [{"type": "FREE", "value": "late"}, {"type": "FREE", "value": "other"}]),
            False,
        ),
        (_on("labels", "labels", "CONTAINS_NONE", {"type": "FREE", "value": '["other"]', "multiValue": True}), True),
        (_on("components", "components", "EQUALS", {"type": "NAME", "value": '["Web","Storage"]', "multiValue": True}), True),
        (_on("components", "components", "EQUALS", {"type": "NAME", "value": '["Web"]', "multiValue": True}), False),
        (_on("assignee", "assignee", "EMPTY"), False),
        (_on("assignee", "assignee", "NOT_EMPTY"), True),
        (_on("assignee", "assignee", "EQUALS", {"type": "ID", "value": "ann"}), True),
        (_on("resolution", "resolution", "EMPTY"), True),
        (_on("customfield_1", SELECT, "EQUALS", {"type": "NAME", "value": "L2"}), True),
        (_on("customfield_1", SELECT, "EQUALS", {"type": "ID", "value": "55"}), True),
        (_on("customfield_2", FLOAT, "GREATER_THAN", {"type": "VALUE", "value": "7"}), True),
        (_on("summary", "summary", "NOT_CONTAIN", {"type": "VALUE", "value": "full"}), False),
        (_on("summary", "summary", "ENDS_WITH", {"type": "VALUE", "value": "full"}), True),
        (_on("duedate", "duedate", "BEFORE", {"type": "VALUE", "value": "2026-04-01"}), True),
    ],
)
def test_a_field(value: dict[str, Any], wanted: object) -> None:
    assert holds("jira.issue.condition", value) is wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"conditions": [{"field": "initiator", "check": "IS", "criteria": [{"type": "ID", "value": "bob"}]}]}, True),
        ({"conditions": [{"field": "initiator", "check": "IS_NOT", "criteria": [{"type": "ID", "value": "bob"}]}]}, False),
        (
            {
                "conditions": [
                    {
                        "field": "assignee",
                        "check": "IS",
                        "criteria": [{"type": "ID", "value": "zoe"}, {"type": "ID", "value": "ann"}],
                    }
                ]
            },
            True,
        ),
        ({"conditions": [{"field": "assignee", "check": "IS_EMPTY"}]}, False),
        (
            {
                "conditions": [{"field": "reporter", "check": "IS_EMPTY"}, {"field": "assignee", "check": "IS_EMPTY"}],
                "operator": "AND",
            },
            False,
        ),
    ],
)
def test_a_user(value: dict[str, Any], wanted: object) -> None:
    assert holds("jira.user.condition", value) is wanted


def test_attachments() -> None:
    assert holds("jira.issue.attachment.condition", {"condition": "EXISTS"})
    assert not holds("jira.issue.attachment.condition", {"condition": "NOT_EXISTS"})
