"""What a text may be, and the one error of this folder. Used by every file here.

Source of the limits: Jira takes 32,767 characters in a text field; no text takes more than some 50 ms of a processor's time.
"""

from enum import StrEnum
from typing import Any, Final

Node = dict[str, Any]

HTML_MAX_CHARACTERS: Final = 1_048_576
"""Of HTML that is read: most of it is no text, in letters from mail programs."""
TEXT_MAX_CHARACTERS: Final = 262_144
"""Of a document's texts, and of Markdown and plain text that is read."""
WRITTEN_MAX_CHARACTERS: Final = 2_097_152
NODES_MAX: Final = 5_000
"""Nodes of ADF, their marks and their attributes."""
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
        self.take_parts(1)
        if depth > DEPTH_MAX:
            raise RichTextError(RichTextProblem.TOO_DEEP)

    def take_parts(self, count: int) -> None:
        """Count nodes, marks or attributes."""
        self.left -= count
        if self.left < 0:
            raise RichTextError(RichTextProblem.TOO_MANY_PARTS)


def check_length(text: str, most: int = TEXT_MAX_CHARACTERS) -> None:
    """Refuse a text of more characters."""
    if len(text) > most:
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
