"""The `{{#=}}` block: arithmetic on a rendered text, by precedence climbing. Called by expressions/template.py.

Operators and functions as Atlassian documents them; comparisons give 1 or 0.
"""

import math
import re
from collections.abc import Callable
from typing import Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import PARSE_DEPTH_MAX

SOURCE_MAX_CHARACTERS: Final = 2_000
_TOKEN: Final = re.compile(
    r"\s*(?:(\d{1,300}(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|\.\d+)|([A-Za-z_]\w{0,20})|(<=|>=|==|!=|<>|&&|\|\||[-+*/%^=<>(),]))"
)
_LEVELS: Final[dict[str, int]] = {
    "||": 1, "&&": 2, "=": 3, "==": 3, "!=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "^": 8,
}  # fmt: skip
_UNARY_LEVEL: Final = 7
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
_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., float]]]] = {
    "NOT": (1, 1, lambda a: float(a == 0)),
    "IF": (3, 3, lambda c, a, b: a if c else b),
    "MIN": (1, 20, min),
    "MAX": (1, 20, max),
    "ABS": (1, 1, abs),
    "ROUND": (1, 2, lambda a, digits=0: math.floor(a * 10 ** max(-15, min(15, int(digits))) + 0.5) / 10 ** max(-15, min(15, int(digits)))),
    "FLOOR": (1, 1, lambda a: float(math.floor(a))),
    "CEILING": (1, 1, lambda a: float(math.ceil(a))),
    "LOG": (1, 1, math.log),
    "LOG10": (1, 1, math.log10),
    "SQRT": (1, 1, math.sqrt),
    "SIN": (1, 1, lambda a: math.sin(math.radians(a))),
    "COS": (1, 1, lambda a: math.cos(math.radians(a))),
    "TAN": (1, 1, lambda a: math.tan(math.radians(a))),
}  # fmt: skip
_CONSTANTS: Final = {"PI": math.pi, "E": math.e, "TRUE": 1.0, "FALSE": 0.0}


def evaluate(text: str) -> float:
    """Evaluate.

    Raises:
        EvaluationError: not an expression, or its value is none that a float holds.
    """
    if len(text) > SOURCE_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_MATH)
    reader = _Reader(_split(text))
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
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.position = tokens, 0

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
            left = _OPERATIONS[operator](left, right)
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
        if name not in _FUNCTIONS:
            raise EvaluationError(EvaluationCode.BAD_MATH)
        self.expect("(")
        arguments = [self.read(0, depth + 1)]
        while self.peek() == ",":
            self.take()
            arguments.append(self.read(0, depth + 1))
        self.expect(")")
        least, most, call = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise EvaluationError(EvaluationCode.BAD_MATH)
        return call(*arguments)

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise EvaluationError(EvaluationCode.BAD_MATH)
