"""The shape of a value: its fields, their types and sizes, and no value. Made by engine/shape.py; kept in receipts.

A field's name can be payload too: a third party's JSON may have an e-mail address for a key. So a shape has no text in it: a
name is told as its number in a list that is known beforehand (NAMES, then what the flow's own text reads and writes), and can
be looked up by whoever has the flow's text; a name that does not stand in that list has no number, and is counted.
Source: docs/decisions/0003-what-a-receipt-may-hold.md.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import msgspec

FIELDS_MAX: Final = 24  # of one shape
RUN_FIELDS_MAX: Final = 96  # of all shapes of one run: its receipt stays under about 4 KB
WHOLE_RUN_FIELDS_MAX: Final = 480  # where a tenant wants each step of each run explained
DEPTH_MAX: Final = 6
ITEM: Final = -1
FLOW_NAMES_START: Final = 1_000
FLOW_NAMES_MAX: Final = 20_000
SIZE_MAX: Final = 2**53

NAMES: Final = (
    *("status", "headers", "body", "count", "failed", "results", "error", "seen", "id", "key", "self", "fields"),
    *("summary", "description", "issuetype", "project", "priority", "labels", "assignee", "reporter", "comment", "comments"),
    *("name", "displayName", "accountId", "issues", "total", "startAt", "maxResults", "nextPageToken", "isLast"),
    *("errorMessages", "errors", "message", "code", "detail", "type", "value", "values", "items", "data", "url", "title"),
    *("text", "created", "updated", "index", "item", "issue", "changelog", "eventType", "user", "email", "page", "limit"),
)
"""Names that say nothing of a customer. Old receipts hold their numbers: names are added at the end, and never taken out."""


class FieldType(StrEnum):
    """What a value is."""

    NULL = "null"
    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"
    OBJECT = "object"
    DATE = "date"
    ANY = "any"


NameNumber = Annotated[int, msgspec.Meta(ge=ITEM, le=FLOW_NAMES_START + FLOW_NAMES_MAX)]
Size = Annotated[int, msgspec.Meta(ge=0, le=SIZE_MAX)]


class Field(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One field.

    Attributes:
        path: numbers of names, ITEM for the first item of a list; empty: the value itself.
        size: characters of a text, items of a list, fields of an object; else 0.
        unnamed: how many of an object's fields are not told one by one.
    """

    path: Annotated[tuple[NameNumber, ...], msgspec.Meta(max_length=DEPTH_MAX)]
    type: FieldType
    size: Size = 0
    unnamed: Size = 0


Shape = Annotated[tuple[Field, ...], msgspec.Meta(max_length=FIELDS_MAX)]


class NamedField(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A field for people: `path` such as "body.items[0].id"."""

    path: str
    type: FieldType
    size: int = 0
    unnamed: int = 0


def name_fields(shape: Sequence[Field], flow_names: Sequence[str] | None) -> tuple[NamedField, ...]:
    """Give a shape's fields with their names.

    Args:
        flow_names: the names of the flow's text (engine/names.py); None when they are not known here: numbers stand for them.
    """
    names: Mapping[int, str] = dict(enumerate(NAMES))
    if flow_names is not None:
        names = {**names, **dict(enumerate(flow_names, FLOW_NAMES_START))}
    return tuple(
        NamedField(path=_write_path(field.path, names), type=field.type, size=field.size, unnamed=field.unnamed)
        for field in shape
    )


def _write_path(path: Sequence[int], names: Mapping[int, str]) -> str:
    text = ""
    for part in path:
        text += "[0]" if part == ITEM else ("." if text else "") + names.get(part, f"name {part}")
    return text
