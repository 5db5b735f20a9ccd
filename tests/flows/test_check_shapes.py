"""The check of a flow tells what its smart values can't find: in the event of its trigger, in its inputs, in what steps give."""

import pytest

from blubees.expressions.signatures import ValueType
from blubees.flows.check import check_flow
from blubees.flows.known_shapes import find_result
from blubees.steps.book import load_book

HEAD = "id: f\nname: F\n"
HTTP = "  - {id: ask, kind: http, with: {url: 'https://a.example.com/'}}\n"


def problems(trigger: str, steps: str, head: str = "") -> list[tuple[str, str, str]]:
    checked = check_flow(f"{HEAD}{head}trigger: {trigger}\nsteps:\n{steps}", load_book())
    return [(each.path, each.severity, each.nearest) for each in checked.problems]


def say(text: str) -> str:
    return f"  - {{id: say, kind: set, with: {{values: {{x: '{text}'}}}}}}\n"


X = "steps[1].with.values.x"


@pytest.mark.parametrize(
    ("trigger", "steps", "head", "expected"),
    [
        ("{on: webhook}", HTTP + say("{{steps.ask.boddy}}"), "", [(X, "error", "Did you mean body?")]),
        ("{on: webhook}", HTTP + say("{{steps.ask.body.boddy}}"), "", []),
        ("{on: webhook}", HTTP + say("{{webhook.header}}"), "", [(X, "error", "Did you mean headers?")]),
        ("{on: webhook}", HTTP + say("{{webhookData.any.thing}}"), "", []),
        ("{on: jira.issue_created}", HTTP + say("{{issue.sumary}}"), "", [(X, "warning", "Did you mean summary?")]),
        ("{on: jira.issue_created}", HTTP + say("{{issue.assignee.displayName.left(issue.labels)}}"), "", [(X, "error", "")]),
        ("{on: jira.issue_created}", HTTP + say("{{issue.customfield_1.x}} {{issue.assignee.displayName}}"), "", []),
        (
            "{on: manual}",
            HTTP + say("{{inputs.count.left(1)}}{{flow.nme}}"),
            "inputs: {count: {type: number}}\n",
            [(X, "error", "Did you mean name?")],
        ),
        (
            "{on: webhook}",
            "  - {id: v, kind: set, with: {values: {issue: '{{webhookData}}'}}}\n" + say("{{steps.v.isue}}"),
            "",
            [(X, "error", "Did you mean issue?")],
        ),
    ],
)
def test_it_is_told_with_the_nearest_name(trigger: str, steps: str, head: str, expected: list[tuple[str, str, str]]) -> None:
    assert problems(trigger, steps, head) == expected


def test_what_a_set_step_names_hides_what_is_known_under_that_name() -> None:
    steps = "  - {id: v, kind: set, with: {values: {comment: '{{webhookData}}'}}}\n" + say("{{comment.autor}}")
    assert problems("{on: webhook}", steps) == []


def test_each_kind_gives_what_its_examples_show() -> None:
    book = load_book()
    names = {name: set(find_result(entry, {}).fields) for name, entry in book.items() if not find_result(entry, {}).is_open}
    assert names["http"] == {"status", "headers", "body"}
    assert names["jira.create_issue"] == {"id", "key"}
    assert names["each"] == {"results", "count", "failed"}
    assert find_result(book["http"], {}).fields["status"].type is ValueType.NUMBER
    assert find_result(book["set"], {"values": {"a": 1}}).fields.keys() == {"a"}
    assert find_result(book["set"], {"values": "{{x}}"}).is_open
