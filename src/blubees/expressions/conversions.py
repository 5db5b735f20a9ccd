"""How a function's arguments and receivers become the type it asks for. Used by the functions and by evaluation."""

import math
from collections.abc import Callable
from typing import Any, Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import LONG_TEXT_CHARACTERS, NUMBER_MAX_DIGITS, Meter
from blubees.expressions.values import write_text

WHOLE_MAX: Final = 2**53  # past it a float leaves whole numbers out


def as_text(meter: Meter, value: object) -> str:
    """A value as text; a long one is counted, since something is done with it."""
    if type(value) is not str:
        return write_text(value, meter)
    if len(value) > LONG_TEXT_CHARACTERS:
        meter.spend(len(value) >> 6)
    return value


def as_number(value: object) -> int | float | None:
    """A number, or a text that is one; anything else is None."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]
    if kind is str and len(value) <= 2 * NUMBER_MAX_DIGITS and 0 < len(value.strip()) <= NUMBER_MAX_DIGITS:  # type: ignore[arg-type,attr-defined]
        text = value.strip().replace(",", "")  # type: ignore[attr-defined]
        if not text.isascii() or "_" in text:
            return None
        try:
            return int(text) if text.lstrip("+-").isdecimal() else _finite(float(text))
        except ValueError:
            return None
    return None


def as_whole(value: object, name: str) -> int:
    """A value as a whole number, at most 2^53 either way. `name`: of the function, for the error."""
    number = as_number(value)
    if number is None or abs(number) > WHOLE_MAX or number != number:  # noqa: PLR0124 - the one value that is not itself
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return int(number)


def need_number(value: object, name: str) -> int | float:
    """A value as a number; what is none is an error of the function that asked."""
    number = as_number(value)
    if number is None:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return number


def calculate(name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - a number or a boolean
    """Do arithmetic; what has no finite value is an error of the function."""
    try:
        result = work()
    except (ArithmeticError, ValueError):  # of floats, and of decimals when a number is formatted
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name) from None
    if type(result) is float and not math.isfinite(result):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    if type(result) is int and result.bit_length() > 1_024:  # noqa: PLR2004 - past a float
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
    return result


def are_equal(meter: Meter, left: object, right: object) -> bool:
    """Equality: numbers by value (also where one is a text), everything else by its text; null equals null only."""
    if type(left) is str and type(right) is str:
        return left == right
    if left is None or right is None:
        return left is right
    numeric = (int, float)
    if type(left) in numeric or type(right) in numeric:
        return as_number(left) is not None and as_number(left) == as_number(right)
    return as_text(meter, left) == as_text(meter, right)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
