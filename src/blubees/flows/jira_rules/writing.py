"""Writes a flow document as YAML with comments. Called by translate.py.

By hand: of the libraries that are here none writes comments, and the reader (flows/document.py) takes a part of YAML only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

COMMENT: Final = "#"
"""The key under which a mapping brings the lines of its comment."""
PATH: Final = "#path"
"""The key under which a step brings the path of the component that it stands for; it is not written."""
WIDTH: Final = 118
_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "null"})


def write_document(document: Mapping[str, Any]) -> str:
    """Write it: comments above what they belong to, texts so that the reader gives back exactly what went in."""
    return "\n".join([*write_comment(document.get(COMMENT, ()), ""), *_write_mapping(document, "")]) + "\n"


def write_comment(lines: object, indent: str) -> Iterator[str]:
    """Write comment lines, folded, whatever stands in them."""
    for line in lines if isinstance(lines, list | tuple) else ():
        text = "".join(letter if letter.isprintable() else " " for letter in str(line))
        for start in range(0, max(len(text), 1), WIDTH):
            yield f"{indent}# {text[start : start + WIDTH]}" if text else f"{indent}#"


def write_scalar(value: object) -> str:
    """Write a text, a number, true, false or null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _write_number(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable() and ('"' in text or "\\" in text) and "'" not in text:
        return f"'{text}'"
    return '"' + "".join(map(_escape, text)) + '"'


def _write_number(value: float) -> str:
    text = repr(value)
    return text if re.fullmatch(r"-?\d{1,15}(\.\d{1,30})?", text) else f'"{text}"'


def _write_mapping(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if key in {COMMENT, PATH}:
            continue
        name = write_scalar(str(key))
        if isinstance(value, dict) and any(each != COMMENT for each in value):
            yield f"{indent}{name}:"
            yield from write_comment(value.get(COMMENT), indent + "  ")
            yield from _write_mapping(value, indent + "  ")
        elif isinstance(value, list | tuple) and value:
            yield f"{indent}{name}:"
            yield from _write_list(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_write_leaf(value)}"


def _write_list(items: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict) and any(each != COMMENT for each in item):
            yield from write_comment(item.get(COMMENT), indent)
            lines = list(_write_mapping(item, indent + "  "))
            yield f"{indent}- {lines[0].removeprefix(indent + '  ')}"
            yield from lines[1:]
        elif isinstance(item, list | tuple) and item:
            yield f"{indent}-"
            yield from _write_list(item, indent + "  ")
        else:
            yield f"{indent}- {_write_leaf(item)}"


def _write_leaf(value: object) -> str:
    return "{}" if isinstance(value, dict) else "[]" if isinstance(value, list | tuple) else write_scalar(value)


def _escape(letter: str) -> str:
    if letter in {'"', "\\"}:
        return "\\" + letter
    if letter == "\n":
        return "\\n"
    if letter == "\t":
        return "\\t"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - YAML's three forms
