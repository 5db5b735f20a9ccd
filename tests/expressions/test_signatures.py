"""The function table tells what each function takes and gives; trees and errors tell where."""

from typing import Any

import pytest

from blubees.expressions.errors import EvaluationError, TemplateError, find_place
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.grammar import Path, Section, Value
from blubees.expressions.signatures import ValueType, function
from blubees.expressions.template import compile_template


def test_a_signature_is_read_from_its_line() -> None:
    made = function("text.pad(length: number, letter: text?, more: any*) -> text", lambda _m, v, _a: v, "", "")
    assert (made.name, made.receiver, made.result, made.least, made.most) == ("pad", ValueType.TEXT, ValueType.TEXT, 1, 20)
    assert [(each.name, each.type.value, each.optional, each.repeats) for each in made.arguments] == [
        ("length", "number", False, False),
        ("letter", "text", True, False),
        ("more", "any", True, True),
    ]
    assert made.signature == "pad(length: number, letter: text?, more: any*) → text"


@pytest.mark.parametrize("line", ["pad", "text.pad(length) -> text", "text.pad(length=3) -> text", "text.pad()"])
def test_a_line_that_is_no_signature_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="signature"):
        function(line, lambda _m, v, _a: v, "", "")


def test_optional_arguments_stand_last() -> None:
    for each in [*GLOBALS.values(), *(row for table in FUNCTIONS.values() for row in table.values())]:
        optional = [argument.optional for argument in each.arguments]
        assert optional == sorted(optional), each.signature


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("{{issue.summary.toUperCase()}}", 1, 17),
        ("one\ntwo {{ nonsense(1) }}", 2, 8),
        ("{{{issue.summary.left()}}}", 1, 18),
        ("a\n\n{{#  issue.comments.nope(1)}}{{/}}", 3, 21),
        ("ab {{issue.summary", 1, 4),
        ("x\n{{#issue}}", 2, 3),
        ('{{issue.summary.match("(")}}', 1, 23),
    ],
)
def test_an_error_tells_its_line_and_column(source: str, line: int, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert find_place(source, caught.value.position) == (line, column)


def test_each_part_of_a_tree_knows_its_place() -> None:
    source = 'Hi {{ issue.key }} {{#issue.comments}}{{if(body, "yes")}}{{/}}'
    nodes = compile_template(source).nodes
    value, section = nodes[1], nodes[3]
    assert isinstance(value, Value)
    assert isinstance(value.expression, Path)
    assert source[value.position :].startswith("issue.key")
    assert [source[each.position :][:3] for each in value.expression.segments] == ["iss", "key"]
    assert isinstance(section, Section)
    inner = section.body[0]
    assert isinstance(inner, Value)
    assert isinstance(inner.expression, Path)
    places = [source[each.position :][:4] for each in inner.expression.segments[0].arguments or ()]
    assert places == ["body", '"yes']


def test_a_failed_evaluation_tells_which_call_failed() -> None:
    source = '{{"a".concat("b".left(many))}}'
    with pytest.raises(EvaluationError) as caught:
        compile_template(source).value({"many": "x"})
    assert source[caught.value.position :].startswith("left")


ISSUE: dict[str, Any] = {
    "key": "A-1",
    "fields": {"customfield_10016": 5, "[CHART] Date": "d", "labels": ["x", "y"], "grid": [[1, 2], [3, 4]], "list [0]": "no"},
    "names": {"customfield_10016": "Story Points", "customfield_1": "Gone"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{issue.labels[1]}}", "y"),
        ("{{issue.labels[9]}}", None),
        ("{{issue.grid[1][0]}}", 3),
        ('{{"a,b".split(",")[1].toUpperCase()}}', "B"),
        ("{{issue.[CHART] Date}}", "d"),
        ("{{issue.story points}}", 5),
        ("{{issue.Story Points.plus(1)}}", 6),
        ("{{issue.customfield_10016}}", 5),
        ("{{issue.Gone}}", None),
    ],
)
def test_indices_and_names_people_know_are_read(source: str, expected: object) -> None:
    assert compile_template(source).value({"issue": ISSUE}) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [("{{if(yes, 1, bad.left(bad))}}", 1), ("{{or(yes, bad.left(bad))}}", True), ("{{and(no, bad.left(bad))}}", False)],
)
def test_what_need_not_be_worked_out_is_left_out(source: str, expected: object) -> None:
    assert compile_template(source).value({"yes": True, "no": False, "bad": "x"}) == expected
