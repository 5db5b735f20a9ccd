"""What broke the expressions of other automation products, tried here: nothing is reached, data stays data, all work is bounded.

Each case is worked out both by closures and by written code. They follow published advisories of n8n, Windmill, Activepieces
and Kestra, named by their numbers.
"""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.generated import Given, Text, generate
from blubees.expressions.limits import DEFAULT, MARKS_MAX
from blubees.expressions.running import Run
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
    "issue": {"key": "A-1", "fields": {"summary": "{{issue.key}}"}},
    "form": FORM,
    "text": "plain",
    "many": [1, 2, 3],
    "steps": {"__proto__": {"id": 1}, "constructor": {"name": "mine"}},
    "now": datetime(2026, 11, 24, tzinfo=UTC),
}
TIMEOUT_SECONDS = 20  # generous: a slow machine; each takes some milliseconds


def work_out(source: str, scope: dict[str, Any]) -> object:
    """Give what comes out by the closures and by written code, or its code: they are the same."""
    template = compile_template(source)
    found: list[object] = []
    for get in (template.evaluate, generate(template.shape) or template.evaluate):
        try:
            found.append(get(Run(scope, DEFAULT)))
        except EvaluationError as error:
            found.append(error.code)
    assert found[0] == found[1]
    assert type(found[0]) is type(found[1])
    return found[0]


