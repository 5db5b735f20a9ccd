"""Which part of an event a parked run must still hold: what smart values read from there on. Called by engine/walk.py."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from blubees.expressions.functions import FUNCTIONS
from blubees.expressions.limits import FieldIds

_FUNCTIONS: Final = frozenset(name.casefold() for name in FUNCTIONS)
_ISSUE_ID: Final = re.compile(r"[0-9]{1,20}")
_Path = tuple[str, ...]


def prune_event(event: Mapping[str, object], paths: Iterable[_Path], field_ids: FieldIds | None) -> dict[str, Any]:
    """Give what these paths read of an event's scope (engine/scope.py); looking them up in it gives the same as before.

    Names ignore case, an issue's fields are its own, and a list is looked into element by element: as in
    expressions/values.py. What a function is called on is kept whole.

    Args:
        field_ids: of the fields of issues, by their names; None where they are not known: what may be one is kept whole.
    """
    by_root: dict[str, list[_Path]] = {}
    for path in paths:
        by_root.setdefault(path[0].casefold(), []).append(path[1:])
    pruner = _Pruner(field_ids)
    return {name: pruner.prune(value, by_root[name.casefold()]) for name, value in event.items() if name.casefold() in by_root}


def find_issue(event: Mapping[str, object]) -> str:
    """Give the id of the issue that a run is about, or empty: where what it holds while it is parked may be left."""
    issue = event.get("issue")
    found = issue.get("id") if isinstance(issue, dict) else None
    return found if isinstance(found, str) and _ISSUE_ID.fullmatch(found) else ""


class _Pruner:
    """Keeps what is read. `field_ids`: see prune_event()."""

    def __init__(self, field_ids: FieldIds | None) -> None:
        self.field_ids = field_ids

    def prune(self, value: object, paths: list[_Path]) -> Any:  # noqa: ANN401 - data
        if any(not path for path in paths):
            return value
        if isinstance(value, list):
            if any(_is_function(path[0]) for path in paths):
                return value
            return [self.prune(each, paths) for each in value]
        if not isinstance(value, dict):
            return value
        return self.prune_dict(value, paths)

    def prune_dict(self, value: dict[str, Any], paths: list[_Path]) -> dict[str, Any]:
        kept: dict[str, list[_Path]] = {}
        fields = value.get("fields")
        is_issue = isinstance(fields, dict) and "key" in value
        for path in paths:
            folded = path[0].casefold()
            names = [name for name in value if name.casefold() == folded]
            in_fields = is_issue and any(name.casefold() == folded for name in fields or {})
            if in_fields:
                kept.setdefault("fields", []).append(path)
            if not names and _is_function(path[0]):
                return value
            if not names and not in_fields:
                known = self.find_ids(value, folded)
                if known is None:
                    return value
                for each in known:
                    inner = (each, *path[1:])
                    kept.setdefault("fields" if is_issue else each, []).append(inner if is_issue else inner[1:])
            for name in names:
                kept.setdefault(name, []).append(path[1:])
        if is_issue:
            kept.setdefault("key", [()])
            kept.setdefault("fields", [])
            if "names" in value:
                kept.setdefault("names", [()])
        return {name: self.prune(inner, kept[name]) if kept[name] else {} for name, inner in value.items() if name in kept}

    def find_ids(self, value: dict[str, Any], folded: str) -> list[str] | None:
        """Give the ids of the fields that this name may mean; None where that is not known."""
        if self.field_ids is None:
            return None
        names = value.get("names")
        of_issue = (
            [field for field, name in names.items() if isinstance(name, str) and name.casefold() == folded]
            if isinstance(names, dict)
            else []
        )
        return [*of_issue, *self.field_ids.get(folded, ())]


def _is_function(name: str) -> bool:
    return name.casefold() in _FUNCTIONS or name.isdecimal()
