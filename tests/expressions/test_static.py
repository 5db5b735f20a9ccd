"""Before there is data: names that can't be there and arguments that can't be right are told, with place and nearest name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.expressions.errors import TemplateError
from blubees.expressions.shapes import ANYTHING, BOOLEAN, NUMBER, TEXT, Shape, list_of, object_of, texts
from blubees.expressions.static import Finding, check_shapes
from blubees.expressions.template import compile_template

SHAPES = {
    "issue": object_of(
        {
            **texts("key"),
            "summary": TEXT,
            "labels": list_of(TEXT),
            "points": NUMBER,
            "versions": list_of(object_of(texts("name"))),
        }
    ),
    "steps": object_of(
        {"call": object_of({"status": NUMBER, "body": ANYTHING, "ok": BOOLEAN}, is_open=False), "free": ANYTHING}, is_open=True
    ),
    "now": Shape(),
}


def find(text: str) -> list[Finding]:
    return list(check_shapes(compile_template(text).nodes, SHAPES))


@pytest.mark.parametrize(
    ("text", "position", "words", "hint", "is_sure"),
    [
        ("{{steps.call.stauts}}", 13, "There is no `stauts` here", "status", True),
        ("ab {{steps.call.stauts.plus(1)}}", 16, "`stauts`", "status", True),
        ("{{steps.call.zzz}}", 13, "there are body, ok, status", "", True),
        ("{{issue.sumary}}", 8, "`sumary` is no name", "summary", False),
        ("{{issue.versions.nam}}", 17, "`nam`", "name", False),
        ("{{issue.summary.left(issue.labels)}}", 21, "takes a number as `count`; this is of type list", "", True),
        ('{{issue.summary.left("three")}}', 21, "a text that is none", "", True),
        ('{{if(equals(issue.sumary, "x"), 1, 2)}}', 18, "`sumary`", "summary", False),
        ("{{issue.missing|steps.call.stauts}}", 27, "`stauts`", "status", True),
        ("{{steps.call.status.key}}", 20, "A number has no `key`", "", True),
        ("{{steps.call.left(2)}}", 13, "left() is for text; this is of type object", "", False),
    ],
)
def test_what_can_not_be_right_is_told(text: str, position: int, words: str, hint: str, is_sure: bool) -> None:
    found = find(text)
    assert [each.position for each in found] == [position]
    assert words in found[0].message
    assert hint in found[0].hint
    assert found[0].is_sure is is_sure


@pytest.mark.parametrize(
    "text",
    [
        "{{issue.key}} {{ISSUE.Summary.left(3)}} {{issue.customfield_10001.value}} {{issue.Story Points}}",
        '{{issue.summary.left("3")}} {{issue.points.left(1)}} {{issue.labels.left(2).join(", ")}}',
        "{{#issue.versions}}{{name}}{{^last}}, {{/}}{{index}}{{/}}",
        "{{#issue.labels}}{{.}}{{/}} {{issue.versions.first.name.toUpperCase()}}",
        "{{steps.free.any.thing}} {{steps.call.body.a.b.c}} {{steps.other}} {{unknown.left(nothing)}}",
        '{{steps.call.status.gt(300)}} {{if(steps.call.ok, "a", "b")}} {{now.plusDays(3).format("yyyy")}}',
        "{{issue.labels.size}} {{issue.labels.get(0).left(1)}} {{issue.labels.join(1)}}",
    ],
)
def test_what_may_be_right_is_left_alone(text: str) -> None:
    assert find(text) == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["issue", ".", "steps", "call", "left", "(", ")", "1", '"x"', ",", "{{", "}}", "#", "/", "|"]),
        max_size=14,
    )
)
def test_any_text_that_compiles_can_be_checked(parts: list[str]) -> None:
    try:
        found = find("{{" + "".join(parts) + "}}")
    except TemplateError:
        return
    assert all(0 <= each.position <= sum(map(len, parts)) + 4 for each in found)
