"""The short words of a connector's file: types (`text?`), places, and names in words. Used by reader.py and read_action.py."""

import re
from typing import Any, Final, NamedTuple

TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array"},
    "object": {"type": "object"},
    "any": {},
    "date": {"type": "string", "format": "date"},
    "date_time": {"type": "string", "format": "date-time"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
    "file": {"type": "string", "format": "binary"},
}
"""The types of inputs and outputs, as forms."""
SHORT: Final = re.compile(r"(?P<type>[a-z_]+)(?P<optional>\?)?(?: at (?P<at>\S+))?(?: in (?P<place>[a-z]+))?")
"""`TYPE`, `TYPE?`, with ` at NAME` and ` in PLACE` behind it."""


class Short(NamedTuple):
    """A short form, read. `at` None: not given; `place` empty: not given."""

    schema: dict[str, Any]
    is_optional: bool
    at: tuple[str, ...] | None
    place: str


def read_short(text: str) -> Short | str:
    """Read `text? at message.text`; gives a sentence when it is none."""
    found = SHORT.fullmatch(text.strip())
    if found is None:
        return f"{text[:80]!r} is no short form. Write TYPE, TYPE? (may be left out), and behind it ` at NAME` or ` in PLACE`."
    if found["type"] not in TYPES:
        return f"There is no type {found['type']!r}; there are: {', '.join(TYPES)}."
    at = None if found["at"] is None else split_path(found["at"])
    return Short(dict(TYPES[found["type"]]), bool(found["optional"]), at, found["place"] or "")


def make_nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the form that takes null as well."""
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def split_path(text: str) -> tuple[str, ...]:
    r"""Split a dotted path; a dot that belongs to a name is written `\.`."""
    parts = re.split(r"(?<!\\)\.", text) if text else []
    return tuple(part.replace("\\.", ".") for part in parts)


def write_words(name: str) -> str:
    """Write a name in words: list_channels → List channels."""
    return name.replace("_", " ").strip().capitalize()
