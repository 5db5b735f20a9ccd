"""Texts that strangers wrote: what is kept of them. Used by the importers for every title and description.

A description is read by people in the console and by models as a tool's manual. What people can't see and models can read
(bidirectional controls, zero-width characters, Unicode tags, escape sequences) is taken out, and what is left is bounded.
"""

import re
import unicodedata
from typing import Final

TITLE_MAX_CHARACTERS: Final = 120  # docs/decisions/0050
DESCRIPTION_MAX_CHARACTERS: Final = 2_000  # docs/decisions/0050
_LOOKED_AT: Final = 4  # times the limit: what stands beyond is not read at all
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_KEPT: Final = frozenset("\n\t")
_VARIATION: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u115f\u1160\u3164\uffa0\u2800]")
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_LINES: Final = re.compile(r"\n\s*\n\s*\n+")


def clean_text(text: object, limit: int = DESCRIPTION_MAX_CHARACTERS) -> str:
    """Give what a person sees of a text, at most `limit` characters; what is no text is none."""
    if not isinstance(text, str):
        return ""
    text = _ESCAPE.sub("", text[: limit * _LOOKED_AT]).replace("\r\n", "\n").replace("\r", "\n")
    seen = "".join(each for each in text if each in _KEPT or unicodedata.category(each) not in _UNSEEN)
    seen = _LINES.sub("\n\n", _VARIATION.sub("", seen)).strip()
    return seen if len(seen) <= limit else seen[: limit - 1].rstrip() + "…"


def clean_line(text: object, limit: int = TITLE_MAX_CHARACTERS) -> str:
    """As `clean_text`, in one line."""
    return clean_text(" ".join(clean_text(text, limit * _LOOKED_AT).split()), limit)


def has_unseen(text: object) -> bool:
    """Whether a text holds what a person can't see of it: a reason to look at it twice."""
    if not isinstance(text, str):
        return False
    return bool(_ESCAPE.search(text) or _VARIATION.search(text)) or any(
        each not in "\n\t\r" and unicodedata.category(each) in _UNSEEN for each in text
    )
