"""Reads the fields of a noun one by one, so that what is wrong is told where it stands. Used by reader.py, read_action.py."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from blubees.connectors.contract.problems import Complaints, Place
from blubees.connectors.contract.words import split_path

PATHS: Final = frozenset(
    (
        *("at", "items", "next", "total", "more", "last"),
        *("event_at", "delivery_at", "each_at", "token_at", "challenge_at", "cursor_at", "id_at"),
    )
)
"""Fields that are paths: a text there is split at its dots."""
_Noun = TypeVar("_Noun", bound=msgspec.Struct)
_FAILED: Final = object()


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads nouns from plain data."""

    complaints: Complaints = field(default_factory=Complaints)

    def read(
        self, kind: type[_Noun], data: object, place: Place, ready: dict[str, Any] | None = None, *, also: Collection[str] = ()
    ) -> _Noun | None:
        """Read one noun; None when something in it is wrong.

        Args:
            ready: fields that were read already.
            also: names that may stand there besides, and are read by the caller.
        """
        ready = ready or {}
        mapping = self.expect_mapping(data, place)
        if mapping is None:
            return None
        known = {each.encode_name: each for each in msgspec.structs.fields(kind)}
        self.expect_names(mapping, place, {*known, *also})
        values, is_whole = dict(ready), True
        for name, value in mapping.items():
            if name not in known or known[name].name in ready or name in also:
                continue
            read = self.read_value(known[name].type, value, (*place, name))
            is_whole = is_whole and read is not _FAILED
            values[known[name].name] = read
        missing = [name for name, each in known.items() if each.required and each.name not in values]
        for name in missing:
            self.complaints.add((*place, name), f"`{name}` is missing.")
        return kind(**values) if is_whole and not missing else None

    def read_value(self, kind: Any, value: object, place: Place) -> Any:  # noqa: ANN401 - a type, data
        """Read one field's value; a mark when it is wrong."""
        try:
            return msgspec.convert(_ease(kind, value, place), kind)
        except msgspec.ValidationError as error:
            self.complaints.add(place, _describe(error, kind, value))
            return _FAILED

    def expect_mapping(self, data: object, place: Place) -> dict[str, Any] | None:
        """Expect a mapping."""
        if isinstance(data, dict):
            return data
        self.complaints.add(place, f"This must be a mapping of names to values; it is {name_type(data)}.")
        return None

    def expect_names(self, data: dict[str, Any], place: Place, allowed: Collection[str]) -> None:
        """Expect no other names."""
        for name in data:
            if name not in allowed:
                self.complaints.add_unknown((*place, name), "field", name, allowed)

    def read_each(self, kind: type[_Noun], data: object, place: Place) -> dict[str, _Noun]:
        """Read a mapping of names to nouns."""
        mapping = self.expect_mapping(data, place) or {}
        read = {name: self.read(kind, value, (*place, name)) for name, value in mapping.items()}
        return {name: value for name, value in read.items() if value is not None}

    def read_list(self, kind: type[_Noun], data: object, place: Place) -> tuple[_Noun, ...]:
        """Read a list of nouns; one alone may stand without the list."""
        items = data if isinstance(data, list) else [data]
        numbered = [(place, items[0])] if not isinstance(data, list) else [((*place, n), each) for n, each in enumerate(items)]
        return tuple(read for where, each in numbered if (read := self.read(kind, each, where)) is not None)


def _ease(kind: Any, value: object, place: Place) -> object:  # noqa: ANN401 - a type
    """Write out what may be written shorter: a path, one text for a list of one, figures for text."""
    if kind == tuple[str, ...]:
        if isinstance(value, str):
            return split_path(value) if place[-1] in PATHS else (value,)
        return [str(each) if type(each) is int else each for each in value] if isinstance(value, list) else value
    if kind == tuple[tuple[str, ...], ...]:
        listed = [value] if isinstance(value, str) else value
        return [[each] if isinstance(each, str) else each for each in listed] if isinstance(listed, list) else listed
    if kind is str and type(value) in {int, float}:
        return str(value)
    if (kind == dict[str, str] or kind == dict[str, str] | None) and isinstance(value, dict):
        return {name: _write_scalar(each) for name, each in value.items()}
    return value


def _write_scalar(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _describe(error: msgspec.ValidationError, kind: Any, value: object) -> str:  # noqa: ANN401 - a type
    choices = _list_choices(kind)
    if choices:
        near = difflib.get_close_matches(str(value), choices, 1, 0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"{str(value)[:60]!r} is not allowed; allowed are: {', '.join(choices)}.{hint}"
    return f"{error}; given is {name_type(value)}."


def _list_choices(kind: Any) -> list[str]:  # noqa: ANN401 - a type
    kinds = [kind, *getattr(kind, "__args__", ())]
    found = [each for each in kinds if isinstance(each, type) and issubclass(each, Enum)]
    return [str(each.value) for each in found[0]] if found else []


def name_type(value: object) -> str:
    """Name the type of a value for people."""
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), "something else")
