"""Makes attributes, marks and text such as Atlassian's schema takes. Used by fit.py.

What is the editor's own bookkeeping, or says what is so anyhow, goes: two documents that mean the same become the same.
"""

import math
import re
from typing import Any, Final

from blubees.connectors.rich_text.adf_schema import attribute_names, needs_attributes, takes_attributes
from blubees.connectors.rich_text.bounds import Node
from blubees.connectors.rich_text.links import write_address

MARK_ORDER: Final = (
    "link",
    "strong",
    "em",
    "strike",
    "underline",
    "subsup",
    "textColor",
    "backgroundColor",
    "annotation",
    "code",
)
"""Marks of text, outermost first."""
NUMBERED: Final = frozenset(
    {"taskList", "taskItem", "blockTaskItem", "decisionList", "decisionItem", "bodiedSyncBlock", "syncBlock"}
)
"""Nodes that must have a localId: it is numbered anew."""
_DEFAULTS: Final[dict[str, Node]] = {
    "orderedList": {"order": 1},
    "table": {"isNumberColumnEnabled": False, "layout": "default"},
    "tableCell": {"colspan": 1, "rowspan": 1},
    "tableHeader": {"colspan": 1, "rowspan": 1},
    "hardBreak": {"text": "\n"},
    "expand": {"title": ""},
    "codeBlock": {"language": ""},
}
_NEEDED: Final[dict[str, Node]] = {
    "nestedExpand": {"title": ""},
    "taskItem": {"state": "TODO"},
    "blockTaskItem": {"state": "TODO"},
    "decisionItem": {"state": "DECIDED"},
    "mediaSingle": {"layout": "center"},
}
"""What a node must have, and has when it says nothing."""
_BESIDE_CODE: Final = frozenset({"code", "link", "annotation"})
_CARDS: Final = frozenset({"inlineCard", "blockCard", "embedCard"})
_JSON_BITS: Final = 63
_NOT_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean_text(text: str) -> str:
    """Give a text without control characters; line ends are line feeds."""
    if text.isprintable():
        return text  # the common case
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def fit_attributes(kind: str, given: object, number: int) -> Node | None:
    """Give a node's attributes, or None when it can't be a node of this type with what it has.

    Args:
        number: the localId where one must be.
    """
    found = _clean(given) if isinstance(given, dict) else {}
    defaults = _DEFAULTS.get(kind, {})
    for name in [name for name, value in found.items() if value is None or defaults.get(name, _NOTHING) == value]:
        del found[name]
    found.pop("localId", None)
    if kind in NUMBERED:
        found["localId"] = str(number)
    for name, value in _NEEDED.get(kind, {}).items():
        found.setdefault(name, value)
    if not _fit_address(kind, found):
        return None
    if takes_attributes(kind, found):
        return found
    known = attribute_names(kind)
    found = {name: value for name, value in found.items() if name in known}
    return found if takes_attributes(kind, found) or not (found or needs_attributes(kind)) else None


def fit_marks(given: object, allowed: frozenset[str]) -> list[Node]:
    """Give the marks among these that may be here, in their order, each once."""
    if not given or not isinstance(given, list):
        return []
    found: dict[str, Node] = {}
    for mark in given:
        fitted = _fit_mark(mark) if isinstance(mark, dict) and mark.get("type") in allowed else None
        if fitted is not None:
            found.setdefault(fitted["type"], fitted)
    if "code" in found:
        found = {name: mark for name, mark in found.items() if name in _BESIDE_CODE}
    if "alignment" in found:
        found.pop("indentation", None)
    if len(found) == 1:
        return list(found.values())
    return sorted(found.values(), key=lambda mark: _PLACES.get(mark["type"], 0))


_NOTHING: Final = object()
_PLACES: Final = {name: number for number, name in enumerate(MARK_ORDER)}


def _fit_address(kind: str, attributes: Node) -> bool:
    """Write the address that a node leads to; False when it may lead there not."""
    if kind in _CARDS and "url" in attributes:
        attributes["url"] = write_address(attributes["url"])
    elif kind == "media" and attributes.get("type") == "external":
        attributes["url"] = write_address(attributes.get("url"), is_picture=True)
    else:
        return True
    return attributes["url"] is not None


def _fit_mark(mark: Node) -> Node | None:
    kind, given = mark["type"], mark.get("attrs")
    attributes = {name: _clean(value) for name, value in given.items() if value is not None} if isinstance(given, dict) else {}
    if kind == "link":
        attributes["href"] = write_address(attributes.get("href"))
    if not takes_attributes(kind, attributes, of_mark=True):
        return None
    if kind in {"textColor", "backgroundColor"}:
        attributes["color"] = attributes["color"].lower()
    return {"type": kind, "attrs": attributes} if attributes else {"type": kind}


def _clean(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Clean every text; what is deeper than any attribute may be stays, and is refused with its node."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict) and depth < 40:  # noqa: PLR2004 - more than bounds.ATTRIBUTE_DEPTH_MAX
        return {clean_text(str(name)): _clean(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list) and depth < 40:  # noqa: PLR2004 - see above
        return [_clean(each, depth + 1) for each in value]
    if isinstance(value, dict | list):
        return value
    if value is None or type(value) is bool or _is_json_number(value):
        return value
    return None if isinstance(value, int | float) else str(value)


def _is_json_number(value: object) -> bool:
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, int) and value.bit_length() <= _JSON_BITS