@pytest.mark.parametrize("source", [
    "{{().__class__.__mro__}}",  # CVE-2025-68613, as Python would have it
    "{{(function(){return this.process.mainModule.require('child_process')})()}}",
    '{{constructor.constructor("return process")()}}',  # CVE-2026-25049
    "{{text.constructor('return process')()}}",
    "{{with(issue){key}}}",  # CVE-2026-1470
    "{{with(text){1}}}",
    "{{[...issue]}}",  # GHSA-fg85
    '{{$fromAI("x")}}',  # GHSA-9x83
    "{{issue.key.__class__()}}",
    "{{issue.__getattribute__(1)}}",
    '{{__import__("os")}}',
    '{{issue.key.getClass().forName("java.lang.Runtime")}}',
    '{{eval("1")}}',
    '{{exec("import os")}}',
    '{{issue.key.concat(open("/etc/passwd"))}}',
    '{{"{0.__class__}".format_map(text)}}',
    "{{text[__class__](1)}}",
    "{{lambda(1)}}",
])  # fmt: skip
def test_what_calls_the_host_is_no_template(source: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(source)


@pytest.mark.parametrize("path", [
    "issue.__class__", "issue.key.__class__.__mro__", "issue.__class__.__base__.__subclasses__", "issue.__dict__",
    'issue."__class__"."__init__"."__globals__"', "issue.key.__len__", "issue.keys", "issue.items", "issue.values",
    "issue.constructor", "text.constructor.constructor", "issue.__proto__", "text.format_map",
    "now.__class__", "now.tzinfo", "now.tzinfo.utc", "now.strftime", "issue.get", "constructor", "__proto__",
    "__builtins__", "__import__", "self", "self.meter", "this", "globalThis", "process.mainModule.require", "scope", "run",
    "run.scope", "meter", "late", "k0", "v0",
])  # fmt: skip
def test_nothing_of_the_host_answers(path: str) -> None:
    assert work_out("{{" + path + "}}", SCOPE) is None


@pytest.mark.parametrize(("source", "expected"), [
    ("{{form.double}}", FORM["double"]),
    ("{{issue.summary}}", "{{issue.key}}"),
    ("x {{form.equals}}", "x ={{7*7}}"),
    ('a{{form.double.concat("}}")}}', "a{{issue.key}}}}"),
    ("{{form.equals.concat(issue.summary)}}", "={{7*7}}{{issue.key}}"),
    ("{{#form}}{{section}}{{/}}", FORM["section"]),
    ("{{#many.get(0)}}{{form.double}}{{/}}", FORM["double"]),
    ('{{"{{issue.key}}"}}', "{{issue.key}}"),
    ('{{form.section.replace("#", "")}}', "{{issue}}{{key}}{{/}}"),
    ('{{form.format.replaceAll("x", form.format)}}', FORM["format"]),
    ('{{"x".replaceAll("x", form.double)}}', FORM["double"]),
    ('{{form.double.toDate(form.double)|"none"}}', EvaluationCode.BAD_PATTERN),
    ("{{#=}}{{form.double}}{{/}}", EvaluationCode.BAD_MATH),
    ("{{form.__proto__.polluted}}", True),
    ("{{form.__class__.__mro__}}", "data"),
    ("{{form.constructor}}", "mine"),
    ("{{steps.__proto__.id}}", 1),
    ("{{steps.constructor.name}}", "mine"),
    ("{{issue.polluted}}", None),
    ("{{many.append}}", []),
])  # fmt: skip
def test_data_is_never_worked_out_and_telling_keys_are_data(source: str, expected: object) -> None:
    assert work_out(source, SCOPE) == expected


def test_an_evaluation_leaves_data_as_it_was() -> None:
    issue: dict[str, Any] = {"key": "A", "fields": {"labels": ["b", "a", "b"], "grid": [[1], [2]]}}
    scope = {"issue": issue}
    for function in ("distinct", "flatten", "join", "asJsonArray", "get(0)", 'concat("x")'):
        compile_template("{{issue.labels." + function + "}}{{issue.grid." + function + "}}").text(scope)
    assert issue == {"key": "A", "fields": {"labels": ["b", "a", "b"], "grid": [[1], [2]]}}


BIG = {
    "big": "a" * 900_000,
    "long": "a" * 400_000,
    "text": "plain",
    "pattern": "(a?){300}(a?){300}b",
    "dates": ["2026-11-23"] * 20_000,
    "numbers": list(range(30_000)),
    "huge": [10**300] * 10_000,
    "umlauts": "ä" * 400_000,
    "controls": ["\x01" * 1_000] * 3_000,
    "cat": "a" * 30_000 + "!",
    "many": list(range(1_000)),
    "wide": {f"k{number}": number for number in range(20_000)},
    "objects": [{"a": 1, "b": {"c": 2}} for _ in range(40_000)],
    "json": "[" + ",".join(['{"a":1}'] * 110_000) + "]",
    "xml": "<a>" + "<b/>" * 30_000 + "</a>",
    "now": datetime(2026, 11, 24, tzinfo=UTC),
}


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize(("source", "code"), [
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
    ("{{long.match(pattern)}}", "budget_steps"),
    ('{{long.replaceAll("a*b|a", "c")}}', "budget_steps"),
    ('{{long.replaceAll("a", "$0$0$0")}}', "budget_steps"),
    ("{{#many}}{{text.match(long.left(900))}}{{/}}", "budget_steps"),
    ("{{dates.toDate().plusDays(1)}}", "budget_steps"),
    ('{{#dates}}{{"2026-11-23".toDate().plusDays(1).format("yyyy")}}{{/}}', "budget_steps"),
    ("{{#many}}{{text" + ".toUpperCase()" * 100 + "}}{{/}}", "budget_steps"),
    ("{{#many}}{{#=}}" + "1+" * 100 + "1{{/}}{{/}}", "budget_steps"),
    ("{{long" + ".toUpperCase().toLowerCase()" * 20 + "}}", "budget_steps"),
    ("x{{controls.toJson()}}", "output_too_large"),
    ("{{#many}}{{text.equalsIgnoreCase(big)}}{{/}}", "budget_steps"),
    ("{{numbers.asCurrency()}}", "budget_steps"),
    ('{{numbers.contains("a")}}', "budget_steps"),
    ("{{huge.asJsonArray()}}", "budget_steps"),
    ("{{huge.right(1)}}", "budget_steps"),
    ("{{dates.asJsonObject(now)}}", "budget_steps"),
    ("{{#dates}}{{now.xmlEncode().asShortTime()}}{{/}}", "budget_steps"),
    ("{{umlauts.urlEncode()}}", "budget_steps"),
])  # fmt: skip
def test_work_without_end_ends_with_a_code(source: str, code: str) -> None:
    assert work_out("x" + source, BIG) == EvaluationCode(code)


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize("source", [
    "{{" + "9" * 60_000 + "}}",
    "{{a" + ".a" * MARKS_MAX + "}}",
    "{{a" + "[1]" * 20_000 + "}}",
    "{{a}}" * 10_000,
    "{{and(" + ",".join("1" * 30_000) + ")}}",
    "{{" + "q" * 60_000 + "(1)}}",
    "{{" * 30_000,
])  # fmt: skip
def test_what_would_take_long_to_read_is_refused_or_read(source: str) -> None:
    try:
        assert isinstance(compile_template(source).shape, Text | Given)
    except TemplateError as error:
        assert error.message  # noqa: PT017 - either is right


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
