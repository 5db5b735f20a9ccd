"""One evaluation of templates: scope, the elements of open sections, the meter. Made by template.py and document.py."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import NO_FIELDS, FieldIds, Limits, Meter
from blubees.expressions.values import MISSING, has, look_up, look_up_in_dict

_SPECIAL: Final = frozenset({"first", "last", "_first", "_last", "index", "-index"})


LateName = Callable[[Mapping[str, object]], object]
"""Gives a name's value from the scope, when the name is read."""


class LateScope(dict[str, object]):
    """A scope that has names besides its own, worked out when they are read and at no cost when they are not.

    Attributes:
        late: by the name without case; the scope's own names come first.
        field_ids: the names by which people know the fields of issues.
    """

    __slots__ = ("field_ids", "late")

    def __init__(self, names: Mapping[str, object], late: Mapping[str, LateName], field_ids: FieldIds = NO_FIELDS) -> None:
        super().__init__(names)
        self.late, self.field_ids = late, field_ids


class Run(Meter):
    """One evaluation. It is its own meter, which saves an object where a condition takes a microsecond.

    Attributes:
        frames: element, index and size of each open section, outermost first; size -1 for an object that was entered.
    """

    __slots__ = ("drawn", "frames", "scope")

    def __init__(self, scope: Mapping[str, object], limits: Limits) -> None:
        self.scope = scope
        self.frames: list[tuple[Any, int, int]] | None = None
        self.drawn = 0
        self.steps = limits.steps
        self.output_characters = limits.output_characters
        self.depth = limits.depth

    @property
    def field_ids(self) -> FieldIds:
        """The names by which people know the fields of issues."""
        return self.scope.field_ids if type(self.scope) is LateScope else NO_FIELDS

    def find(self, name: str) -> Any:  # noqa: ANN401 - data
        """Find a root name: in the elements, innermost first, then in the scope."""
        if self.frames:
            for element, index, size in reversed(self.frames):
                if size >= 0 and name in _SPECIAL and (name[0] in "_-" or not has(element, name)):
                    return _tell_place(name, index, size)
                found = look_up(element, name, self) if type(element) is dict else None
                if found is not None or has(element, name):
                    return found
        found = self.scope.get(name, MISSING)
        if found is MISSING and type(self.scope) is LateScope and (late := self.scope.late.get(name.casefold())) is not None:
            found = late(self.scope)
        return found if found is not MISSING else look_up_in_dict(dict(self.scope), name, self)

    def draw(self) -> float:
        """Give a number from 0 to 1 that hangs on the moment (`now`) only: a step performed again draws the same."""
        self.drawn += 1
        digest = sha256(f"{self.scope.get('now')!r} {self.drawn}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    def enter(self, element: object, index: int, size: int) -> None:
        """Put an element on top."""
        if self.frames is None:
            self.frames = []
        self.frames.append((element, index, size))

    def leave(self) -> None:
        """Take the top element off."""
        if self.frames:
            self.frames.pop()


Getter = Callable[[Run], Any]


def guard(get: Getter, run: Run) -> Any:  # noqa: ANN401 - data
    """Evaluate; what the interpreter itself refuses becomes an error of this language."""
    try:
        return get(run)
    except RecursionError:
        raise EvaluationError(EvaluationCode.TOO_DEEP) from None
    except (OverflowError, MemoryError):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT) from None


def _tell_place(name: str, index: int, size: int) -> object:
    if name.endswith("index"):
        return index
    return index == 0 if name.endswith("first") else index == size - 1
