"""The `{{#=}}` block: arithmetic on a rendered text, by precedence climbing. Called by expressions/closures.py.

Operators and functions as Atlassian documents them, whose wording and set are those of the library EvalEx: names ignore case,
angles are degrees, comparisons give 1 or 0, IF works out only the side it needs.
"""

import math
import re
from collections.abc import Callable
from typing import Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import PARSE_DEPTH_MAX

SOURCE_MAX_CHARACTERS: Final = 2_000
_TOKEN: Final = re.compile(
    r"\s*(?:(\d{1,300}(?:\.\d{0,300})?(?:[eE][+-]?\d{1,3})?|\.\d{1,300})|([A-Za-z_]\w{0,20})|(<=|>=|==|!=|<>|&&|\|\||[-+*/%^=<>(),]))",
    re.ASCII,
)
_LEVELS: Final[dict[str, int]] = {
    "||": 1, "&&": 2, "=": 3, "==": 3, "!=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "^": 8,
}  # fmt: skip
_UNARY_LEVEL: Final = 7
_DIGITS_MAX: Final = 15  # past what a float holds
_FACTORIAL_MAX: Final = 170  # past it no float holds the result
_OPERATIONS: Final[dict[str, Callable[[float, float], float]]] = {
    "||": lambda a, b: float(a != 0 or b != 0),
    "&&": lambda a, b: float(a != 0 and b != 0),
    "=": lambda a, b: float(a == b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<>": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
    "^": math.pow,
}


def _round(value: float, digits: float = 0) -> float:
    """Round halves away from zero."""
    if not abs(digits) <= _DIGITS_MAX:
        raise ValueError
    scale = 10.0 ** int(digits)
    return math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)


def _factorial(value: float) -> float:
    if not (0 <= value <= _FACTORIAL_MAX and value.is_integer()):
        raise ValueError
    return float(math.factorial(int(value)))


def _in_degrees(work: Callable[[float], float]) -> Callable[[float], float]:
    return lambda degrees: round(work(math.radians(degrees)), _DIGITS_MAX)


_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., float]]]] = {
    "NOT": (1, 1, lambda a: float(a == 0)),
    "MIN": (1, 20, min),
    "MAX": (1, 20, max),
    "ABS": (1, 1, abs),
    "ROUND": (1, 2, _round),
    "FLOOR": (1, 1, lambda a: float(math.floor(a))),
    "CEILING": (1, 1, lambda a: float(math.ceil(a))),
    "FACT": (1, 1, _factorial),
    "LOG": (1, 1, math.log),
    "LOG10": (1, 1, math.log10),
    "SQRT": (1, 1, math.sqrt),
    "SIN": (1, 1, _in_degrees(math.sin)),
    "COS": (1, 1, _in_degrees(math.cos)),
    "TAN": (1, 1, _in_degrees(math.tan)),
    "COT": (1, 1, lambda a: 1 / _in_degrees(math.tan)(a)),
    "SEC": (1, 1, lambda a: 1 / _in_degrees(math.cos)(a)),
    "CSC": (1, 1, lambda a: 1 / _in_degrees(math.sin)(a)),
    "ASIN": (1, 1, lambda a: math.degrees(math.asin(a))),
    "ACOS": (1, 1, lambda a: math.degrees(math.acos(a))),
    "ATAN": (1, 1, lambda a: math.degrees(math.atan(a))),
    "ATAN2": (2, 2, lambda a, b: math.degrees(math.atan2(a, b))),
    "ACOT": (1, 1, lambda a: math.degrees(math.atan(1 / a))),
    "SINH": (1, 1, math.sinh),
    "COSH": (1, 1, math.cosh),
    "TANH": (1, 1, math.tanh),
    "ASINH": (1, 1, math.asinh),
    "ACOSH": (1, 1, math.acosh),
    "ATANH": (1, 1, math.atanh),
    "RAD": (1, 1, math.radians),
    "DEG": (1, 1, math.degrees),
}  # fmt: skip
FUNCTION_NAMES: Final = ("IF", "RANDOM", *_FUNCTIONS)
_CONSTANTS: Final = {"PI": math.pi, "E": math.e, "TRUE": 1.0, "FALSE": 0.0}


def evaluate(text: str, draw: Callable[[], float]) -> float:
    """Evaluate. `draw`: gives what RANDOM() gives, from 0 to 1.

    Raises:
        EvaluationError: not an expression, or its value is none that a float holds.
    """
    if len(text) > SOURCE_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_MATH)
    reader = _Reader(_split(text), draw)
    try:
        value = reader.read(0, 0)
    except (OverflowError, ValueError, ZeroDivisionError):
        raise EvaluationError(EvaluationCode.BAD_MATH) from None
    if reader.position != len(reader.tokens) or not math.isfinite(value):
        raise EvaluationError(EvaluationCode.BAD_MATH)
    return value


def _split(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise EvaluationError(EvaluationCode.BAD_MATH)
        tokens.append(found[0].strip())
        position = found.end()
    return tokens


class _Reader:
    """Reads and works out at once; `idle` counts the sides of IF that are only read."""

    def __init__(self, tokens: list[str], draw: Callable[[], float]) -> None:
        self.tokens, self.draw, self.position, self.idle = tokens, draw, 0, 0

    def take(self) -> str:
        if self.position >= len(self.tokens):
            raise EvaluationError(EvaluationCode.BAD_MATH)
        self.position += 1
        return self.tokens[self.position - 1]

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def read(self, level: int, depth: int) -> float:
        if depth > PARSE_DEPTH_MAX:
            raise EvaluationError(EvaluationCode.TOO_DEEP)
        left = self.read_operand(depth)
        while _LEVELS.get(self.peek(), 0) > level:
            operator = self.take()
            mine = _LEVELS[operator]
            right = self.read(mine - 1 if operator == "^" else mine, depth + 1)
            left = 0.0 if self.idle else _OPERATIONS[operator](left, right)
        return left

    def read_operand(self, depth: int) -> float:
        token = self.take()
        if token in {"-", "+"}:
            value = self.read(_UNARY_LEVEL, depth + 1)
            return -value if token == "-" else value  # noqa: S105 - an operator
        if token == "(":  # noqa: S105 - a parenthesis
            value = self.read(0, depth + 1)
            self.expect(")")
            return value
        if token[0].isalpha() or token[0] == "_":
            return self.read_name(token.upper(), depth)
        return float(token)

    def read_name(self, name: str, depth: int) -> float:
        if name in _CONSTANTS and self.peek() != "(":
            return _CONSTANTS[name]
        self.expect("(")
        if name == "IF":
            return self.read_if(depth)
        if name == "RANDOM":
            self.expect(")")
            return 0.0 if self.idle else self.draw()
        if name not in _FUNCTIONS:
            raise EvaluationError(EvaluationCode.BAD_MATH)
        arguments = [self.read(0, depth + 1)]
        while self.peek() == ",":
            self.take()
            arguments.append(self.read(0, depth + 1))
        self.expect(")")
        least, most, call = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise EvaluationError(EvaluationCode.BAD_MATH)
        return 0.0 if self.idle else call(*arguments)

    def read_if(self, depth: int) -> float:
        condition = self.read(0, depth + 1)
        self.expect(",")
        then = self.read_side(depth, needed=condition != 0)
        self.expect(",")
        otherwise = self.read_side(depth, needed=condition == 0)
        self.expect(")")
        return then if condition else otherwise

    def read_side(self, depth: int, *, needed: bool) -> float:
        self.idle += not needed
        value = self.read(0, depth + 1)
        self.idle -= not needed
        return value

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise EvaluationError(EvaluationCode.BAD_MATH)
