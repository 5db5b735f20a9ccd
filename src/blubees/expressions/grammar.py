"""Reads a template into a tree. Called by expressions/template.py. The grammar: docs/smart-values.md.

By hand, since the language is a Mustache dialect with calls, names with spaces and two kinds of quotes that no library reads.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from blubees.expressions.errors import TemplateError
from blubees.expressions.limits import MARKS_MAX, PARSE_DEPTH_MAX, SOURCE_MAX_CHARACTERS

_TYPOGRAPHIC: Final = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"'})
_NUMBER: Final = re.compile(r"-?\d{1,300}(\.\d{1,300})?")
_BEHIND: Final = re.compile(r"\[(\d{1,9})\]")
_NAME_END: Final = frozenset('.(),|"')
BLOCKS: Final = frozenset({"=", "math", "increment", "debug"})


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or number as written. `position`: its offset in the template, as for all nodes."""

    value: str | int | float
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Element:
    """The element of the innermost section, where something follows its dot: `{{.toUpperCase()}}`."""

    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path: a name, and arguments where it is called. A quoted name is never a function."""

    name: str
    arguments: tuple["Expression", ...] | None
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class Path:
    """A path: segments left to right, from a root name, a literal or an element. No segment at all is the element itself."""

    start: Literal | Element | None
    segments: tuple[Segment, ...]
    position: int = field(default=0, compare=False)


Expression = Literal | Path


@dataclass(frozen=True, slots=True)
class Value:
    """A `{{expression|default}}`."""

    expression: Expression
    default: Expression | None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A `{{#…}}…{{/}}` or `{{^…}}…{{/}}`; `block` names math, increment or debug; `otherwise` follows `{{else}}`."""

    expression: Expression | None
    block: str
    inverse: bool
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]
    position: int = field(default=0, compare=False)


Node = str | Value | Section


@dataclass(slots=True)
class _Open:
    """A section whose end was not seen yet."""

    expression: Expression | None
    block: str
    inverse: bool
    position: int
    body: list[Node]
    otherwise: list[Node] | None = None

    def add(self, node: Node) -> None:
        (self.body if self.otherwise is None else self.otherwise).append(node)


def read_template(source: str) -> tuple[Node, ...]:
    """Read a template.

    Raises:
        TemplateError: with the place.
    """
    if len(source) > SOURCE_MAX_CHARACTERS:
        raise TemplateError(f"The template has {len(source)} characters, allowed are {SOURCE_MAX_CHARACTERS}.", 0)
    stack = [_Open(None, "", inverse=False, position=0, body=[])]
    position = marks = 0
    while (start := source.find("{{", position)) >= 0:
        if start > position:
            stack[-1].add(source[position:start])
        end = _find_end(source, start + 2)
        marks += 1 + sum(source.count(mark, start, end) for mark in ".,([|")
        if marks > MARKS_MAX:
            raise TemplateError(
                f"The template has more than {MARKS_MAX} tags, dots, commas, brackets and bars.", start, "Split it."
            )
        _take_tag(source[start + 2 : end].translate(_TYPOGRAPHIC), start + 2, stack)
        position = end + 2
        if source[start + 2 : start + 3] == "{" and source[position : position + 1] == "}":
            position += 1  # triple braces are read as double
    if position < len(source):
        stack[-1].add(source[position:])
    if len(stack) > 1:
        raise TemplateError("A section is not closed.", stack[-1].position, "Add {{/}}.")
    return tuple(stack[0].body)


def _find_end(source: str, position: int) -> int:
    """Find the `}}` of a tag; braces in quotes do not count."""
    quoted = False
    start = position
    while position < len(source):
        letter = source[position]
        if quoted and letter == "\\":
            position += 2
            continue
        if letter in '"\u201c\u201d\u201e':
            quoted = not quoted
        elif not quoted and source.startswith("}}", position):
            return position
        position += 1
    raise TemplateError("A {{ is not closed" + (" (an odd number of quotes?)." if quoted else "."), start - 2, "Add }}.")


def _take_tag(text: str, offset: int, stack: list[_Open]) -> None:
    if text.startswith("{"):
        text, offset = text[1:], offset + 1
    stripped = text.strip()
    place = offset + len(text) - len(text.lstrip())
    if stripped.startswith("/"):
        if len(stack) == 1:
            raise TemplateError("{{/}} closes nothing.", place, "A section begins with #, such as {{#if(…)}}.")
        done = stack.pop()
        otherwise = tuple(done.otherwise or ())
        stack[-1].add(Section(done.expression, done.block, done.inverse, tuple(done.body), otherwise, done.position))
    elif stripped == "else":
        if len(stack) == 1 or stack[-1].otherwise is not None:
            raise TemplateError("{{else}} stands in no section, or twice in one.", place)
        stack[-1].otherwise = []
    elif stripped[:1] in {"#", "^"}:
        if len(stack) > PARSE_DEPTH_MAX:
            raise TemplateError(f"Sections are nested deeper than {PARSE_DEPTH_MAX}.", place)
        inner = stripped[1:].strip()
        block = inner if inner in BLOCKS else ""
        expression = None if block else _read_whole(stripped[1:], place + 1)
        stack.append(_Open(expression, "math" if block == "=" else block, stripped[0] == "^", place, []))
    else:
        stack[-1].add(_read_value(text, offset))


