"""The two errors of smart values: a bad text (when it is compiled) and a bad evaluation (when it is used).

Raised in this room only; flows/check.py shows the first, engine/runner.py turns the second into a failure.
"""

from enum import StrEnum


class TemplateError(Exception):
    """A template's text can't be read.

    Attributes:
        message: what is wrong; quotes at most the author's own names.
        position: offset in the template, from 0; `line` and `column` the same, from 1.
        hint: the nearest right name, or what is allowed; may be empty.
    """

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message, self.position, self.hint = message, position, hint
        self.line, self.column = 1, position + 1

    def locate(self, source: str) -> None:
        """Set line and column by the template's text."""
        self.line, self.column = find_place(source, self.position)


def find_place(source: str, position: int) -> tuple[int, int]:
    """Give line and column (from 1) of an offset (from 0) in a template."""
    before = source[: max(0, position)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class EvaluationCode(StrEnum):
    """Why a template could not be worked out."""

    BUDGET_STEPS = "budget_steps"
    OUTPUT_TOO_LARGE = "output_too_large"
    TOO_DEEP = "too_deep"
    BAD_ARGUMENT = "bad_argument"
    BAD_PATTERN = "bad_pattern"
    BAD_MATH = "bad_math"


class EvaluationError(Exception):
    """A template could not be worked out. Holds no value: a code, the function's name and where it stands in the template.

    Attributes:
        position: offset in the template, from 0 (find_place() gives line and column); -1 where no function was at work.
    """

    def __init__(self, code: EvaluationCode, function: str = "") -> None:
        super().__init__(f"{code.value} {function}".strip())
        self.code, self.function, self.position = code, function, -1
