"""The fields that a flow's author asks a GraphQL server for instead of the importer's: checked, and put into the document.

Used by actions/values.py for an input whose form has `x-graphql`: at publishing, and by a run. Nothing but fields can stand
there: no variable, no directive, no fragment's name, no second operation. So a text can ask for more of the same thing only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FORM: Final = "x-graphql"
LENGTH_MAX: Final = 10_000
DEPTH_MAX: Final = 12
PARTS_MAX: Final = 3_000
_PART: Final = re.compile(
    r"[\s,]*(?P<part>\.\.\.|[_A-Za-z][_0-9A-Za-z]*|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
    r'|"(?:[^"\\\n\x00-\x1f]|\\["\\/bfnrt])*"|[{}()\[\]:])'
)
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_OPENS: Final = {"(": ")", "[": "]", "{": "}"}
TYPENAME: Final = "__typename"


class FieldsError(Exception):
    """A text is not a selection of fields that the schema has. `path`: where; `wanted`: what is expected there."""

    def __init__(self, path: tuple[str, ...], wanted: str) -> None:
        super().__init__()
        self.path, self.wanted = path, wanted


@dataclass(frozen=True, slots=True)
class FieldsPlan:
    """Puts a selection into a document.

    Attributes:
        before, after: the document around it, braces included.
        root: the type whose fields are chosen.
        types: by type its fields: each with the type that it leads to (empty: none), and behind `!` the arguments that it
            needs. A type that is not there is not checked: schemas are large, and the server checks them too.
    """

    before: str
    after: str
    root: str
    types: Mapping[str, Mapping[str, str]]

    def write(self, text: str) -> str:
        """Give the document. Raises FieldsError."""
        return f"{self.before}{check_fields(text, self.root, self.types)}{self.after}"


def read_plan(form: Mapping[str, Any]) -> FieldsPlan | None:
    """Read the plan that an input's form holds; None: it is another input."""
    held = form.get(FORM)
    return FieldsPlan(held["before"], held["after"], held["root"], held["types"]) if isinstance(held, dict) else None


def check_fields(text: str, root: str, types: Mapping[str, Mapping[str, str]]) -> str:
    """Check a selection; gives it as it is written into the document, on one line. Raises FieldsError."""
    parts = _split(text)
    if parts[:1] == ["{"] and parts[-1:] == ["}"]:
        parts = parts[1:-1]
    if not parts:
        raise FieldsError((), "selection")
    _Walk(parts, types).walk(root)
    return " ".join(parts)


def _split(text: str) -> list[str]:
    if len(text) > LENGTH_MAX:
        raise FieldsError((), "shorter_selection")
    parts: list[str] = []
    end = 0
    text = text.rstrip(" \t\r\n,")
    while end < len(text):
        found = _PART.match(text, end)
        if found is None or len(parts) >= PARTS_MAX:
            raise FieldsError((), "selection")
        parts.append(found["part"])
        end = found.end()
    return parts


class _Walk:
    """Walks the parts once, without recursion."""

    __slots__ = ("_at", "_parts", "_types")

    def __init__(self, parts: list[str], types: Mapping[str, Mapping[str, str]]) -> None:
        self._parts, self._types, self._at = parts, types, 0

    def walk(self, root: str) -> None:
        path: list[str] = []
        kinds = [root]
        count = [0]
        while self._at < len(self._parts):
            part = self._take()
            if part == "}":
                if not path or not count.pop():
                    raise FieldsError(tuple(path), "selection")
                path.pop()
                kinds.pop()
                continue
            count[-1] += 1
            name, kind = self._take_kind(path) if part == "..." else self._take_field(part, kinds[-1], path)
            if self._peek() == "{" and kind is not None:
                self._take()
                path.append(name)
                kinds.append(kind)
                count.append(0)
                if len(path) > DEPTH_MAX:
                    raise FieldsError(tuple(path), "shallower_selection")
        if path:
            raise FieldsError(tuple(path), "selection")

    def _take_kind(self, path: list[str]) -> tuple[str, str]:
        if self._take() != "on" or self._peek(1) != "{":
            raise FieldsError(tuple(path), "selection")
        kind = self._take_name(path)
        return kind, kind

    def _take_field(self, part: str, kind: str, path: list[str]) -> tuple[str, str | None]:
        """Take a field; gives its name, and the type of what stands in its braces (None: it has none)."""
        if not _NAME.fullmatch(part):
            raise FieldsError(tuple(path), "selection")
        name = part
        if self._peek() == ":":
            self._take()
            name = self._take_name(path)
        given = self._take_arguments(path) if self._peek() == "(" else frozenset[str]()
        known = self._types.get(kind)
        if known is None:
            return name, "" if self._peek() == "{" else None
        here = (*path, name)
        if name == TYPENAME and not given:
            return name, None
        if name not in known:
            raise FieldsError(here, f"field_of_{kind}")
        target, _, needed = known[name].partition("!")
        if not set(filter(None, needed.split(","))) <= given:
            raise FieldsError(here, f"field_with_{needed.replace(',', '_and_')}")
        if bool(target) is not (self._peek() == "{"):
            raise FieldsError(here, f"selection_of_{target}" if target else "field_without_selection")
        return name, target or None

    def _take_arguments(self, path: list[str]) -> frozenset[str]:
        """Take literal arguments; gives their names."""
        closes = [_OPENS[self._take()]]
        names: list[str] = []
        while closes:
            part = self._take()
            if part in _OPENS and part != "(":
                closes.append(_OPENS[part])
            elif part == closes[-1]:
                closes.pop()
            elif part in {"}", ")", "]", "(", "..."}:
                raise FieldsError(tuple(path), "selection")
            elif len(closes) == 1 and self._peek() == ":":
                names.append(part)
        if not names:
            raise FieldsError(tuple(path), "selection")
        return frozenset(names)

    def _take_name(self, path: list[str]) -> str:
        part = self._take()
        if not _NAME.fullmatch(part):
            raise FieldsError(tuple(path), "selection")
        return part

    def _take(self) -> str:
        part = self._peek()
        if not part:
            raise FieldsError((), "selection")
        self._at += 1
        return part

    def _peek(self, ahead: int = 0) -> str:
        return self._parts[self._at + ahead] if self._at + ahead < len(self._parts) else ""
