"""What broke the expressions of other automation products, tried here: nothing is reached, data stays data, all work is bounded.

The cases follow published advisories of n8n, Windmill, Activepieces and Kestra, named by their numbers.
"""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.signatures import Function
from blubees.expressions.template import Template, compile_template

FORM = {
    "double": "{{issue.key}}",  # CVE-2026-27493: a form's field that a later step reads
    "equals": "={{7*7}}",
    "section": "{{#issue}}{{key}}{{/}}",
    "format": "{0.__class__} %s ${7*7} #{7*7}",  # CVE-2025-68668: attribute walk by str.format
    "__proto__": {"polluted": True},  # CVE-2026-42231, CVE-2026-110848
    "constructor": "mine",
    "__class__": {"__mro__": "data"},
}
SCOPE: dict[str, object] = {
    "issue": {"key": "A-1", "fields": {"summary": "s"}},
    "form": FORM,
    "steps": {"__proto__": {"id": 1}},
    "now": datetime(2026, 11, 24, tzinfo=UTC),
}


@pytest.mark.parametrize("source", [
    "{{().__class__.__mro__}}",  # CVE-2025-68613, as Python would have it
    "{{(function(){return this.process.mainModule.require('child_process')})()}}",
    '{{constructor.constructor("return process")()}}',  # CVE-2026-25049
    "{{with(issue){key}}}",  # CVE-2026-1470
    "{{[...issue]}}",  # GHSA-fg85
    '{{$fromAI("x")}}',  # GHSA-9x83
    "{{issue.key.__class__()}}",
    '{{__import__("os")}}',
    '{{issue.key.getClass().forName("java.lang.Runtime")}}',
    '{{eval("1")}}',
    '{{issue.key.concat(open("/etc/passwd"))}}',
])  # fmt: skip
def test_code_of_other_languages_is_no_template_or_empty(source: str) -> None:
    try:
        text = compile_template(source).text(SCOPE)
    except TemplateError:
        return
    assert text == ""


@pytest.mark.parametrize("path", [
    "issue.__class__", "issue.key.__class__.__mro__", "issue.__dict__", "issue.key.__len__", "issue.keys", "issue.values",
    "issue.constructor", "issue.__proto__", "now.__class__", "now.tzinfo", "now.tzinfo.utc", "now.strftime", "issue.get",
    "constructor", "__proto__", "__builtins__", "self", "this", "process", "scope", "run", "meter", "late",
])  # fmt: skip
def test_nothing_of_the_host_answers(path: str) -> None:
    assert compile_template("{{" + path + "}}").value(SCOPE) is None


@pytest.mark.parametrize(("source", "expected"), [
    ("{{form.double}}", FORM["double"]),
    ('a{{form.double.concat("}}")}}', "a{{issue.key}}}}"),
    ("{{form.equals}}", FORM["equals"]),
    ("{{#form}}{{section}}{{/}}", FORM["section"]),
    ('{{form.section.replace("#", "")}}', "{{issue}}{{key}}{{/}}"),
    ('{{form.format.replaceAll("x", form.format)}}', FORM["format"]),
    ('{{"x".replaceAll("x", form.double)}}', FORM["double"]),
    ('{{form.double.toDate(form.double)|"none"}}', EvaluationCode.BAD_PATTERN),
    ("{{#=}}{{form.double}}{{/}}", EvaluationCode.BAD_MATH),
    ("{{form.__proto__.polluted}}", True),
    ("{{form.__class__.__mro__}}", "data"),
    ("{{form.constructor}}", "mine"),
    ("{{steps.__proto__.id}}", 1),
    ("{{issue.polluted}}", None),
])  # fmt: skip
def test_data_is_never_worked_out_and_telling_keys_are_data(source: str, expected: object) -> None:
    if isinstance(expected, EvaluationCode):
        with pytest.raises(EvaluationError) as caught:
            compile_template(source).value(SCOPE)
        assert caught.value.code is expected
    else:
        assert compile_template(source).value(SCOPE) == expected


