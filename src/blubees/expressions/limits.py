"""What a template may cost, and the meter that counts it. Used by everything in this room that loops or makes text."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from blubees.expressions.errors import EvaluationCode, EvaluationError

SOURCE_MAX_CHARACTERS: Final = 65_536  # a template is written by a person
PARSE_DEPTH_MAX: Final = 64  # sections, parentheses and arguments in each other
MARKS_MAX: Final = 4_000  # tags, dots, commas, parentheses, brackets and bars of all tags of a template
LONG_TEXT_CHARACTERS: Final = 1_024  # from here on, what a function does to a text is counted
NUMBER_MAX_DIGITS: Final = 300  # past a float's range nothing sensible is meant


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one evaluation: steps of some half a microsecond each, characters of any text made, levels of data."""

    steps: int = 100_000
    output_characters: int = 1_048_576
    depth: int = 64


DEFAULT: Final = Limits()
FieldIds = Mapping[str, tuple[str, ...]]
"""By a field's name without case, the ids of the fields that have it."""
NO_FIELDS: Final[FieldIds] = MappingProxyType({})


class Meter:
    """Counts one evaluation."""

    __slots__ = ("depth", "output_characters", "steps")

    def __init__(self, limits: Limits) -> None:
        self.steps = limits.steps
        self.output_characters = limits.output_characters
        self.depth = limits.depth

    @property
    def field_ids(self) -> FieldIds:
        """The names by which people know the fields of issues."""
        return NO_FIELDS

    def spend(self, steps: int) -> None:
        """Count loop turns, before they are taken."""
        self.steps -= steps
        if self.steps < 0:
            raise EvaluationError(EvaluationCode.BUDGET_STEPS)

    def expect_text(self, characters: int) -> None:
        """Check the size of a text before it is made, and count the work it takes."""
        if characters > self.output_characters:
            raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE)
        self.steps -= characters >> 6
        if self.steps < 0:
            raise EvaluationError(EvaluationCode.BUDGET_STEPS)

    def expect_size(self, characters: int) -> None:
        """Check the size of a text that grows; its making is counted elsewhere."""
        if characters > self.output_characters:
            raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE)
