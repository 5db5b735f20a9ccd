"""What is known of data before there is any: types, names, what lists hold. Read by static.py, made in flows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from blubees.expressions.signatures import ValueType


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value.

    Attributes:
        fields: of an object, by name; of an issue also what stands in its `fields`.
        is_open: an object may have other fields too: only names that look like slips are told.
        item: what a list holds.
    """

    type: ValueType = ValueType.ANY
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    is_open: bool = True
    item: "Shape | None" = None

    def find(self, name: str) -> "Shape | None":
        """The shape of a field, whatever its case; None: it is not known."""
        found = self.fields.get(name)
        if found is not None:
            return found
        folded = name.casefold()
        return next((shape for each, shape in self.fields.items() if each.casefold() == folded), None)


ANYTHING: Final = Shape()
TEXT: Final = Shape(ValueType.TEXT)
NUMBER: Final = Shape(ValueType.NUMBER)
BOOLEAN: Final = Shape(ValueType.BOOLEAN)
DATE: Final = Shape(ValueType.DATE)


def object_of(fields: Mapping[str, Shape], *, is_open: bool = True) -> Shape:
    """An object with these fields."""
    return Shape(ValueType.OBJECT, fields, is_open)


def list_of(item: Shape = ANYTHING) -> Shape:
    """A list of these."""
    return Shape(ValueType.LIST, item=item)


def texts(*names: str) -> dict[str, Shape]:
    """Fields that are texts."""
    return dict.fromkeys(names, TEXT)


def shape_of(value: object) -> Shape:
    """The shape of an example: its own names and types on the first level, anything below."""
    types = {str: TEXT, bool: BOOLEAN, int: NUMBER, float: NUMBER, list: list_of(), dict: object_of({})}
    return types.get(type(value), ANYTHING)


def join(shapes: Iterable[Shape]) -> Shape:
    """What is true of all of them."""
    found = list(shapes)
    return found[0] if found and all(each == found[0] for each in found) else ANYTHING
