"""Reads and rewrites smart values of a rule without working them out: roots, and templates as one expression. Pure.

Called by build.py and conditions.py. What a template means is the business of expressions/; here only names are exchanged.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

_ROOT: Final = re.compile(r"(?P<lead>\A\{?\s*[#^]?\s*|[(,|]\s*)(?P<name>[A-Za-z_][\w -]*?)(?=\s*(?:[.),|]|\Z))")
_NEXT: Final = re.compile(r'\s*\.\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^.(),|"]+))')
_QUOTES: Final = '"\u201c\u201d\u201e'
_UNQUOTABLE: Final = re.compile('[\u201c\u201d\u201e]|\\\\"|\\\\\\Z')
_BLOCKS: Final = frozenset({"=", "math", "increment", "debug", "else"})
_LITERALS: Final = frozenset({"true", "false", "null"})


class Tag(NamedTuple):
    """A `{{…}}`: where it stands, and what stands in it."""

    start: int
    end: int
    inner: str


def list_tags(text: str) -> Iterator[Tag]:
    """Give the tags of a template; one that is not closed ends the list, and is told when the flow is checked."""
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end, quoted = start + 2, False
        while end < len(text) and (quoted or not text.startswith("}}", end)):
            if quoted and text[end] == "\\":
                end += 1
            elif text[end] in _QUOTES:
                quoted = not quoted
            end += 1
        if end >= len(text):
            return
        yield Tag(start, end + 2, text[start + 2 : end])
        position = end + 2


def rewrite_roots(text: str, give: Callable[[str, str], str | None]) -> str:
    """Exchange the first names of paths; `give` gets a root and the name after it, and gives another root or None."""
    pieces: list[str] = []
    position = 0
    for tag in list_tags(text):
        pieces += [text[position : tag.start + 2], rewrite_inner(tag.inner, give), "}}"]
        position = tag.end
    return "".join([*pieces, text[position:]])


def rewrite_inner(inner: str, give: Callable[[str, str], str | None]) -> str:
    """The same for one expression."""
    if inner.strip()[:1] == "/" or inner.strip().lstrip("#^").strip() in _BLOCKS:
        return inner
    masked, pieces, position = mask_texts(inner), [], 0
    for found in _ROOT.finditer(masked):
        name = found["name"].strip()
        after = _NEXT.match(inner, found.end("name"))
        follows = (after["quoted"] or after["plain"] or "").strip() if after else ""
        other = None if name in _LITERALS else give(name, follows)
        if other is not None:
            pieces += [inner[position : found.start("name")], other]
            position = found.start("name") + len(found["name"].rstrip())
    return "".join([*pieces, inner[position:]])


def mask_texts(inner: str) -> str:
    """Blank out what stands in quotes, letter for letter."""
    letters, quoted, position = list(inner), False, 0
    while position < len(inner):
        if inner[position] in _QUOTES:
            quoted = not quoted
            letters[position] = '"'
        elif quoted:
            if inner[position] == "\\" and position + 1 < len(inner):
                letters[position] = "\0"
                position += 1
            letters[position] = "\0"
        position += 1
    return "".join(letters)


def write_literal(text: str) -> str | None:
    """Write a text as a literal of the language; None where it has no way to say it."""
    if _UNQUOTABLE.search(text):
        return None
    return '"' + text.replace('"', '\\"') + '"'


def read_single(text: str) -> str | None:
    """The expression of a template that is exactly one value without a default; else None."""
    tags = list(list_tags(text.strip()))
    if len(tags) != 1 or tags[0].start != 0 or tags[0].end != len(text.strip()):
        return None
    inner = tags[0].inner.strip().strip("{}").strip()
    return None if inner[:1] in {"#", "^", "/", ""} or "|" in mask_texts(inner) else inner


def write_expression(text: str) -> str | None:
    """Write a template as one expression that gives its text; None for sections, defaults and texts without a literal."""
    single = read_single(text)
    if single is not None:
        return single
    if "{{" not in text:
        return write_literal(text)
    parts, position = ['""'], 0
    for tag in list_tags(text):
        before, value = write_literal(text[position : tag.start]), read_single(text[tag.start : tag.end])
        if before is None or value is None:
            return None
        parts += [f"concat({before})"] * (before != '""') + [f"concat({value})"]
        position = tag.end
    after = write_literal(text[position:])
    if after is None or "{{" in text[position:]:
        return None
    return ".".join([*parts, *[f"concat({after})"] * (after != '""')])


def join(expressions: list[str], word: str) -> str:
    """Join conditions by `and` or `or`."""
    return expressions[0] if len(expressions) == 1 else f"{word}({', '.join(expressions)})"


def choose_root(aliases: Mapping[str, str], name: str) -> str | None:
    """Find what stands for a root, whatever its case."""
    return aliases.get(name) or next((to for known, to in aliases.items() if known.casefold() == name.casefold()), None)
