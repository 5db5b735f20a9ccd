"""Names in a stranger's document, made into ours: `issueCreate` is `issue_create`, "Issue create". Used by the importers."""

import re
from collections.abc import Container
from typing import Final

NAME_MAX_CHARACTERS: Final = 64
TAKEN_NAMES: Final = frozenset({"connection", "limit", "fields"})
"""What an action's settings hold beside its inputs."""
_PARTS: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")


def split_words(name: str) -> list[str]:
    """Give the words of a name, in lower case."""
    return [part.lower() for part in _PARTS.findall(name)]


def write_name(name: str) -> str:
    """Give a name of ours: lower-case letters, digits and underscores, beginning with a letter."""
    written = "_".join(split_words(name))[:NAME_MAX_CHARACTERS].strip("_")
    return written if written[:1].isalpha() else f"x_{written}".rstrip("_")


def write_title(name: str) -> str:
    """Give a name in words, the first with a capital."""
    text = " ".join(split_words(name))
    return text[:1].upper() + text[1:]


def choose_free(name: str, taken: Container[str]) -> str:
    """Give the name, or the next of `name_2`, `name_3`, … that is not taken."""
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    return chosen


def choose_input_name(name: str, taken: Container[str]) -> str:
    """Give an input the third party's own name, but for those that mean something to us."""
    return choose_free(f"{name}_value" if name in TAKEN_NAMES else name, taken)
