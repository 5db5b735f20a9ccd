"""Writes Python for expressions and documents that are worked out often. Called by template.py and document.py.

The code is put together from our own tree: its text holds fixed words and numbered names only. Every name, text and number of
an author is a constant that the code refers to, so no text of theirs can become code. What is not common here is left to the
closures, which give the same. Source: docs/decisions/0035.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blubees.expressions import closures
from blubees.expressions.calls import apply
from blubees.expressions.conversions import are_equal
from blubees.expressions.errors import EvaluationError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.grammar import Element, Expression, Literal, Node, Path, Segment, Value
from blubees.expressions.limits import LONG_TEXT_CHARACTERS
from blubees.expressions.running import Getter
from blubees.expressions.values import MISSING, is_true, look_up, write_text

WORDS: Final[dict[str, object]] = {
    "__builtins__": {},
    "type": type,
    "str": str,
    "dict": dict,
    "list": list,
    "len": len,
    "MISSING": MISSING,
    "EMPTY": ("", []),
    "look_up": look_up,
    "is_true": is_true,
    "are_equal": are_equal,
    "write_text": write_text,
    "apply": apply,
    "place": closures.place_error,
    "EvaluationError": EvaluationError,
}
"""All that the code can name, beside `run`, `scope`, `find`, and its own constants (k0, k1, …) and values (v0, v1, …)."""
WARM_UP_TURNS: Final = 16  # how often the closures do it first: writing code takes as long as some hundred turns
SEGMENTS_MAX: Final = 1_000  # past it, the closures stay: making the code would take longer than it saves
_INDENT_MAX: Final = 40  # Python reads 100
_Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A template in a document, by its nodes; `is_value`: one value tag and nothing else, which keeps its type."""

    nodes: tuple[Node, ...]
    is_value: bool


@dataclass(frozen=True, slots=True)
class Given:
    """A template in a document that has no code: what works it out."""

    get: Getter


def generate(shape: object) -> Getter | None:
    """Make what works a document out: dicts and lists of templates and constants. None where the document is too large.

    Constant parts are shared, not rebuilt, as they are by the closures.
    """
    made = write_code(shape)
    if made is None:
        return None
    code, constants = made
    room: dict[str, Any] = dict(WORDS)
    exec(compile(code, "<smart values>", "exec"), room)  # noqa: S102 - text of ours, see above
    give: Getter = room["make"](*constants)
    return give


def write_code(shape: object) -> tuple[str, list[object]] | None:
    """Write the code and give its constants; None where it would be too much."""
    uses: dict[_Names, int] = {}
    total = 0
    for path in _list_reads(shape):
        total += len(path) + 1
        if total > SEGMENTS_MAX:
            return None
        for length in range(1, len(path) + 1):
            uses[path[:length]] = uses.get(path[:length], 0) + 1
    writer = _Writer()
    for path in sorted((path for path, count in uses.items() if count > 1), key=len):
        writer.write_path(path)
    result = writer.write_shape(shape)
    if writer.is_too_long:
        return None
    names = ", ".join(f"k{number}" for number in range(len(writer.constants)))
    head = [f"def make({names}):", " def give(run):", "  scope = run.scope"]
    return "\n".join([*head, *writer.lines, f"  return {result}", " return give"]), writer.constants


