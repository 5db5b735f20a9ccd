"""What is wrong with a mapping is told before it runs, with line, column and the nearest right name."""

import jsonschema_rs
import pytest
import yaml

from blubees.flows.check import check_flow
from blubees.flows.schema import flow_schema
from blubees.steps.book import load_book

FLOW = """\
id: a
name: A
trigger: {on: jira.issue_created}
steps:
  - id: fields
    kind: map
    with:
      fields:
        f: %s
"""


def check(rule: str) -> list[tuple[int, int, str, str, str]]:
    problems = check_flow(FLOW % rule, load_book()).problems
    return [
        (each.line, each.column, each.path.removeprefix("steps[0].with.fields"), each.message, each.nearest)
        for each in problems
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "'{{issue.summary}}'",
        "3",
        "[a, '{{issue.key}}']",
        "{from: '{{issue.key}}', as: named, values: {a: b, _other: '{{issue.summary}}'}, ignore_case: true}",
        "{from: '{{issue.key}}', as: rich_text, reads: html, trusted: true, default: none}",
        "{from: ['3', 4], as: number, many: true, clear: true}",
        "{from: '', as: number, required: true}",
    ],
)
def test_a_good_mapping_passes_the_check_and_the_schema(rule: str) -> None:
    assert check(rule) == []
    assert jsonschema_rs.is_valid(flow_schema(load_book()), yaml.safe_load((FLOW % rule).replace("on:", "'on':")))


@pytest.mark.parametrize(
    ("rule", "column", "path", "message", "nearest"),
    [
        ("{from: a, as: numbr}", 26, ".f.as", "`numbr` is not one of", "number"),
        ("{from: a, requird: true}", 31, ".f.requird", "`requird` is not known here", "required"),
        ("{as: text}", 12, ".f", "`from` is missing", ""),
        ("{from: '3 points', as: number}", 19, ".f.from", "This is a text, and can't be number", ""),
        ("{from: [1, [2]], as: number, many: true}", 19, ".f.from", "This is a list, and can't be number", ""),
        ("{from: '{{issue.key}}', as: date, default: soon}", 55, ".f.default", "This is a text, and can't be date", ""),
        ("{from: '{{issue.key}}', as: named, values: {P1: [1]}}", 60, ".f.values.P1", "This is a list, and can't be named", ""),
        ("{from: a@b.example, as: user}", 19, ".f.from", "This is an email, and can't be user", ""),
        ("{from: '{{isue.key}}'}", 19, ".f.from", "Nothing is called `isue` here", "issue"),
        ("{from: '{{issue.key}}', many: '{{issue.key}}'}", 42, ".f.many", "can't come from a smart value", ""),
        ("{from: a, as: text, reads: html}", 39, ".f.reads", "belongs to the types", ""),
        ("{from: a, ignore_case: true}", 35, ".f.ignore_case", "belongs to `values`", ""),
        ("{from: a, required: true, clear: true}", 32, ".f.required", "is never missing", ""),
        ("{from: a, values: [1]}", 30, ".f.values", "`values` is a mapping of 1 to 1000", ""),
        ("{from: a, values: {}}", 30, ".f.values", "`values` is a mapping of 1 to 1000", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(rule: str, column: int, path: str, message: str, nearest: str) -> None:
    found = check(rule)
    assert [(each[:3], each[4]) for each in found] == [((9, column, path), nearest)], found
    assert message in found[0][3]


def test_fields_are_written_out_and_never_a_smart_value() -> None:
    flow = FLOW.partition("      fields:")[0] + "      fields: '{{issue.fields}}'\n"
    assert ["written out" in each.message for each in check_flow(flow, load_book()).errors] == [True]
