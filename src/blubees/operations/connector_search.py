"""Finds actions by words, among thousands, the best first. Called by operations/connectors.py.

The database gives those in which each word of the question begins a word of theirs; here they are put in order.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from blubees.connectors.packing import to_search_words
from blubees.ports import ActionRow

CANDIDATES_MAX: Final = 2_000
"""How many the database gives; a question that fits more is not precise."""
WORDS_MAX: Final = 8
_PLURAL_FROM: Final = 4


def read_question(text: str) -> tuple[str, ...]:
    """Give the beginnings that a question asks for: in lower case, without the s of a plural."""
    words = to_search_words(text[:400])
    return tuple(dict.fromkeys(_cut_plural(each) for each in words))[:WORDS_MAX]


def put_in_order(found: Iterable[tuple[str, ActionRow]], asked: Sequence[str]) -> list[tuple[str, ActionRow]]:
    """Put what was found in order: where more words stand in the name or title, as whole words, and few others."""
    return sorted(found, key=lambda each: (-_rate(each[1], asked), len(each[1].name), each[0], each[1].name))


def matches(row: ActionRow, asked: Collection[str]) -> bool:
    """Tell whether each word asked for begins one of the row's."""
    return all(f" {each}" in row.words for each in asked)


def _rate(row: ActionRow, asked: Sequence[str]) -> float:
    name, title, group = (to_search_words(each) for each in (row.name, row.title, row.group))
    points = 0.0
    for word in asked:
        points += max(4 * _fit(word, name), 3.5 * _fit(word, title), 2 * _fit(word, group), 0.5)
    joined = " ".join(asked)
    if joined in " ".join(map(_cut_plural, title)) or joined in " ".join(map(_cut_plural, name)):
        points += 3
    points -= 0.05 * len(name)
    return points - (3 if row.is_deprecated else 0)


def _fit(word: str, words: Iterable[str]) -> float:
    """1 for the word itself, in the plural too; a half for one that it begins."""
    best = 0.0
    for each in words:
        if _cut_plural(each) == word:
            return 1.0
        if each.startswith(word):
            best = 0.5
    return best


def _cut_plural(word: str) -> str:
    if len(word) >= _PLURAL_FROM and word.endswith("ies"):
        return word[:-3]
    return word[:-1] if len(word) >= _PLURAL_FROM and word.endswith("s") and not word.endswith("ss") else word
