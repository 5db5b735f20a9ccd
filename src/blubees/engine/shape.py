"""Describes values by their shape: types, sizes and known names. Called by engine/explain.py when a run has failed.

What is large is not walked through: a shape has few fields, the outer ones first, and looks at the first item of a list only.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from blubees.expressions.signatures import name_type
from blubees.model.shape import DEPTH_MAX, FIELDS_MAX, ITEM, SIZE_MAX, Field, FieldType

KEYS_LOOKED_AT: Final = 500  # of one object


def describe_shape(value: object, numbers: Mapping[str, int], limit: int = FIELDS_MAX) -> tuple[Field, ...]:
    """Describe a value in at most `limit` fields.

    Args:
        numbers: the known names (engine/names.py), in lower case.
    """
    fields: list[Field] = []
    waiting: deque[tuple[tuple[int, ...], object]] = deque([((), value)])
    while waiting and len(fields) < limit:
        path, found = waiting.popleft()
        kind = FieldType(name_type(found))
        inner = _list_inner(found, numbers) if len(path) < DEPTH_MAX else []
        room = max(0, limit - len(fields) - len(waiting) - 1)
        told = inner[:room]
        waiting.extend(((*path, number), each) for number, each in told)
        size = min(len(found), SIZE_MAX) if isinstance(found, str | list | dict) else 0
        fields.append(Field(path, kind, size, size - len(told) if isinstance(found, dict) else 0))
    return tuple(fields)


def _list_inner(value: object, numbers: Mapping[str, int]) -> list[tuple[int, object]]:
    if isinstance(value, list):
        return [(ITEM, value[0])] if value else []
    if not isinstance(value, dict):
        return []
    inner: dict[int, object] = {}
    for _, (key, each) in zip(range(KEYS_LOOKED_AT), value.items(), strict=False):
        number = numbers.get(key.casefold()) if isinstance(key, str) else None
        if number is not None:
            inner.setdefault(number, each)
    return list(inner.items())
