"""The functions on numbers. Called through functions.py."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from babel.numbers import format_currency, format_decimal, format_percent

from blubees.expressions.conversions import WHOLE_MAX, are_equal, as_text, as_whole, calculate, need_number
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter
from blubees.expressions.locales import DEFAULT_LOCALE
from blubees.expressions.signatures import Function, Implementation, function

_PATTERN_MAX_CHARACTERS: Final = 100
_CODE_CHARACTERS: Final = 3  # ISO 4217
_DIGITS_MAX: Final = 20  # past what a float holds


def _divide(_meter: Meter, value: float, arguments: Sequence[Any]) -> object:
    by = need_number(arguments[0], "divide")
    return None if by == 0 else calculate("divide", lambda: value / by)


def _multiply(left: float, right: float) -> float:
    return float(left) * right if abs(left) > WHOLE_MAX or abs(right) > WHOLE_MAX else left * right


def _round(_meter: Meter, value: float, arguments: Sequence[Any]) -> object:
    digits = as_whole(arguments[0], "round") if arguments else 0
    if not -_DIGITS_MAX <= digits <= _DIGITS_MAX:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "round")
    scale = 10.0**digits
    return calculate("round", lambda: math.floor(value + 0.5) if digits == 0 else math.floor(value * scale + 0.5) / scale)


def _arithmetic(name: str, work: Callable[[Any, Any], Any]) -> Implementation:
    return lambda _meter, value, arguments: calculate(name, lambda: work(value, need_number(arguments[0], name)))


def _compare(name: str, work: Callable[[Any, Any], bool]) -> Implementation:
    return lambda _meter, value, arguments: work(value, need_number(arguments[0], name))


def _between(_meter: Meter, value: float, arguments: Sequence[Any]) -> bool:
    return need_number(arguments[0], "between") <= value <= need_number(arguments[1], "between")


def _format(meter: Meter, value: float, arguments: Sequence[Any]) -> str:
    pattern = as_text(meter, arguments[0])
    if len(pattern) > _PATTERN_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_PATTERN, "format")
    try:
        return str(format_decimal(value, pattern, locale=DEFAULT_LOCALE))
    except (ValueError, ArithmeticError, LookupError):
        raise EvaluationError(EvaluationCode.BAD_PATTERN, "format") from None


def _currency(meter: Meter, value: float, arguments: Sequence[Any]) -> str:
    code = as_text(meter, arguments[0]).upper() if arguments else "USD"
    if not (len(code) == _CODE_CHARACTERS and code.isascii() and code.isalpha()):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "asCurrency")
    return str(calculate("asCurrency", lambda: format_currency(value, code, locale=DEFAULT_LOCALE)))


def _percentage(_meter: Meter, value: float, _arguments: Sequence[Any]) -> str:
    return str(calculate("asPercentage", lambda: format_percent(value, locale=DEFAULT_LOCALE)))


NUMBER: Final[tuple[Function, ...]] = (
    function("number.abs() -> number", lambda _m, v, _a: abs(v), "-3.abs()", 3),
    function("number.round(digits: number?) -> number", _round, "2.5.round()", 3),
    function("number.floor() -> number", lambda _m, v, _a: calculate("floor", lambda: math.floor(v)), "2.7.floor()", 2),
    function("number.ceil() -> number", lambda _m, v, _a: calculate("ceil", lambda: math.ceil(v)), "2.1.ceil()", 3),
    function("number.plus(other: number) -> number", _arithmetic("plus", lambda a, b: a + b), "2.plus(3)", 5),
    function("number.minus(other: number) -> number", _arithmetic("minus", lambda a, b: a - b), "2.minus(3)", -1),
    function("number.multiply(other: number) -> number", _arithmetic("multiply", _multiply), "2.multiply(3)", 6),
    function("number.divide(other: number) -> number", _divide, "6.divide(4)", 1.5),
    function("number.modulo(other: number) -> number", _arithmetic("modulo", math.fmod), "7.modulo(4)", 3.0),
    function("number.pow(exponent: number) -> number", _arithmetic("pow", math.pow), "2.pow(3)", 8.0),
    function("number.gt(other: number) -> boolean", _compare("gt", lambda a, b: a > b), "2.gt(1)", True),
    function("number.gte(other: number) -> boolean", _compare("gte", lambda a, b: a >= b), "2.gte(2)", True),
    function("number.lt(other: number) -> boolean", _compare("lt", lambda a, b: a < b), "2.lt(1)", False),
    function("number.lte(other: number) -> boolean", _compare("lte", lambda a, b: a <= b), "2.lte(2)", True),
    function("number.eq(other: number) -> boolean", _compare("eq", lambda a, b: a == b), "2.eq(2)", True),
    function("number.between(low: number, high: number) -> boolean", _between, "2.between(1, 3)", True),
    function("number.format(pattern: text) -> text", _format, '1234.5.format("#,##0.00")', "1,234.50"),
    function("number.asCurrency(code: text?) -> text", _currency, "1234.5.asCurrency()", "$1,234.50"),
    function("number.asPercentage() -> text", _percentage, "0.25.asPercentage()", "25%"),
    function("number.equals(other: any) -> boolean", lambda m, v, a: are_equal(m, v, a[0]), "2.equals(2)", True),
    function("number.asNumber() -> number", lambda _m, v, _a: v, "2.asNumber()", 2),
)  # fmt: skip
