"""Which part of an event a parked run must still hold: what smart values read from there on. Called by engine/walk.py."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from blubees.expressions.functions import FUNCTIONS

_FUNCTIONS: Final = frozenset(name.casefold() for name in FUNCTIONS)
_ISSUE_ID: Final = re.compile(r"[0-9]{1,20}")
_Path = tuple[str, ...]


def prune_event(event: Mapping[str, object], paths: Iterable[_Path]) -> dict[str, Any]:
    """Give what these paths read of an event's scope (engine/scope.py); looking them up in it gives the same as before.

    Names ignore case, an issue's fields are its own, and a list is looked into element by element: as in
    expressions/values.py. What a function is called on is kept whole.
    """
    by_root: dict[str, list[_Path]] = {}
    for path in paths:
        by_root.setdefault(path[0].casefold(), []).append(path[1:])
    return {name: _prune(value, by_root[name.casefold()]) for name, value in event.items() if name.casefold() in by_root}


def find_issue(event: Mapping[str, object]) -> str:
    """Give the id of the issue that a run is about, or empty: where what it holds while it is parked may be left."""
    issue = event.get("issue")
    found = issue.get("id") if isinstance(issue, dict) else None
    return found if isinstance(found, str) and _ISSUE_ID.fullmatch(found) else ""


def _prune(value: object, paths: list[_Path]) -> Any:  # noqa: ANN401 - data
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        if any(_is_function(path[0]) for path in paths):
            return value
        return [_prune(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    return _prune_dict(value, paths)


def _prune_dict(value: dict[str, Any], paths: list[_Path]) -> dict[str, Any]:
    kept: dict[str, list[_Path]] = {}
    fields = value.get("fields")
    is_issue = isinstance(fields, dict) and "key" in value
    for path in paths:
        folded = path[0].casefold()
        names = [name for name in value if name.casefold() == folded]
        if is_issue and any(name.casefold() == folded for name in fields or {}):
            kept.setdefault("fields", []).append(path)
        if not names and _is_function(path[0]):
            return value
        for name in names:
            kept.setdefault(name, []).append(path[1:])
    if is_issue:
        kept.setdefault("key", [()])
        kept.setdefault("fields", [])
    return {name: _prune(inner, kept[name]) if kept[name] else {} for name, inner in value.items() if name in kept}


def _is_function(name: str) -> bool:
    return name.casefold() in _FUNCTIONS or name.isdecimal()