def _read_value(text: str, offset: int) -> Value:
    reader = _Reader(text, offset)
    reader.peek()
    place = offset + reader.position
    expression = reader.read_expression(0)
    default = None
    if reader.peek() == "|":
        reader.position += 1
        default = reader.read_expression(0)
    reader.expect_end()
    return Value(expression, default, place)


def _read_whole(text: str, offset: int) -> Expression:
    reader = _Reader(text, offset)
    expression = reader.read_expression(0)
    reader.expect_end()
    return expression


def _get(index: int, place: int) -> Segment:
    return Segment("get", (Literal(index, place),), quoted=False, position=place)


class _Reader:
    """Reads one expression."""

    def __init__(self, text: str, offset: int) -> None:
        self.text, self.offset, self.position = text, offset, 0

    def peek(self) -> str:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def expect_end(self) -> None:
        if self.peek():
            raise self.complain("Something stands behind the expression that does not belong to it.")

    def complain(self, message: str, hint: str = "") -> TemplateError:
        return TemplateError(message, self.offset + self.position, hint)

    def read_expression(self, depth: int) -> Expression:
        if depth > PARSE_DEPTH_MAX:
            raise self.complain(f"Calls are nested deeper than {PARSE_DEPTH_MAX}.")
        first = self.peek()
        place = self.offset + self.position
        if not first:
            raise self.complain("An expression is missing.")
        start: Literal | None = None
        if first == '"':
            start = Literal(self.read_text(), place)
        elif (number := _NUMBER.match(self.text, self.position)) and self._ends_at(number.end()):
            self.position = number.end()
            start = Literal(float(number[0]) if "." in number[0] else int(number[0]), place)
        elif first == ".":
            self.position += 1
            if not self.peek() or self.peek() in ",)|":
                return Path(None, (), place)
            return Path(Element(place), tuple(self.read_segments(depth)), place)
        else:
            return Path(None, tuple(self.read_segments(depth)), place)
        if self.peek() != ".":
            return start
        self.position += 1
        return Path(start, tuple(self.read_segments(depth)), place)

    def read_segments(self, depth: int) -> list[Segment]:
        segments = self.read_segment(depth)
        while self.peek() == ".":
            self.position += 1
            segments += self.read_segment(depth)
        return segments

    def read_segment(self, depth: int) -> list[Segment]:
        """Read a segment and the `[0]` behind it, which are calls of get()."""
        first = self.peek()
        place = self.offset + self.position
        if first == '"':
            return [Segment(self.read_text(), None, quoted=True, position=place), *self.read_indices(place)]
        start = self.position
        while self.position < len(self.text) and self.text[self.position] not in _NAME_END:
            self.position += 1
        name = self.text[start : self.position].strip()
        if not name:
            raise self.complain("A name is missing.", "Write a path such as issue.summary.")
        if len(name) > 1 and name[0] == name[-1] == "'":
            raise TemplateError("Texts stand in double quotes.", place, f'Write "{name[1:-1][:60]}".')
        if self.peek() == "(":
            return [Segment(name, self.read_arguments(depth), quoted=False, position=place), *self.read_indices(place)]
        indices = []
        while (bracket := name.rfind("[")) > 0 and (found := _BEHIND.fullmatch(name, bracket)):
            name = name[:bracket].rstrip()  # a name may itself hold brackets: [CHART] Date
            indices.append(_get(int(found[1]), place))
        return [Segment(name, None, quoted=False, position=place), *reversed(indices)]

    def read_indices(self, place: int) -> list[Segment]:
        indices = []
        while self.peek() == "[" and (found := _BEHIND.match(self.text, self.position)):
            self.position = found.end()
            indices.append(_get(int(found[1]), place))
        return indices

    def read_arguments(self, depth: int) -> tuple[Expression, ...]:
        self.position += 1
        arguments: list[Expression] = []
        if self.peek() == ")":
            self.position += 1
            return ()
        while True:
            arguments.append(self.read_expression(depth + 1))
            mark = self.peek()
            self.position += 1
            if mark == ")":
                return tuple(arguments)
            if mark != ",":
                raise self.complain("A call is not closed.", "Write name(argument, argument).")

    def read_text(self) -> str:
        """Read a quoted text: a backslash escapes a quote; any other reaches functions (and their patterns) unchanged."""
        parts: list[str] = []
        self.position += 1
        while self.position < len(self.text):
            letter = self.text[self.position]
            if letter == "\\" and self.text[self.position + 1 : self.position + 2] == '"':
                parts.append('"')
                self.position += 2
                continue
            self.position += 1
            if letter == '"':
                return "".join(parts)
            parts.append(letter)
        raise self.complain('A " is not closed.')

    def _ends_at(self, position: int) -> bool:
        rest = self.text[position:].lstrip()
        return not rest or rest[0] in ",)|" or (rest[0] == "." and not rest[1:2].isdigit())
