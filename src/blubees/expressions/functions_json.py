"""The functions that write JSON, and that read JSON and XML. Called through functions.py."""

from collections.abc import Sequence
from typing import Any, Final

from blubees.expressions.conversions import as_text
from blubees.expressions.limits import Meter
from blubees.expressions.reading import read_json, read_xml
from blubees.expressions.signatures import Function, function
from blubees.expressions.values import quote_json, write_json


def _string(meter: Meter, value: object, _arguments: Sequence[Any]) -> str:
    text = as_text(meter, value)
    meter.expect_text(len(text) + 2)
    made = quote_json(text)
    meter.expect_text(len(made))
    return made


def _object(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    made = "{" + quote_json(as_text(meter, arguments[0])) + ":" + quote_json(text) + "}"
    meter.expect_text(len(made))
    return made


def _string_array(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> str:
    meter.spend(2 * len(values))
    return write_json([as_text(meter, each) for each in values], meter)


def _array(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> str:
    meter.spend(2 * len(values))
    parts = [as_text(meter, each) for each in values]
    meter.expect_text(sum(map(len, parts)) + len(parts))
    return "[" + ",".join(parts) + "]"


def _object_array(meter: Meter, values: list[Any], arguments: Sequence[Any]) -> str:
    key = quote_json(as_text(meter, arguments[0]))
    meter.spend(3 * len(values))
    meter.expect_text(len(key) * len(values))
    parts = ["{" + key + ":" + quote_json(as_text(meter, each)) + "}" for each in values]
    meter.expect_text(sum(map(len, parts)))
    return "[" + ",".join(parts) + "]"


JSON: Final[tuple[Function, ...]] = (
    function("text.asJsonString() -> text", _string, '"a".asJsonString()', '"a"'),
    function("any.asJsonString() -> text", _string, "7.asJsonString()", '"7"'),
    function("text.asJsonObject(key: text) -> text", _object, '"v".asJsonObject("k")', '{"k":"v"}'),
    function("list.asJsonStringArray() -> text", _string_array, '"a,b".split(",").asJsonStringArray()', '["a","b"]'),
    function("list.asJsonArray() -> text", _array, '"1,2".split(",").asJsonArray()', "[1,2]"),
    function("list.asJsonObjectArray(key: text) -> text", _object_array, '"a,b".split(",").asJsonObjectArray("k")', '[{"k":"a"},{"k":"b"}]'),
    function("text.jsonStringToObject() -> any", lambda m, t, _a: read_json(m, t), '"{\\"a\\": [1, 2]}".jsonStringToObject().a', [1, 2]),
    function("text.xmlToJson() -> object", lambda m, t, _a: read_xml(m, t), '"<a><b>1</b><b>2</b></a>".xmlToJson().a.b', ["1", "2"]),
    function("any.toJson() -> text", lambda m, v, _a: write_json(v, m), '"a,b".split(",").toJson()', '["a","b"]'),
)  # fmt: skip


READERS: Final[tuple[Function, ...]] = (
    function("jsonStringToObject(text: text) -> any", lambda m, _v, a: read_json(m, as_text(m, a[0])), 'jsonStringToObject("{\\"a\\": 1}").a', 1),
    function("xmlToJson(text: text) -> object", lambda m, _v, a: read_xml(m, as_text(m, a[0])), 'xmlToJson("<a b=\\"1\\">x</a>").a', {"b": "1", "content": "x"}),
)  # fmt: skip
