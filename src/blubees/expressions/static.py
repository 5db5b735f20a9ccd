"""Checks a template against what is known of its data: unknown names, wrong types. Called by flows/check_shapes.py.

It tells of what can't be right only: what is not known of a value is not held against it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blubees.expressions.calls import CONVERSIONS
from blubees.expressions.conversions import as_number
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.grammar import Element, Expression, Literal, Node, Path, Section, Segment, Value
from blubees.expressions.shapes import ANYTHING, NUMBER, TEXT, Shape, join, list_of
from blubees.expressions.signatures import TYPES, Argument, Function, ValueType

SLIP: Final = 0.8  # names that are as like as that are taken for a slip of the pen
_ELEMENT: Final = frozenset({"first", "last", "get", "getFromEnd"})  # these give what the list holds
_SAME: Final = frozenset({"distinct", "reverse", "sort"})
_INSIDE: Final = frozenset({"first", "last", "_first", "_last", "index", "-index"})
_BECOMES: Final[dict[ValueType, tuple[str, ...]]] = {
    name: tuple(receiver for receiver, _ in CONVERSIONS[kind]) for kind, name in TYPES if kind in CONVERSIONS
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that can't be right. `position`: offset in the template; `is_sure`: it is wrong whatever the data."""

    position: int
    message: str
    hint: str = ""
    is_sure: bool = True


def check_shapes(nodes: tuple[Node, ...], shapes: Mapping[str, Shape]) -> tuple[Finding, ...]:
    """Check a template.

    Args:
        nodes: its tree (Template.nodes).
        shapes: of the first names; one that is not in it is not looked into.

    Returns: what was found, by place.
    """
    checker = _Checker(shapes)
    checker.check_nodes(nodes, ())
    return tuple(sorted(checker.findings, key=lambda each: each.position))


def find_shape(nodes: tuple[Node, ...], shapes: Mapping[str, Shape]) -> Shape:
    """Find what a template gives that is one smart value alone; of any other it is not told."""
    if len(nodes) != 1 or not isinstance(nodes[0], Value):
        return ANYTHING
    checker = _Checker(shapes)
    shape = checker.find_shape(nodes[0].expression, ())
    default = nodes[0].default
    return shape if default is None else join((shape, checker.find_shape(default, ())))


