"""Writes a value as XML: the other way round of xml_reading.py. Used by bodies.py."""

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from blubees.connectors.actions.values import MisfitError, to_text
from blubees.connectors.actions.xml_reading import ATTRIBUTE, DEPTH_MAX, TEXT

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,199}")
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 does not have (section 2.2)."""
_ESCAPED: Final = {"\r": "&#13;"}  # a parser would make a line feed of it (section 2.11)


def write_xml(document: dict[str, Any]) -> bytes:
    """Give a document with one root as XML, UTF-8: objects by their names in order, a list as one element for each item.

    Raises:
        ValueError: a name, a character or a value that XML can't have.
    """
    if len(document) != 1:
        raise ValueError("root")
    return (HEAD + "".join(_write(document, 0))).encode()


def _write(content: dict[str, Any], depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise ValueError("depth")
    for name, value in content.items():
        if name == TEXT:
            yield _write_text(value)
        elif not name.startswith(ATTRIBUTE):
            for each in value if isinstance(value, list) else [value]:
                yield from _write_element(name, each, depth)


def _write_element(name: str, value: Any, depth: int) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        raise ValueError("name")
    if not isinstance(value, dict):
        yield f"<{name}>{'' if value is None else _write_text(value)}</{name}>"
        return
    attributes = [f" {key[1:]}={quoteattr(_read_text(each), _ESCAPED)}" for key, each in value.items() if _is_attribute(key)]
    yield f"<{name}{''.join(attributes)}>"
    yield from _write(value, depth + 1)
    yield f"</{name}>"


def _is_attribute(key: str) -> bool:
    if not key.startswith(ATTRIBUTE):
        return False
    if not _NAME.fullmatch(key[1:]):
        raise ValueError("name")
    return True


def _write_text(value: Any) -> str:
    return escape(_read_text(value), _ESCAPED)


def _read_text(value: Any) -> str:
    try:
        text = to_text(value)
    except MisfitError:
        raise ValueError("value") from None
    if _FORBIDDEN.search(text):
        raise ValueError("character")
    return text
