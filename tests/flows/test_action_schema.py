"""Editors complete actions and triggers of connectors by the flow's schema; it refuses no flow that the check takes."""

import jsonschema_rs
import pytest

from blubees.connectors.catalogue import load_catalogue
from blubees.flows.schema import flow_schema
from blubees.steps.book import load_book

SCHEMA = flow_schema(load_book(), load_catalogue())
GOOD = {"connection": "team", "channel": "C1", "text": 5}


def is_valid(kind: str, settings: object, on: str = "webhook") -> bool:
    step = {"id": "a", "kind": kind, "with": settings}
    return jsonschema_rs.is_valid(SCHEMA, {"id": "f", "name": "F", "trigger": {"on": on}, "steps": [step]})


@pytest.mark.parametrize(
    ("kind", "settings", "is_good"),
    [
        ("slack.post_message", GOOD, True),
        ("slack.post_message", {**GOOD, "chanel": "x"}, False),
        ("slack.post_message", {"channel": "C1"}, False),
        ("slack.post_message", {**GOOD, "text": ["a"]}, False),
        ("imported.anything", {"a": 1}, True),
        ("nothing", {}, False),
        ("jira.get_issue", {"issue": "A-1"}, True),
    ],
)
def test_actions_are_known(kind: str, settings: object, *, is_good: bool) -> None:
    assert is_valid(kind, settings) is is_good


@pytest.mark.parametrize(("on", "is_good"), [("slack.message", True), ("imported.made", True), ("webhooks", False)])
def test_triggers_are_known(on: str, *, is_good: bool) -> None:
    assert is_valid("stop", {}, on) is is_good
    assert "connector" not in SCHEMA["$defs"]["Trigger"]["properties"]
