"""Math blocks, numbers, JSON, XML and lookup tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.template import compile_template

SCOPE: dict[str, object] = {
    "table": {"Bug": "Ana", "New Feature": "Ben"},
    "issue": {
        "key": "A-1",
        "fields": {"issuetype": {"name": "New Feature"}, "amount": 10, "versions": [{"name": "1"}, {"name": "2"}]},
    },
    "body": '{"a": {"b": [1, "x", null]}}',
    "now": datetime(2026, 11, 24, tzinfo=UTC),
    "status": {"id": "3", "name": "Done", "statusCategory": {"key": "done"}},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("7 % 4", "3"),
        ("1 <= 2 && 3 <> 3", "0"),
        ("not(0) + NOT(5)", "1"),
        ("if(1 > 2, 1 / 0, 5)", "5"),
        ("IF(1, IF(0, 1/0, 6), 1/0)", "6"),
        ("round(2.345, 2)", "2.35"),
        ("round(-2.5)", "-3"),
        ("FLOOR(-2.1) + CEILING(2.1)", "0"),
        ("sin(90) + Cos(0) + tan(45)", "3"),
        ("cos(90)", "0"),
        ("asin(1) + atan2(1, 1)", "135"),
        ("rad(180) = PI", "1"),
        ("round(deg(pi))", "180"),
        ("log(e) + log10(100) + sqrt(16)", "7"),
        ("min(3, 1, 2) + max(3, 1, 2)", "4"),
        ("fact(5)", "120"),
        ("TRUE + false", "1"),
        ("{{issue.amount}} * 1.2", "12"),
        ("{{issue.nothing}} + 1", ""),
        ("{{issue.nothing|0}} + 1", "1"),
        ("random() >= 0 && RANDOM() < 1", "1"),
        ("random() = random()", "0"),
    ],
)
def test_a_math_block_gives(source: str, expected: str) -> None:
    assert compile_template("{{#=}}" + source + "{{/}}").text(SCOPE) == expected


def test_a_step_performed_again_draws_the_same_number() -> None:
    template = compile_template("{{#=}}random(){{/}}")
    assert template.text(SCOPE) == template.text(SCOPE) != template.text({"now": datetime(2026, 11, 25, tzinfo=UTC)})


@pytest.mark.parametrize(
    "source",
    ["fact(171)", "fact(-1)", "sqrt(0 - 1)", "asin(2)", "round(1, 99)", "log(0)", "cot(0)", "IF(1, 2)", "nope(1)", "²"],
)
def test_what_has_no_value_is_a_math_error(source: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_template("{{#=}}" + source + "{{/}}").text(SCOPE)
    assert caught.value.code is EvaluationCode.BAD_MATH


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{{1234567.891.format("#,##0.0")}}', "1,234,567.9"),
        ('{{0.5.format("00.00%")}}', "50.00%"),
        ('{{5.format("000")}}', "005"),
        ("{{-12.5.asCurrency}}", "-$12.50"),
        ('{{12.asCurrency("EUR")}}', "€12.00"),
        ("{{0.256.asPercentage}}", "26%"),
        ('{{"5".gt(4)}}', True),
        ("{{table.get(issue.issuetype.name)}}", "Ben"),
        ('{{table.get("Task", "nobody")}}', "nobody"),
        ("{{#table.entries}}{{key}}={{value}};{{/}}", "Bug=Ana;New Feature=Ben;"),
        ("{{body.jsonStringToObject.a.b}}", [1, "x", None]),
        ("{{jsonStringToObject(body).a.b.get(1)}}", "x"),
        ('{{"{nope".jsonStringToObject}}', None),
        ('{{"[1e999]".jsonStringToObject}}', None),
        ('{{"[NaN]".jsonStringToObject}}', None),
        ('{{xmlToJson("<r><i id=\\"1\\">a</i><i>b &amp; c</i><e/></r>").r}}', {"i": [{"id": "1", "content": "a"}, "b & c"], "e": ""}),
        ('{{"<r>".xmlToJson}}', None),
        ('{{issue.versions.name.asJsonObject("name").asJsonArray}}', '[{"name":"1"},{"name":"2"}]'),
        ("{{issue.nothing.asJsonString}}", "null"),
        ("is {{status}}", "is 3"),
        ("{{status.toJson}}", '{"id":"3","name":"Done","statusCategory":{"key":"done"}}'),
        ("{{issue.versions.isNotEmpty}}", True),
    ],
)  # fmt: skip
def test_a_template_gives(source: str, expected: object) -> None:
    assert compile_template(source).value(SCOPE) == expected


BOMB = '<!DOCTYPE b [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;">]><b>&b;</b>'
OUTSIDE = '<!DOCTYPE b [<!ENTITY f SYSTEM "file:///etc/passwd">]><b>&f;</b>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, "<!DOCTYPE html><b/>", "<b>&unknown;</b>"])
def test_xml_that_declares_anything_is_not_read(text: str) -> None:
    assert compile_template("{{text.xmlToJson}}").value({"text": text}) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<a>" * 100 + "</a>" * 100, EvaluationCode.TOO_DEEP),
        ("<a>" + "<b/>" * 30_000 + "</a>", EvaluationCode.BUDGET_STEPS),
        ("<a>" + "x" * 300_000 + "</a>", EvaluationCode.OUTPUT_TOO_LARGE),
    ],
)
def test_xml_is_read_within_limits(text: str, code: EvaluationCode) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_template("{{text.xmlToJson}}").value({"text": text})
    assert caught.value.code is code


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "[" * 100_000, '{"a":' * 70 + "1" + "}" * 70])
def test_json_is_read_to_a_depth(text: str) -> None:
    value: Any = None
    with pytest.raises(EvaluationError) as caught:
        value = compile_template("{{text.jsonStringToObject}}").value({"text": text})
    assert caught.value.code is EvaluationCode.TOO_DEEP, value
