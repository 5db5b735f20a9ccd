"""What broke other engines' expressions, and what would hold a conduit up: each ends quietly, refused, or with a code of ours.

Source of the cases: n8n's advisories of 2025 and 2026 (CVE-2025-68613, 2026-25049, 2026-1470, 2026-27493, 2025-68668, 2026-42231
and their like), turned to this language.
"""

from typing import Any

import pytest

from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError
from blubees.expressions.generated import Given, Text, generate
from blubees.expressions.limits import DEFAULT, MARKS_MAX
from blubees.expressions.running import Run
from blubees.expressions.template import compile_template

LONG = "a" * 400_000
SCOPE: dict[str, Any] = {
    "issue": {"key": "AB-1", "fields": {"summary": "{{issue.key}}"}},
    "form": "={{issue.key}}",
    "text": "plain",
    "long": LONG,
    "pattern": "(a?){300}(a?){300}b",
    "many": list(range(3_000)),
    "dates": ["2026-11-23"] * 20_000,
    "controls": ["\x01" * 1_000] * 3_000,
    "step": {"__proto__": {"admin": True}, "constructor": {"name": "mine"}},
}
TIMEOUT_SECONDS = 20  # generous: a slow machine; each takes some milliseconds


def _work_out_both_ways(source: str) -> list[object]:
    """By the closures and by written code: what comes out, or its code."""
    template = compile_template(source)
    found: list[object] = []
    for get in (template.evaluate, generate(template.shape) or template.evaluate):
        try:
            found.append(get(Run(SCOPE, DEFAULT)))
        except EvaluationError as error:
            found.append(error.code)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "{{text.__class__.__mro__}}",
        "{{issue.__class__.__base__.__subclasses__}}",
        "{{text.constructor.constructor}}",
        '{{issue."__class__"."__init__"."__globals__"}}',
        "{{__builtins__}}",
        "{{__import__}}",
        "{{self.meter}}",
        "{{run.scope}}",
        "{{scope}}",
        "{{k0}}{{v0}}",
        "{{process.mainModule.require}}",
        "{{globalThis}}",
        "{{issue.keys}}{{issue.items}}{{many.append}}",
        "{{text.format_map}}",
    ],
)
def test_nothing_of_the_host_is_there(source: str) -> None:
    assert all(found in (None, "") for found in _work_out_both_ways(source))


@pytest.mark.parametrize(
    "source",
    [
        "{{(function(){return this.process.mainModule.require('child_process')})()}}",
        "{{().__class__.__mro__}}",
        "{{text.constructor('return process')()}}",
        "{{eval(1)}}",
        '{{exec("import os")}}',
        '{{open("/etc/passwd")}}',
        "{{issue.__getattribute__(1)}}",
        '{{"{0.__class__}".format_map(text)}}',
        "{{text[__class__](1)}}",
        "{{$fromAI(1)}}",
        "{{with(text){1}}}",
        "{{lambda(1)}}",
    ],
)
def test_what_calls_the_host_is_no_template(source: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{issue.summary}}", "{{issue.key}}"),
        ("x {{form}}", "x ={{issue.key}}"),
        ("{{form.concat(issue.summary)}}", "={{issue.key}}{{issue.key}}"),
        ("{{#many.get(0)}}{{form}}{{/}}", "={{issue.key}}"),
        ('{{"{{issue.key}}"}}', "{{issue.key}}"),
        ("{{step.__proto__.admin}}", True),
        ("{{text.admin}}", None),
        ("{{step.constructor.name}}", "mine"),
    ],
)
def test_data_stays_data(source: str, expected: object) -> None:
    assert _work_out_both_ways(source) == [expected, expected]


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{{long.match(pattern)}}", EvaluationCode.BUDGET_STEPS),
        ('{{long.replaceAll("a*b|a", "c")}}', EvaluationCode.BUDGET_STEPS),
        ('{{long.replaceAll("a", "$0$0$0")}}', EvaluationCode.BUDGET_STEPS),
        ("{{#many}}{{text.match(long.left(900))}}{{/}}", EvaluationCode.BUDGET_STEPS),
        ("{{dates.toDate().plusDays(1)}}", EvaluationCode.BUDGET_STEPS),
        ('{{#dates}}{{"2026-11-23".toDate().plusDays(1).format("yyyy")}}{{/}}', EvaluationCode.BUDGET_STEPS),
        ("{{#many}}{{text" + ".toUpperCase()" * 100 + "}}{{/}}", EvaluationCode.BUDGET_STEPS),
        ("{{#many}}{{#=}}" + "1+" * 100 + "1{{/}}{{/}}", EvaluationCode.BUDGET_STEPS),
        ("{{long" + ".toUpperCase().toLowerCase()" * 20 + "}}", EvaluationCode.BUDGET_STEPS),
        ("x{{controls.toJson()}}", EvaluationCode.OUTPUT_TOO_LARGE),
        ('{{"x".leftPad(1000000000, "y")}}', EvaluationCode.OUTPUT_TOO_LARGE),
        ("{{#=}}9^9^9^9{{/}}", EvaluationCode.BAD_MATH),
        ("{{#=}}1e400{{/}}", EvaluationCode.BAD_MATH),
        ("{{#many}}{{#many}}{{#many}}x{{/}}{{/}}{{/}}", EvaluationCode.BUDGET_STEPS),
    ],
)
def test_what_would_take_long_ends_with_a_code(source: str, code: EvaluationCode) -> None:
    assert _work_out_both_ways(source) == [code, code]


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize(
    "source",
    [
        "{{" + "9" * 60_000 + "}}",
        "{{a" + ".a" * MARKS_MAX + "}}",
        "{{a" + "[1]" * 20_000 + "}}",
        "{{a}}" * 10_000,
        "{{and(" + ",".join("1" * 30_000) + ")}}",
        "{{" + "q" * 60_000 + "(1)}}",
        "{{" * 30_000,
    ],
)
def test_what_would_take_long_to_read_is_refused_or_read(source: str) -> None:
    try:
        assert isinstance(compile_template(source).shape, Text | Given)
    except TemplateError as error:
        assert error.message  # noqa: PT017 - either is right