class _Writer:
    """Writes statements, in order. Values are v0, v1, constants k0, k1, and so on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: list[object] = []
        self.known: dict[_Names, str] = {}
        self.indent = 2
        self.values = 0

    @property
    def is_too_long(self) -> bool:
        return len(self.lines) > 4 * SEGMENTS_MAX

    def put(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    def new(self) -> str:
        self.values += 1
        return f"v{self.values - 1}"

    def hold(self, constant: object) -> str:
        self.constants.append(constant)
        return f"k{len(self.constants) - 1}"

    def write_shape(self, shape: object) -> str:
        """Write what gives a document; the display of dicts and lists is one expression at the end."""
        if isinstance(shape, Text):
            return self.write_value(shape.nodes[0]) if shape.is_value else self.write_text_of(shape.nodes)  # type: ignore[arg-type]
        if is_constant(shape):
            return self.hold(shape)
        made = self.new()
        if isinstance(shape, Given):
            self.put(f"{made} = {self.hold(shape.get)}(run)")
            return made
        if isinstance(shape, dict):
            pairs = ", ".join(f"{self.hold(key)}: {self.write_shape(value)}" for key, value in shape.items())
            self.put(f"{made} = {{{pairs}}}")
        else:
            items = ", ".join(self.write_shape(each) for each in shape)  # type: ignore[attr-defined]
            self.put(f"{made} = [{items}]")
        return made

    def write_text_of(self, nodes: Sequence[Node]) -> str:
        """Write what puts a text together, and looks at its size before."""
        parts: list[str] = []
        size = 0
        for node in nodes:
            if isinstance(node, str):
                size += len(node)
                parts.append(self.hold(node))
                continue
            if isinstance(node, Value):
                value, part = self.write_value(node), self.new()
                self.put(f"{part} = {value} if type({value}) is str else write_text({value}, run)")
            else:
                part = self.new()
                self.put(f"{part} = {self.hold(closures.compile_nodes((node,)))}(run)")
            parts.append(part)
        made = self.new()
        sizes = " + ".join([self.hold(size), *(f"len({part})" for part in parts if part[0] == "v")])
        self.put(f"run.expect_size({sizes})")
        self.put(f'{made} = f"{"".join(f"{{{part}}}" for part in parts)}"')
        return made

    def write_value(self, node: Value) -> str:
        value = self.write(node.expression)
        if node.default is None:
            return value
        made = self.new()
        self.put(f"{made} = {value}")
        self.put(f"if not {value} and ({value} is None or {value} in EMPTY):")
        before = self.enter()
        self.put(f"{made} = {self.write(node.default)}")
        self.leave(before)
        return made

    def write(self, expression: Expression) -> str:
        """Write what gives an expression's value, and give its name."""
        if isinstance(expression, Literal):
            return self.hold(expression.value)
        if isinstance(expression.start, Element) or (expression.start is None and not expression.segments):
            return self.embed(expression)  # of a section, whose body has no code
        if self.indent > _INDENT_MAX:
            return self.embed(expression)
        segments = expression.segments
        if expression.start is not None:
            value = self.hold(expression.start.value)
        elif segments[0].arguments is not None:
            value, segments = self.write_global(segments[0]), segments[1:]
        else:
            names = _leading_names(expression)
            value, segments = self.write_path(names), segments[len(names) :]
        for segment in segments:
            value = self.write_segment(value, segment)
        return value

    def embed(self, expression: Expression) -> str:
        made = self.new()
        self.put(f"{made} = {self.hold(closures.compile_expression(expression))}(run)")
        return made

    def write_path(self, names: _Names) -> str:
        if names in self.known:
            return self.known[names]
        name = self.hold(names[-1])
        if len(names) == 1:
            made = self.new()
            self.put(f"{made} = scope.get({name}, MISSING)")
            self.put(f"if {made} is MISSING: {made} = run.find({name})")
        else:
            base, made = self.write_path(names[:-1]), self.new()
            self.put(f"{made} = {base}.get({name}, MISSING) if type({base}) is dict else None if {base} is None else MISSING")
            self.put(f"if {made} is MISSING: {made} = look_up({base}, {name}, run)")
        self.known[names] = made
        return made

    def write_segment(self, value: str, segment: Segment) -> str:
        made, table = self.new(), None if segment.quoted else FUNCTIONS.get(segment.name)
        if segment.arguments is not None and table is not None:
            self.write_call(made, value, segment)
        elif table is None or min(each.least for each in table.values()) > 0:
            self.put(f"{made} = look_up({value}, {self.hold(segment.name)}, run)")
        else:
            self.write_bare(made, value, segment)
        return made

    def write_call(self, made: str, value: str, segment: Segment) -> None:
        table, arguments = FUNCTIONS[segment.name], segment.arguments or ()
        given = self.write_arguments(arguments)
        only = arguments[0] if len(arguments) == 1 else None
        if segment.name == "equals" and isinstance(only, Literal) and type(only.value) is str:
            self.put(f"if type({value}) is str: {made} = {value} == {self.hold(only.value)}")
            self.put("else:")
            self.put(f" {made} = apply(run, {self.hold(segment.name)}, {self.hold(table)}, {value}, {given})")
            return
        self.put("try:")
        if "text" in table:
            self.put_long_text(value)
        word = "if"
        for receiver, kind in (("text", "str"), ("list", "list")):
            if receiver in table:
                call = self.hold(table[receiver].call)
                self.put(f" {word} type({value}) is {kind}: {made} = {call}(run, {value}, {given})")
                word = "elif"
        applied = f"apply(run, {self.hold(segment.name)}, {self.hold(table)}, {value}, {given})"
        self.put(f" {made} = {applied}" if word == "if" else f" else: {made} = {applied}")
        self.put_place(segment)

    def write_bare(self, made: str, value: str, segment: Segment) -> None:
        table = FUNCTIONS[segment.name]
        otherwise = f"{self.hold(closures.compile_bare(segment))}(run, {value})"
        if "text" not in table or table["text"].least:
            self.put(f"{made} = {otherwise}")
            return
        call, nothing = self.hold(table["text"].call), self.hold(())
        self.put("try:")
        self.put_long_text(value)
        self.put(f" {made} = {call}(run, {value}, {nothing}) if type({value}) is str else {otherwise}")
        self.put_place(segment)

    def put_long_text(self, value: str) -> None:
        if value[0] == "v":
            self.put(f" if type({value}) is str and len({value}) > {LONG_TEXT_CHARACTERS}: run.spend(len({value}) >> 6)")

    def put_place(self, segment: Segment) -> None:
        self.put("except EvaluationError as error:")
        self.put(f" raise place(error, {self.hold(segment.position)}) from None")

    def write_arguments(self, arguments: Sequence[Expression]) -> str:
        if all(isinstance(each, Literal) for each in arguments):
            return self.hold(tuple(each.value for each in arguments if isinstance(each, Literal)))
        return "(" + "".join(f"{self.write(each)}, " for each in arguments) + ")"

    def write_global(self, segment: Segment) -> str:
        arguments = segment.arguments or ()
        if segment.name in {"and", "or"}:
            return self.write_chain(arguments, stops_at=segment.name == "or")
        if segment.name == "if":
            return self.write_if(arguments)
        made = self.new()
        if segment.name == "equals":
            left, right = (self.write(each) for each in arguments)
            self.put(f"if type({left}) is str and type({right}) is str: {made} = {left} == {right}")
            self.put("else:")
            self.put(f" {made} = are_equal(run, {left}, {right})")
            return made
        given = self.write_arguments(arguments)
        self.put("try:")
        self.put(f" {made} = {self.hold(GLOBALS[segment.name].call)}(run, None, {given})")
        self.put_place(segment)
        return made

    def write_chain(self, arguments: Sequence[Expression], *, stops_at: bool) -> str:
        made, test = self.new(), "if not" if stops_at else "if"
        self.put(f"{made} = {stops_at}")
        entered = []
        for argument in arguments:
            value = self.write(argument)
            self.put(f"{test} {_truth(value)}:")
            entered.append(self.enter())
        self.put(f"{made} = {not stops_at}")
        for before in reversed(entered):
            self.leave(before)
        return made

    def write_if(self, arguments: Sequence[Expression]) -> str:
        condition, made = self.write(arguments[0]), self.new()
        self.put(f"if {_truth(condition)}:")
        before = self.enter()
        self.put(f"{made} = {self.write(arguments[1]) if len(arguments) > 1 else True}")
        self.leave(before)
        self.put("else:")
        before = self.enter()
        self.put(f"{made} = {self.write(arguments[2]) if len(arguments) > 2 else None}")  # noqa: PLR2004 - the third
        self.leave(before)
        return made

    def enter(self) -> dict[_Names, str]:
        """Begin a block: what it looks up is not known behind it."""
        before, self.known = self.known, dict(self.known)
        self.indent += 1
        return before

    def leave(self, before: dict[_Names, str]) -> None:
        self.known = before
        self.indent -= 1


