"""Looks into answers by paths, and puts values into bodies by paths. Used by this folder."""

from itertools import pairwise
from typing import Any, Final

MISSING: Final[Any] = object()
EACH: Final = "*"


def look_up(document: Any, path: tuple[str, ...]) -> Any:
    """Give what stands at a path: names of objects, numbers of lists; a mark when nothing does."""
    for part in path:
        if type(document) is dict:
            document = document.get(part, MISSING)
            if document is MISSING:
                return MISSING
        elif type(document) is list and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return MISSING
    return document


def look_up_each(document: Any, path: tuple[str, ...]) -> Any:
    """As `look_up`, where `*` stands for each item of a list: gives all that is found, in order, as one list."""
    if EACH not in path:
        return look_up(document, path)
    where = path.index(EACH)
    items = look_up(document, path[:where])
    if type(items) is not list:
        return MISSING
    found: list[Any] = []
    for item in items:
        value = look_up_each(item, path[where + 1 :])
        if value is not MISSING:
            found += value if EACH in path[where + 1 :] else [value]
    return found


def put_in(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value at a path; objects and lists on the way are made. A list grows by as many nulls as it lacks.

    `*` in the path: the value is a list, each item of which goes below it: at `to.*.address`, `[a, b]` makes
    `to: [{address: a}, {address: b}]`.
    """
    if EACH in path:
        where = path.index(EACH)
        path, value = path[:where], [_wrap(path[where + 1 :], each) for each in value]
    place: Any = document
    for part, after in pairwise(path):
        inner: Any = [] if after.isdecimal() else {}
        place = _step_in(place, part, inner)
    _step_in(place, path[-1], value, replaces=True)


def _wrap(path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    inner: dict[str, Any] = {}
    put_in(inner, path, value)
    return inner


def _step_in(place: Any, part: str, value: Any, *, replaces: bool = False) -> Any:
    if isinstance(place, list):
        number = int(part)
        place.extend([None] * (number + 1 - len(place)))
        if replaces or place[number] is None:
            place[number] = value
        return place[number]
    if replaces or part not in place:
        place[part] = value
    return place[part]


def copy_tree(value: Any) -> Any:
    """Copy objects and lists; the rest can't change."""
    if type(value) is dict:
        return {name: copy_tree(each) for name, each in value.items()}
    return [copy_tree(each) for each in value] if type(value) is list else value
