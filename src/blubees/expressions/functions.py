"""The function table: name, receiver, arguments, what it gives, an example that a test executes. Called by template.py.

Text functions follow Java's String and Commons Lang, which Atlassian's own pages link to; rulings: docs/smart-values.md.
"""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus

import re2

from blubees.expressions.dates import DATE_FUNCTIONS, read_date
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import NUMBER_MAX_DIGITS, Meter
from blubees.expressions.values import escape_json, is_true, quote_json, write_json, write_text

Implementation = Callable[[Meter, Any, Sequence[Any]], Any]
PATTERN_MAX_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        receiver: text, number, boolean, list, date, object or any.
        least, most: how many arguments.
        example, gives: an expression and its value, executed by a test and shown in the documentation.
    """

    name: str
    receiver: str
    least: int
    most: int
    call: Implementation
    example: str
    gives: object


def as_text(meter: Meter, value: object) -> str:
    """An argument as text."""
    return value if type(value) is str else write_text(value, meter)


def as_int(value: object, name: str) -> int:
    """An argument as a whole number."""
    number = as_number(value)
    if number is None or not math.isfinite(number) or abs(number) > 2**53:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return int(number)


def as_number(value: object) -> int | float | None:
    """A number, or a text that is one; anything else is None."""
    if type(value) is int or type(value) is float:
        return value
    if type(value) is str and 0 < len(value.strip()) <= NUMBER_MAX_DIGITS:
        text = value.strip().replace(",", "")
        try:
            return int(text) if text.lstrip("+-").isdecimal() and text.isascii() else _finite(float(text))
        except ValueError:
            return None
    return None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _number(value: object, name: str) -> int | float:
    number = as_number(value)
    if number is None:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return number


def compile_pattern(pattern: str) -> Any:  # noqa: ANN401 - RE2's type has no stub
    """Compile a pattern with RE2: linear time, whatever the text.

    Raises:
        EvaluationError: not a pattern that RE2 takes (back references and look-around are not).
    """
    if len(pattern) > PATTERN_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_PATTERN)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise EvaluationError(EvaluationCode.BAD_PATTERN) from None


def _match(meter: Meter, text: str, arguments: Sequence[Any]) -> object:
    pattern = compile_pattern(as_text(meter, arguments[0]))
    meter.expect_text(len(text))
    found = []
    for match in pattern.finditer(text):
        meter.spend(1)
        found.append(match.group(1) if pattern.groups else match.group(0))
    return None if not found else found[0] if len(found) == 1 else found


def _replace_all(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    pattern, replacement = compile_pattern(as_text(meter, arguments[0])), as_text(meter, arguments[1])
    meter.expect_text(len(text))
    parts: list[str] = []
    position = size = 0
    for match in pattern.finditer(text):
        piece = text[position : match.start()] + _fill_groups(replacement, match, pattern.groups)
        parts.append(piece)
        size += len(piece)
        meter.spend(1)
        meter.expect_text(size)
        position = match.end()
    parts.append(text[position:])
    return "".join(parts)


def _fill_groups(replacement: str, match: Any, groups: int) -> str:  # noqa: ANN401 - see compile_pattern
    r"""Put groups for `$1`; `\\$` is a dollar."""
    parts: list[str] = []
    position = 0
    while position < len(replacement):
        letter, after = replacement[position], replacement[position + 1 : position + 2]
        if letter == "\\" and after:
            parts.append(after)
            position += 2
        elif letter == "$" and after.isdecimal() and int(after) <= groups:
            parts.append(match.group(int(after)) or "")
            position += 2
        else:
            parts.append(letter)
            position += 1
    return "".join(parts)


def _replace(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    old, new = as_text(meter, arguments[0]), as_text(meter, arguments[1])
    if not old:
        return text
    meter.expect_text(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _pad(name: str, *, left: bool) -> Implementation:
    def pad(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
        width = as_int(arguments[0], name)
        letter = (as_text(meter, arguments[1]) if len(arguments) > 1 else " ")[:1] or " "
        meter.expect_text(max(width, len(text)))
        return text.rjust(width, letter) if left else text.ljust(width, letter)

    return pad


def _abbreviate(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    width = as_int(arguments[0], "abbreviate")
    if width < 4:  # noqa: PLR2004 - one letter and the dots
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "abbreviate")
    return text if len(text) <= width else text[: width - 3] + "..."


def _substring(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    start = max(0, as_int(arguments[0], "substring"))
    end = as_int(arguments[1], "substring") if len(arguments) > 1 else len(text)
    return text[start : max(start, end)]


def _between(meter: Meter, text: str, arguments: Sequence[Any]) -> str | None:
    opening, closing = as_text(meter, arguments[0]), as_text(meter, arguments[-1])
    start = text.find(opening)
    end = text.find(closing, start + len(opening)) if start >= 0 else -1
    return text[start + len(opening) : end] if end >= 0 else None


def _char_at(_meter: Meter, text: str, arguments: Sequence[Any]) -> str | None:
    index = as_int(arguments[0], "charAt")
    return text[index] if 0 <= index < len(text) else None


def _concat(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    parts = [text, *(as_text(meter, each) for each in arguments)]
    meter.expect_text(sum(map(len, parts)))
    return "".join(parts)


def _split(meter: Meter, text: str, arguments: Sequence[Any]) -> list[str]:
    mark = as_text(meter, arguments[0]) if arguments else " "
    meter.spend(text.count(mark) + 1 if mark else len(text))
    return text.split(mark) if mark else list(text)


def _encoded(write: Callable[[str], str], growth: int) -> Implementation:
    def encode(meter: Meter, text: str, _arguments: Sequence[Any]) -> str:
        meter.expect_text(len(text) * growth)
        return write(text)

    return encode


def _text(name: str, least: int, call: Implementation, example: str, gives: object, most: int | None = None) -> Function:
    return Function(name, "text", least, least if most is None else most, call, example, gives)


_TEXT: Final = (
    _text("abbreviate", 1, _abbreviate, '"Hello World".abbreviate(8)', "Hello..."),
    _text("asNumber", 0, lambda _m, t, _a: as_number(t), '"3.5".asNumber()', 3.5),
    _text("capitalize", 0, lambda _m, t, _a: t[:1].upper() + t[1:], '"hello world".capitalize()', "Hello world"),
    _text("charAt", 1, _char_at, '"Hello".charAt(1)', "e"),
    _text("concat", 1, _concat, '"Hello".concat(" World")', "Hello World", 10),
    _text("startsWith", 1, lambda m, t, a: t.startswith(as_text(m, a[0])), '"Hello".startsWith("He")', True),
    _text("endsWith", 1, lambda m, t, a: t.endswith(as_text(m, a[0])), '"Hello".endsWith("lo")', True),
    _text("contains", 1, lambda m, t, a: as_text(m, a[0]) in t, '"Hello".contains("ell")', True),
    _text("equals", 1, lambda m, t, a: t == as_text(m, a[0]), '"Bug".equals("bug")', False),
    _text(
        "equalsIgnoreCase",
        1,
        lambda m, t, a: t.casefold() == as_text(m, a[0]).casefold(),
        '"Bug".equalsIgnoreCase("bug")',
        True,
    ),
    _text("indexOf", 1, lambda m, t, a: t.find(as_text(m, a[0])), '"Hello".indexOf("l")', 2),
    _text("lastIndexOf", 1, lambda m, t, a: t.rfind(as_text(m, a[0])), '"Hello".lastIndexOf("l")', 3),
    _text("isAlpha", 0, lambda _m, t, _a: t.isalpha(), '"Hello1".isAlpha()', False),
    _text("isAlphanumeric", 0, lambda _m, t, _a: t.isalnum(), '"Hello1".isAlphanumeric()', True),
    _text("isNumeric", 0, lambda _m, t, _a: t.isdecimal(), '"123".isNumeric()', True),
    _text("isEmpty", 0, lambda _m, t, _a: not t, '"".isEmpty()', True),
    _text("isNotEmpty", 0, lambda _m, t, _a: bool(t), '"".isNotEmpty()', False),
    _text("left", 1, lambda _m, t, a: t[: max(0, as_int(a[0], "left"))], '"Hello".left(2)', "He"),
    _text("right", 1, lambda _m, t, a: t[max(0, len(t) - max(0, as_int(a[0], "right"))) :], '"Hello".right(2)', "lo"),
    _text("leftPad", 1, _pad("leftPad", left=True), '"7".leftPad(3, "0")', "007", 2),
    _text("rightPad", 1, _pad("rightPad", left=False), '"7".rightPad(3, "0")', "700", 2),
    _text("length", 0, lambda _m, t, _a: len(t), '"Hello".length()', 5),
    _text("match", 1, _match, '"AB-12".match("([0-9]+)")', "12"),
    _text("quote", 0, lambda _m, t, _a: "\\Q" + t.replace("\\E", "\\E\\\\E\\Q") + "\\E", '"a.b".quote()', "\\Qa.b\\E"),
    _text("remove", 1, lambda m, t, a: _replace(m, t, (a[0], "")), '"banana".remove("an")', "ba"),
    _text("replace", 2, _replace, '"a.b.c".replace(".", "-")', "a-b-c"),
    _text("replaceAll", 2, _replace_all, '"a1b22".replaceAll("([0-9]+)", "<$1>")', "a<1>b<22>"),
    _text("reverse", 0, lambda _m, t, _a: t[::-1], '"abc".reverse()', "cba"),
    _text("trim", 0, lambda _m, t, _a: t.strip(), '" a ".trim()', "a"),
    _text("toLowerCase", 0, lambda _m, t, _a: t.lower(), '"Hello".toLowerCase()', "hello"),
    _text("toUpperCase", 0, lambda _m, t, _a: t.upper(), '"Hello".toUpperCase()', "HELLO"),
    _text("split", 0, _split, '"a,b".split(",")', ["a", "b"], 1),
    _text("substring", 1, _substring, '"Hello".substring(1, 3)', "el", 2),
    _text("substringAfter", 1, lambda m, t, a: t.partition(as_text(m, a[0]) or t + "x")[2], '"a-b-c".substringAfter("-")', "b-c"),
    _text(
        "substringAfterLast",
        1,
        lambda m, t, a: t.rpartition(as_text(m, a[0]))[2] if as_text(m, a[0]) and as_text(m, a[0]) in t else "",
        '"a-b-c".substringAfterLast("-")',
        "c",
    ),
    _text("substringBefore", 1, lambda m, t, a: t.partition(as_text(m, a[0]) or t + "x")[0], '"a-b-c".substringBefore("-")', "a"),
    _text(
        "substringBeforeLast",
        1,
        lambda m, t, a: t.rpartition(as_text(m, a[0]))[0] if as_text(m, a[0]) and as_text(m, a[0]) in t else t,
        '"a-b-c".substringBeforeLast("-")',
        "a-b",
    ),
    _text("substringBetween", 1, _between, '"a<b>c".substringBetween("<", ">")', "b", 2),
    _text("htmlEncode", 0, _encoded(html.escape, 6), '"<b>".htmlEncode()', "&lt;b&gt;"),
    _text("xmlEncode", 0, _encoded(html.escape, 6), '"a&b".xmlEncode()', "a&amp;b"),
    _text("urlEncode", 0, _encoded(lambda t: quote_plus(t, errors="replace"), 9), '"a b&c".urlEncode()', "a+b%26c"),
    _text("jsonEncode", 0, _encoded(escape_json, 6), '"say \\"hi\\"".jsonEncode()', 'say \\"hi\\"'),
    _text("asJsonString", 0, _encoded(quote_json, 6), '"a".asJsonString()', '"a"'),
    _text("asJsonObject", 1, lambda m, t, a: "{" + quote_json(as_text(m, a[0])) + ":" + quote_json(t) + "}", '"v".asJsonObject("k")', '{"k":"v"}'),
    _text("toDate", 0, lambda _m, t, a: read_date(t, a), '"2026-11-23".toDate().jqlDate()', "2026-11-23", 1),
)  # fmt: skip


def _divide(_meter: Meter, value: float, arguments: Sequence[Any]) -> object:
    by = _number(arguments[0], "divide")
    return None if by == 0 else _safe(lambda: value / by)


def _safe(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - a number
    try:
        result = work()
    except (OverflowError, ValueError, ZeroDivisionError):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT) from None
    if type(result) is float and not math.isfinite(result):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT)
    return result


def _power(_meter: Meter, value: float, arguments: Sequence[Any]) -> object:
    return _safe(lambda: float(value) ** _number(arguments[0], "pow"))


def _round(_meter: Meter, value: float, arguments: Sequence[Any]) -> object:
    digits = as_int(arguments[0], "round") if arguments else 0
    if not -20 <= digits <= 20:  # noqa: PLR2004 - past what a float holds
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "round")
    scale = 10.0**digits
    return _safe(lambda: math.floor(value + 0.5) if digits == 0 else math.floor(value * scale + 0.5) / scale)


def _arithmetic(name: str, work: Callable[[Any, Any], Any]) -> Implementation:
    return lambda _meter, value, arguments: _safe(lambda: work(value, _number(arguments[0], name)))


def _numeric(name: str, least: int, call: Implementation, example: str, gives: object, most: int | None = None) -> Function:
    return Function(name, "number", least, least if most is None else most, call, example, gives)


_NUMBER: Final = (
    _numeric("abs", 0, lambda _m, v, _a: abs(v), "-3.abs()", 3),
    _numeric("round", 0, _round, "2.5.round()", 3, 1),
    _numeric("floor", 0, lambda _m, v, _a: _safe(lambda: math.floor(v)), "2.7.floor()", 2),
    _numeric("ceil", 0, lambda _m, v, _a: _safe(lambda: math.ceil(v)), "2.1.ceil()", 3),
    _numeric("plus", 1, _arithmetic("plus", lambda a, b: a + b), "2.plus(3)", 5),
    _numeric("minus", 1, _arithmetic("minus", lambda a, b: a - b), "2.minus(3)", -1),
    _numeric("multiply", 1, _arithmetic("multiply", lambda a, b: float(a) * b if abs(a) > 2**53 or abs(b) > 2**53 else a * b), "2.multiply(3)", 6),
    _numeric("divide", 1, _divide, "6.divide(4)", 1.5),
    _numeric("modulo", 1, _arithmetic("modulo", math.fmod), "7.modulo(4)", 3.0),
    _numeric("pow", 1, _power, "2.pow(3)", 8.0),
    _numeric("gt", 1, _arithmetic("gt", lambda a, b: a > b), "2.gt(1)", True),
    _numeric("gte", 1, _arithmetic("gte", lambda a, b: a >= b), "2.gte(2)", True),
    _numeric("lt", 1, _arithmetic("lt", lambda a, b: a < b), "2.lt(1)", False),
    _numeric("lte", 1, _arithmetic("lte", lambda a, b: a <= b), "2.lte(2)", True),
    _numeric("eq", 1, _arithmetic("eq", lambda a, b: a == b), "2.eq(2)", True),
    _numeric("between", 2, lambda _m, v, a: _number(a[0], "between") <= v <= _number(a[1], "between"), "2.between(1, 3)", True),
    _numeric("equals", 1, lambda _m, v, a: v == as_number(a[0]), "2.equals(2)", True),
    _numeric("asNumber", 0, lambda _m, v, _a: v, "2.asNumber()", 2),
)  # fmt: skip


def _numbers(meter: Meter, values: list[Any]) -> list[int | float]:
    meter.spend(len(values))
    return [number for number in (as_number(each) for each in values) if number is not None]


def _extreme(choose: Callable[[Any], Any]) -> Implementation:
    def find(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> object:
        meter.spend(len(values))
        known = [each for each in values if each is not None]
        try:
            return choose(_numbers(meter, known) or known) if known else None
        except TypeError:
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT) from None

    return find


def _average(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> object:
    numbers = _numbers(meter, values)
    return _safe(lambda: sum(numbers) / len(numbers)) if numbers else None


def _join(meter: Meter, values: list[Any], arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0]) if arguments else ", "
    meter.spend(len(values))
    parts = [write_text(each, meter) for each in values]
    meter.expect_text(sum(map(len, parts)) + len(mark) * len(parts))
    return mark.join(parts)


def _distinct(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> list[Any]:
    meter.spend(len(values))
    seen: dict[str, Any] = {}
    for each in values:
        seen.setdefault(write_json(each, meter), each)
    return list(seen.values())


def _flatten(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> list[Any]:
    flat: list[Any] = []
    for each in values:
        meter.spend(len(each) if type(each) is list else 1)
        flat.extend(each if type(each) is list else [each])
    return flat


def _get(values: list[Any], argument: object, *, from_end: bool) -> object:
    index = as_int(argument, "getFromEnd" if from_end else "get")
    index = len(values) - 1 - index if from_end else index
    return values[index] if 0 <= index < len(values) else None


def _json_array(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> str:
    parts = [as_text(meter, each) for each in values]
    meter.expect_text(sum(map(len, parts)) + len(parts))
    return "[" + ",".join(parts) + "]"


def _json_objects(meter: Meter, values: list[Any], arguments: Sequence[Any]) -> str:
    key = quote_json(as_text(meter, arguments[0]))
    parts = ["{" + key + ":" + quote_json(as_text(meter, each)) + "}" for each in values]
    meter.expect_text(sum(map(len, parts)))
    return "[" + ",".join(parts) + "]"


def _listed(name: str, least: int, call: Implementation, example: str, gives: object, most: int | None = None) -> Function:
    return Function(name, "list", least, least if most is None else most, call, example, gives)


_LIST: Final = (
    _listed("size", 0, lambda _m, v, _a: len(v), '"a,b".split(",").size()', 2),
    _listed("isEmpty", 0, lambda _m, v, _a: not v, '"a".split(",").isEmpty()', False),
    _listed("first", 0, lambda _m, v, _a: v[0] if v else None, '"a,b".split(",").first()', "a"),
    _listed("last", 0, lambda _m, v, _a: v[-1] if v else None, '"a,b".split(",").last()', "b"),
    _listed("get", 1, lambda _m, v, a: _get(v, a[0], from_end=False), '"a,b".split(",").get(1)', "b"),
    _listed("getFromEnd", 1, lambda _m, v, a: _get(v, a[0], from_end=True), '"a,b".split(",").getFromEnd(0)', "b"),
    _listed("join", 0, _join, '"a,b".split(",").join(" + ")', "a + b", 1),
    _listed("distinct", 0, _distinct, '"a,b,a".split(",").distinct()', ["a", "b"]),
    _listed("contains", 1, lambda m, v, a: any(write_json(e, m) == write_json(a[0], m) for e in v), '"a,b".split(",").contains("b")', True),
    _listed("sum", 0, lambda m, v, _a: _safe(lambda: sum(_numbers(m, v))), '"1,2".split(",").sum()', 3),
    _listed("average", 0, _average, '"1,2".split(",").average()', 1.5),
    _listed("min", 0, _extreme(min), '"2,1".split(",").min()', 1),
    _listed("max", 0, _extreme(max), '"2,1".split(",").max()', 2),
    _listed("flatten", 0, _flatten, '"a,b".split(",").flatten()', ["a", "b"]),
    _listed("asJsonStringArray", 0, lambda m, v, _a: write_json([as_text(m, e) for e in v], m), '"a,b".split(",").asJsonStringArray()', '["a","b"]'),
    _listed("asJsonArray", 0, _json_array, '"1,2".split(",").asJsonArray()', "[1,2]"),
    _listed("asJsonObjectArray", 1, _json_objects, '"a,b".split(",").asJsonObjectArray("k")', '[{"k":"a"},{"k":"b"}]'),
)  # fmt: skip

_ANY: Final = (
    Function("asJsonString", "any", 0, 0, lambda m, v, _a: quote_json(as_text(m, v)) if v is not None else "null", "7.asJsonString()", '"7"'),
    Function("toJson", "any", 0, 0, lambda m, v, _a: write_json(v, m), '"a,b".split(",").toJson()', '["a","b"]'),
)  # fmt: skip

FUNCTIONS: Final[dict[str, dict[str, Function]]] = {}
for _function in (*_TEXT, *_NUMBER, *_LIST, *DATE_FUNCTIONS(Function), *_ANY):
    FUNCTIONS.setdefault(_function.name, {})[_function.receiver] = _function


def _choose(_meter: Meter, arguments: Sequence[Any]) -> object:
    if is_true(arguments[0]):
        return arguments[1] if len(arguments) > 1 else True
    return arguments[2] if len(arguments) > 2 else None  # noqa: PLR2004 - if(condition, then, else)


def are_equal(meter: Meter, left: object, right: object) -> bool:
    """Equality: numbers by value (also where one is a text), everything else by its text; null equals null only."""
    if left is None or right is None:
        return left is right
    numeric = (int, float)
    if type(left) in numeric or type(right) in numeric:
        return as_number(left) is not None and as_number(left) == as_number(right)
    return as_text(meter, left) == as_text(meter, right)


GLOBALS: Final[dict[str, tuple[int, int, Callable[[Meter, Sequence[Any]], Any]]]] = {
    "if": (1, 3, _choose),
    "equals": (2, 2, lambda m, a: are_equal(m, a[0], a[1])),
    "not": (1, 1, lambda _m, a: not is_true(a[0])),
    "and": (1, 20, lambda _m, a: all(is_true(each) for each in a)),
    "or": (1, 20, lambda _m, a: any(is_true(each) for each in a)),
    "exists": (1, 1, lambda _m, a: True if is_true(a[0]) or a[0] == 0 else None),
}
