"""Objects that a third party has as lists of pairs: `{a: 1}` and `[{Key: a, Value: 1}]`. Used by request.py and answers.py."""

from typing import Any

from blubees.connectors.actions.paths import MISSING
from blubees.connectors.actions.values import Convert, MisfitError


def split_pairs(convert: Convert | None, name: str, value: str) -> Convert:
    """Have an object, once it is converted, sent as a list of pairs of these two names."""

    def split(given: Any) -> list[dict[str, Any]]:
        found = given if convert is None else convert(given)
        if not isinstance(found, dict):
            raise MisfitError(given, "object")
        return [{name: key, value: each} for key, each in found.items()]

    return split


def join_pairs(found: Any, name: str, value: str) -> Any:
    """Give a list of pairs as an object; what is none is left out."""
    if not isinstance(found, list):
        return MISSING
    return {each[name]: each.get(value) for each in found if isinstance(each, dict) and isinstance(each.get(name), str)}
