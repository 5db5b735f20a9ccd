"""Smart values: the functions' own examples, the grammar, the limits, and what can't be reached."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.expressions.document import check_document, compile_document
from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.signatures import Function
from blubees.expressions.template import compile_template, equality

ISSUE: dict[str, Any] = {
    "key": "AB-1",
    "fields": {
        "summary": "Hello urgent",
        "issuetype": {"name": "Bug"},
        "fixVersions": [{"name": "1.0"}, {"name": "2.0"}],
        "labels": [],
        "Invoice Amount": 12.5,
        "comments": [{"body": "a"}, {"body": "b"}],
        "avatarUrls": {"48x48": "big"},
    },
}
ISSUES = [{"fixVersions": [{"name": "1.0"}]}, {"fixVersions": [{"name": "2.0"}, {"name": "3.0"}]}, {"other": 1}]
SCOPE: dict[str, object] = {"issue": ISSUE, "issues": ISSUES, "steps": {"one": {"id": 7}}, "text": "{{issue.key}}", "no": False}
SCOPE |= {"day": "2026-01-02T03:04:05.000+0000", "amount": "7.5"}
ALL = [
    pytest.param(each, id=f"{each.receiver}-{each.name}")
    for each in [*GLOBALS.values(), *(row for table in FUNCTIONS.values() for row in table.values())]
]


@pytest.mark.parametrize("function", ALL)
def test_a_function_gives_what_its_example_says(function: Function) -> None:
    value = compile_template("{{" + function.example + "}}").value({})
    assert value == function.gives
    assert type(value) is type(function.gives)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{issue.summary.toUpperCase()}}", "HELLO URGENT"),
        ('{{issue.fixVersions.name.join(", ")}}', "1.0, 2.0"),
        ("{{issue.fixVersions.name}}", ["1.0", "2.0"]),
        ("v{{issue.fixVersions.name}}", "v1.0, 2.0"),
        ("{{issues.fixVersions.name}}", [["1.0"], ["2.0", "3.0"]]),
        ('{{issues.fixVersions.name.flatten.join("-")}}', "1.0-2.0-3.0"),
        ("{{issues.fixVersions.name.toUpperCase.size}}", 2),
        ("{{steps.one.id}}", 7),
        ("n{{steps.one.id}}", "n7"),
        ("{{issue.fields.summary}}", "Hello urgent"),
        ("{{issue.issueType.name}}", "Bug"),
        ("{{issue.Invoice Amount}}", 12.5),
        ('{{issue.avatarUrls."48x48"}}', "big"),
        ('{{issue.nothing|"none"}}', "none"),
        ("{{issue.nothing}}", None),
        ("a{{issue.nothing}}b", "ab"),
        ("{{issue.summary.length.plus(1)}}", 13),
        ('{{day.format("yyyy")}} {{amount.format("#.00")}} {{text.format("yyyy")}}.', "2026 7.50 ."),
        ("{{#issue.comments}}{{body}}{{^last}}, {{/}}{{/}}", "a, b"),
        ("{{#issue.comments}}{{index}}{{/}}", "01"),
        ('{{#issue.fixVersions.name}}{{.concat("-")}}{{.length}};{{/}}', "1.0-3;2.0-3;"),
        ("{{#issue.fixVersions}}{{.name.left(1)}}{{.size}}{{/}}", "1121"),
        ('{{#if(issue.key)}}{{.name}}{{/}}{{.toDate()|"none"}}', "none"),
        ("{{#issue.fixVersions.name}}<{{.}}>{{/}}", "<1.0><2.0>"),
        ("{{^issue.labels}}none{{/}}", "none"),
        ("{{#if(issue.labels)}}y{{else}}n{{/}}", "n"),
        ("{{#=}}2 + 3 * 4 ^ 2{{/}}", "50"),
        ("{{#math}}MAX(1, {{steps.one.id}}) / 2{{/}}", "3.5"),
        ("{{#increment}}4{{/}}", "5"),
        ("{{if(equals(issue.issueType.name, \u201cBug\u201d), 1, 2)}}", 1),
        ('{{and(exists(issue.summary), not(no), or(no, "x"))}}', True),
        ("{{issue.labels.size}}", 0),
        ("{{issue.nothing.size}}", 0),
        ("{{{issue.key}}}", "AB-1"),
        ("{{text}}", "{{issue.key}}"),
        ("x {{text}} {{text.toUpperCase()}}", "x {{issue.key}} {{ISSUE.KEY}}"),
    ],
)
def test_a_template_gives(source: str, expected: object) -> None:
    assert compile_template(source).value(SCOPE) == expected


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("{{issue.summary.toUperCase()}}", "toUpperCase"),
        ("{{nonsense(1)}}", "no function"),
        ("{{issue.summary.left()}}", "arguments"),
        ("{{issue.summary", "not closed"),
        ('{{issue."x}}', "not closed"),
        ("{{#issue.comments}}", "not closed"),
        ("{{/}}", "closes nothing"),
        ("{{if(issue.x)}}y{{/}}", "begins with #"),
        ("{{issue.summary.replace('a','b')}}", "double quotes"),
        ("{{else}}", "no section"),
        ("{{}}", "missing"),
        ("{{issue..x}}", "name is missing"),
        ('{{issue.summary.match("(a)\\1")}}', "pattern"),
        ("{{" + "not(" * 1_000 + "1" + ")" * 1_000 + "}}", "deeper"),
        ("{{#issue}}" * 1_000, "deeper"),
        ("x" * 70_000, "characters"),
    ],
)
def test_a_bad_template_says_what_is_wrong(source: str, part: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ('{{"x".leftPad(1000000000, "y")}}', EvaluationCode.OUTPUT_TOO_LARGE),
        ("{{#=}}9^9^9^9{{/}}", EvaluationCode.BAD_MATH),
        ("{{#=}}" + "(" * 500 + "1{{/}}", EvaluationCode.TOO_DEEP),
        ("{{#=}}1/0{{/}}", EvaluationCode.BAD_MATH),
        ("{{#=}}__import__(1){{/}}", EvaluationCode.BAD_MATH),
        ('{{big.replace("a", big)}}', EvaluationCode.OUTPUT_TOO_LARGE),
        ("{{#many}}{{#many}}{{#many}}{{.}}{{/}}{{/}}{{/}}", EvaluationCode.BUDGET_STEPS),
        ("x{{deep}}", EvaluationCode.TOO_DEEP),
        ("{{2.pow(99999)}}", EvaluationCode.BAD_ARGUMENT),
        ("{{issue.summary.left(huge)}}", EvaluationCode.BAD_ARGUMENT),
        ("x{{huge}}", EvaluationCode.BAD_ARGUMENT),
    ],
)
def test_a_hostile_template_ends_with_a_code(source: str, code: EvaluationCode) -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    scope = SCOPE | {"many": list(range(200)), "deep": deep, "big": "a" * 5_000, "huge": 10**5_000}
    with pytest.raises(EvaluationError) as caught:
        compile_template(source).value(scope)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "source",
    [
        "{{issue.__class__}}",
        "{{issue.summary.__class__.__mro__}}",
        "{{issue.key.format}}",
        "{{issue.items}}",
        "{{text.__len__}}",
    ],
)
def test_no_attribute_of_the_host_is_reachable(source: str) -> None:
    assert compile_template(source).value(SCOPE) is None


def test_data_with_telling_keys_is_only_data() -> None:
    assert compile_template("{{x.__class__}}").value({"x": {"__class__": "mine"}}) == "mine"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('{{issue.issueType.name.equals("Bug")}}', (("issue", "issueType", "name"), "Bug")),
        ('{{equals("Bug", issue.type)}}', (("issue", "type"), "Bug")),
        ('{{and(exists(issue), issue.key.equals("A-1"))}}', (("issue", "key"), "A-1")),
        ('{{or(issue.key.equals("A-1"), no)}}', None),
        ('{{issue.key.toLowerCase().equals("a-1")}}', None),
        ('x{{issue.key.equals("A-1")}}', None),
    ],
)
def test_conditions_that_ask_for_one_text_are_found(source: str, found: object) -> None:
    assert equality(compile_template(source)) == found


def test_a_document_keeps_types_and_shares_what_is_constant() -> None:
    constant = {"a": [1, 2]}
    document = compile_document({"n": "{{steps.one.id}}", "t": "{{issue.key}}!", "c": constant})
    rendered = document.render(SCOPE)
    assert rendered == {"n": 7, "t": "AB-1!", "c": {"a": [1, 2]}}
    assert rendered["c"] is constant
    assert [place for place, _ in check_document({"a": ["{{x", {"b": "{{/}}"}]})] == [("a", 0), ("a", 1, "b")]


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "#",
        "^",
        "/",
        "|",
        "(",
        ")",
        ".",
        ",",
        '"',
        "issue",
        "text",
        "size",
        "left",
        "match",
        "=",
        "else",
        "if",
        " ",
        "1",
        "-",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(string.printable, max_size=3), max_size=25).map("".join))
def test_nothing_but_our_own_errors_comes_out(source: str) -> None:
    try:
        compile_template(source).text(SCOPE)
    except (TemplateError, EvaluationError):
        return