class _Checker:
    """Walks one template. `frames`: the shapes of the elements of the sections that it is in, outermost first."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self.findings: list[Finding] = []

    def check_nodes(self, nodes: tuple[Node, ...], frames: tuple[Shape, ...]) -> None:
        for node in nodes:
            if isinstance(node, Value):
                self.find_shape(node.expression, frames)
                if node.default is not None:
                    self.find_shape(node.default, frames)
            elif isinstance(node, Section):
                self._check_section(node, frames)

    def _check_section(self, section: Section, frames: tuple[Shape, ...]) -> None:
        inner = frames
        if section.expression is not None:
            shape = self.find_shape(section.expression, frames)
            if shape.type is ValueType.LIST:
                inner = (*frames, shape.item or ANYTHING)
            elif shape.type in {ValueType.OBJECT, ValueType.ANY}:
                inner = (*frames, shape)
        self.check_nodes(section.body, frames if section.inverse else inner)
        self.check_nodes(section.otherwise, frames)

    def find_shape(self, expression: Expression, frames: tuple[Shape, ...]) -> Shape:
        """Find what an expression gives, and tell what is wrong in it."""
        if isinstance(expression, Literal):
            return TEXT if isinstance(expression.value, str) else NUMBER
        shape, segments = self._find_start(expression, frames)
        for segment in segments:
            shape = self._step(shape, segment, frames)
        return shape

    def _find_start(self, path: Path, frames: tuple[Shape, ...]) -> tuple[Shape, tuple[Segment, ...]]:
        if isinstance(path.start, Element):
            return (frames[-1] if frames else ANYTHING), path.segments
        if path.start is not None:
            return self.find_shape(path.start, frames), path.segments
        if not path.segments:
            return (frames[-1] if frames else ANYTHING), ()
        first, *rest = path.segments
        if first.arguments is not None and first.name in GLOBALS:
            return self._call(GLOBALS[first.name], first, frames), tuple(rest)
        if frames and (first.name in _INSIDE or any(not each.fields or each.find(first.name) for each in frames)):
            found = next((shape for each in reversed(frames) if (shape := each.find(first.name))), ANYTHING)
            return found, tuple(rest)
        folded = first.name.casefold()
        found = next((shape for name, shape in self._shapes.items() if name.casefold() == folded), ANYTHING)
        return found, tuple(rest)

    def _step(self, shape: Shape, segment: Segment, frames: tuple[Shape, ...]) -> Shape:
        table = None if segment.quoted else FUNCTIONS.get(segment.name)
        if segment.arguments is None:
            is_field = shape.find(segment.name) is not None or (shape.item is not None and shape.item.find(segment.name))
            if table is None or is_field or (shape.type is ValueType.ANY):
                return self._find_field(shape, segment)
        return ANYTHING if table is None else self._apply(table, shape, segment, frames)

    def _find_field(self, shape: Shape, segment: Segment) -> Shape:
        if shape.type is ValueType.LIST:
            return list_of(self._find_field(shape.item or ANYTHING, segment))
        found = shape.find(segment.name)
        if found is not None or not shape.fields:
            if found is None and shape.type in {ValueType.NUMBER, ValueType.BOOLEAN}:
                self._tell(segment, f"A {shape.type.value} has no `{segment.name[:60]}`.")
            return found or ANYTHING
        near = difflib.get_close_matches(segment.name.casefold(), [each.casefold() for each in shape.fields], 1, SLIP)
        hint = next((f"Did you mean {each}?" for each in shape.fields if near and each.casefold() == near[0]), "")
        if not shape.is_open:
            known = ", ".join(sorted(shape.fields)[:12])
            self._tell(segment, f"There is no `{segment.name[:60]}` here; there are {known}.", hint)
        elif hint:
            self._tell(segment, f"`{segment.name[:60]}` is no name that is known here.", hint, is_sure=False)
        return ANYTHING

    def _apply(self, table: Mapping[str, Function], shape: Shape, segment: Segment, frames: tuple[Shape, ...]) -> Shape:
        function = self._choose(table, shape)
        if function is None:
            taken = " or ".join(sorted(table))
            self._tell(segment, f"{segment.name}() is for {taken}; this is of type {shape.type.value}.", is_sure=False)
            return ANYTHING
        result = self._call(function, segment, frames)
        is_mapped = shape.type is ValueType.LIST and function.receiver not in {ValueType.LIST, ValueType.ANY}
        if shape.type is ValueType.LIST and segment.name in _ELEMENT:
            return shape.item or ANYTHING
        if shape.type is ValueType.LIST and segment.name in _SAME:
            return shape
        return list_of(result) if is_mapped else result

    def _choose(self, table: Mapping[str, Function], shape: Shape) -> Function | None:
        """The function that such a value gets; None when it can only give null."""
        known = [shape.item or ANYTHING] if shape.type is ValueType.LIST and ValueType.LIST not in table else [shape]
        kind = known[0].type
        if kind is ValueType.ANY:
            return next(iter(table.values()))
        if kind in table:
            return table[kind]
        found = next((table[each] for each in _BECOMES.get(kind, ()) if each in table), None)
        return found or table.get(ValueType.ANY) or table.get(ValueType.LIST)

    def _call(self, function: Function, segment: Segment, frames: tuple[Shape, ...]) -> Shape:
        given = [(each, self.find_shape(each, frames)) for each in segment.arguments or ()]
        for number, (expression, shape) in enumerate(given):
            argument = function.arguments[min(number, len(function.arguments) - 1)] if function.arguments else None
            if argument is not None and not _fits(argument, expression, shape):
                what = "a text that is none" if shape.type is ValueType.TEXT else f"of type {shape.type.value}"
                position = expression.position or segment.position
                self._tell(
                    segment,
                    f"{function.name}() takes a {argument.type.value} as `{argument.name}`; this is {what}.",
                    position=position,
                )
        return Shape(function.result)

    def _tell(
        self, segment: Segment, message: str, hint: str = "", *, is_sure: bool = True, position: int | None = None
    ) -> None:
        place = segment.position if position is None else position
        self.findings.append(Finding(place, message, hint, is_sure))


def _fits(argument: Argument, expression: Expression, shape: Shape) -> bool:
    """Whether a value can be what the function asks for."""
    if ValueType.ANY in {argument.type, shape.type} or shape.type is argument.type:
        return True
    if argument.type is ValueType.NUMBER and isinstance(expression, Literal):
        return as_number(expression.value) is not None
    if argument.type in {ValueType.NUMBER, ValueType.DATE}:
        return shape.type in {ValueType.TEXT, ValueType.NUMBER, ValueType.DATE}
    return True
