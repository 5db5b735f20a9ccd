"""What a text may be, and the one error of this folder. Used by every file here.

Source of the limits: Jira takes 32,767 characters in a text field; a hostile text is refused within 200 ms.
"""

from enum import StrEnum
from typing import Any, Final

Node = dict[str, Any]

TEXT_MAX_CHARACTERS: Final = 1_048_576
WRITTEN_MAX_CHARACTERS: Final = 2 * TEXT_MAX_CHARACTERS
NODES_MAX: Final = 10_000
DEPTH_MAX: Final = 40
"""Levels of ADF nodes."""
ATTRIBUTE_DEPTH_MAX: Final = 24
"""Levels of data in an attribute (parameters of an extension)."""


class RichTextProblem(StrEnum):
    """Why a text can't be converted."""

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_PARTS = "too_many_parts"
    NOT_ADF = "not_adf"


class RichTextError(Exception):
    """A text can't be converted. Holds no part of it."""

    def __init__(self, problem: RichTextProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class Counter:
    """Counts the nodes and letters of one conversion."""

    __slots__ = ("left", "letters_left")

    def __init__(self) -> None:
        self.left, self.letters_left = NODES_MAX, TEXT_MAX_CHARACTERS

    def take_text(self, text: str | bytes) -> None:
        """Count a text."""
        self.letters_left -= len(text)
        if self.letters_left < 0:
            raise RichTextError(RichTextProblem.TOO_LARGE)

    def take(self, depth: int) -> None:
        """Count a node that stands so deep."""
        self.left -= 1
        if self.left < 0:
            raise RichTextError(RichTextProblem.TOO_MANY_PARTS)
        if depth > DEPTH_MAX:
            raise RichTextError(RichTextProblem.TOO_DEEP)


def check_length(text: str) -> None:
    """Refuse a text of more than 1,048,576 characters."""
    if len(text) > TEXT_MAX_CHARACTERS:
        raise RichTextError(RichTextProblem.TOO_LARGE)


def indent(text: str, first: str, rest: str) -> str:
    """Write lines with something before each; empty lines get no spaces.

    Raises:
        RichTextError: more than 2,097,152 characters come of it (lines deep in lists).
    """
    if len(text) + len(first) + text.count("\n") * len(rest) > WRITTEN_MAX_CHARACTERS:
        raise RichTextError(RichTextProblem.TOO_LARGE)
    written = first + text.replace("\n", f"\n{rest}")
    blank, short = f"\n{rest}\n", f"\n{rest.rstrip()}\n"
    return written.replace(blank, short).replace(blank, short)  # twice: two that follow each other share a line end