def is_constant(shape: object) -> bool:
    """Whether no template is in it."""
    if isinstance(shape, dict):
        return all(map(is_constant, shape.values()))
    return all(map(is_constant, shape)) if isinstance(shape, list | tuple) else not isinstance(shape, Text | Given)


def _truth(value: str) -> str:
    return f"({value} is True or ({value} is not False and is_true({value})))"


def _leading_names(expression: Path) -> _Names:
    """The names up to the first that is, or could be, a function."""
    first, *others = expression.segments
    names = [first.name]
    for segment in others:
        if segment.arguments is not None or (not segment.quoted and segment.name in FUNCTIONS):
            break
        names.append(segment.name)
    return tuple(names)


def _list_reads(shape: object) -> Iterator[_Names]:
    """Every path that a document reads; one for each call, too, so that their count bounds the code."""
    if isinstance(shape, Text):
        for node in shape.nodes:
            if isinstance(node, Value):
                yield from _list_read(node.expression)
                if node.default is not None:
                    yield from _list_read(node.default)
            else:
                yield ()
    elif isinstance(shape, dict):
        for value in shape.values():
            yield from _list_reads(value)
    elif isinstance(shape, list | tuple):
        for value in shape:
            yield from _list_reads(value)


def _list_read(expression: Expression) -> Iterator[_Names]:
    if isinstance(expression, Literal):
        return
    for segment in expression.segments:
        yield ()
        for argument in segment.arguments or ():
            yield from _list_read(argument)
    if expression.start is None and expression.segments and expression.segments[0].arguments is None:
        yield _leading_names(expression)
