"""How what a format has no words for stands in it: `data-adf` attributes on elements. Used by the HTML and Markdown files.

`data-adf` is the node's type, `data-adf-attrs` and `data-adf-marks` are its attributes and marks as JSON.
"""

import re
from typing import Any, Final

import orjson

from blubees.connectors.rich_text.adf_schema import knows, takes_attributes
from blubees.connectors.rich_text.bounds import Node

KIND: Final = "data-adf"
ATTRIBUTES: Final = "data-adf-attrs"
MARKS: Final = "data-adf-marks"
SPACES: Final = "spaces"
"""Not a node: a text whose spaces and line ends all count."""

ACTING: Final = frozenset({"mention", "extension", "inlineExtension", "bodiedExtension", "syncBlock", "bodiedSyncBlock"})
"""Nodes that reach people or apps: read from a text only when its writer is trusted."""
LEAVES: Final = frozenset(
    {"mention", "emoji", "date", "status", "placeholder", "inlineCard", "blockCard", "embedCard", "media", "mediaInline"}
    | {"extension", "inlineExtension", "syncBlock", "hardBreak", "rule"}
)
"""What stands in their elements is for people, and not read."""

_ATTRIBUTE: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "|": "&#124;",
    "\n": "&#10;",
    "\r": "&#13;",
    "\t": "&#9;",
}
_TO_ATTRIBUTE: Final = str.maketrans(_ATTRIBUTE)
_TO_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_TO_MARKDOWN: Final = str.maketrans({letter: f"&#{ord(letter)};" for letter in '\\`*_[]<>&~|!"\n\t'})
_SPACES: Final = re.compile(r"  +|^ | $")


def escape_attribute(text: str) -> str:
    """Write a text for a place between double quotes, on one line."""
    return text.translate(_TO_ATTRIBUTE)


def escape_text(text: str, *, in_markdown: bool = False) -> str:
    """Write a text for a place between tags; in Markdown on one line, with nothing in it that Markdown would read."""
    if not in_markdown:
        return text.translate(_TO_TEXT)
    return text.translate(_TO_MARKDOWN)


def escape_spaces(text: str) -> str:
    """Write a text of which each space counts, for Markdown."""
    return _SPACES.sub(lambda found: "&#32;" * len(found.group()), escape_text(text, in_markdown=True))


def write_notation(kind: str = "", attributes: Node | None = None, marks: list[Node] | None = None) -> str:
    """Write the attributes of an element, each with a space before it."""
    written = f' {KIND}="{kind}"' if kind else ""
    attributes = {name: value for name, value in (attributes or {}).items() if name != "localId"}  # numbered anew anyhow
    if attributes:
        written += f' {ATTRIBUTES}="{escape_attribute(_write_json(attributes))}"'
    if marks:
        written += f' {MARKS}="{escape_attribute(_write_json(marks))}"'
    return written


def read_notation(found: dict[str, str], *, is_trusted: bool) -> tuple[str, Node, list[Node]]:
    """Give the type, attributes and marks that an element tells; an empty type when it tells none that may be read."""
    if not found:
        return "", {}, []
    kind = found.get(KIND, "")
    attributes = _read_json(found.get(ATTRIBUTES), dict) or {}
    marks = [mark for mark in _read_json(found.get(MARKS), list) or [] if isinstance(mark, dict)]
    if kind in ACTING and not is_trusted:
        return "", {}, []
    return (kind if knows(kind) else ""), attributes, marks


def is_mark(mark: Node) -> bool:
    """Whether the schema knows this mark with what it has."""
    kind, attributes = mark.get("type"), mark.get("attrs", {})
    return isinstance(kind, str) and isinstance(attributes, dict) and takes_attributes(kind, attributes, of_mark=True)


def _write_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _read_json(text: str | None, kind: type) -> Any:  # noqa: ANN401 - JSON
    if not text:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if type(found) is kind else None