def test_an_evaluation_leaves_data_as_it_was() -> None:
    issue: dict[str, Any] = {"key": "A", "fields": {"labels": ["b", "a", "b"], "grid": [[1], [2]]}}
    scope = {"issue": issue}
    for function in ("distinct", "flatten", "join", "asJsonArray", "get(0)", 'concat("x")'):
        compile_template("{{issue.labels." + function + "}}{{issue.grid." + function + "}}").text(scope)
    assert issue == {"key": "A", "fields": {"labels": ["b", "a", "b"], "grid": [[1], [2]]}}


BIG = {
    "big": "a" * 900_000,
    "cat": "a" * 30_000 + "!",
    "many": list(range(1_000)),
    "wide": {f"k{number}": number for number in range(20_000)},
    "objects": [{"a": 1, "b": {"c": 2}} for _ in range(40_000)],
    "json": "[" + ",".join(['{"a":1}'] * 110_000) + "]",
    "xml": "<a>" + "<b/>" * 30_000 + "</a>",
    "now": datetime(2026, 11, 24, tzinfo=UTC),
}


@pytest.mark.parametrize(("source", "codes"), [
    ("{{#=}}9^9^9^9{{/}}", "bad_math"),
    ("{{#=}}1e400{{/}}", "bad_math"),
    ("{{#=}}" + "9" * 1_500 + "{{/}}", "bad_math"),
    ("{{#=}}" + "-" * 1_500 + "1{{/}}", "too_deep"),
    ("{{#=}}{{big}}{{/}}", "bad_math"),
    ("{{1.multiply(2).pow(99999)}}", "bad_argument"),
    ('{{"x".leftPad(1000000000)}}', "output_too_large"),
    ("{{big.concat(big)}}", "output_too_large"),
    ('{{big.replace("a", "bb")}}', "output_too_large"),
    ('{{big.match("a")}}', "budget_steps"),
    ('{{big.match("(a+)+$")}}', "budget_steps"),
    ('{{big.split("")}}', "budget_steps"),
    ("{{#many}}{{#many}}{{.}}{{/}}{{/}}", "budget_steps"),
    ("{{#many}}{{wide.nope}}{{/}}", "budget_steps"),
    ("{{#many}}{{big}}{{/}}", "output_too_large"),
    ("{{objects.toJson}}", "budget_steps"),
    ("{{json.jsonStringToObject}}", "budget_steps"),
    ("{{xml.xmlToJson}}", "budget_steps"),
    ("{{now.plusBusinessDays(9999999999999)}}", "bad_argument"),
    ("{{now.format(big)}}", "bad_pattern"),
    ("{{now.convertToTimeZone(big)}}", "bad_argument"),
    ("{{5.format(big)}}", "bad_pattern"),
    ("{{5.asCurrency(big)}}", "bad_argument"),
    ("{{100000000000000000000000000000.asCurrency}}", "bad_argument"),
    ("{{100000000000000000000000000000.asPercentage}}", "bad_argument"),
])  # fmt: skip
def test_work_without_end_ends_with_a_code(source: str, codes: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_template(source).text(BIG)
    assert caught.value.code.value == codes


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "((a{1,30}){1,30}){1,3}$"])
def test_patterns_that_others_never_finish_are_finished_or_refused(pattern: str) -> None:
    try:
        found = compile_template("{{cat.match(pattern)}}").value({**BIG, "pattern": pattern})
    except EvaluationError as error:
        found = None if error.code is EvaluationCode.BAD_PATTERN else error
    assert found is None


ROWS = [*GLOBALS.values(), *(row for table in FUNCTIONS.values() for row in table.values())]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["2026-11-24", "1e400", "(", "yyyy", "fr", "Europe/Berlin", "{{x}}", "<a/>", "[1]"])
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def _call(function: Function, count: int) -> Template:
    call = f"{function.name}({', '.join('abc'[:count])})"
    return compile_template("{{" + (call if function.receiver is None else f"value.{call}") + "}}")


CALLS = [_call(row, count) for row in ROWS for count in range(row.least, min(row.most, 3) + 1)]


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, VALUES, VALUES)
def test_each_function_takes_any_data(value: object, a: object, b: object, c: object) -> None:
    scope = {"value": value, "a": a, "b": b, "c": c}
    for template in CALLS:
        with contextlib.suppress(EvaluationError):
            template.text(scope)
        with contextlib.suppress(EvaluationError):
            template.value(scope)
