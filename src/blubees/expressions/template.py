"""Compiles a template once into closures, and works it out as often as needed.

Called by flows, engine and this room's document.py.
Nothing of the host is reachable: names are looked up in the scope's dicts, functions in a closed table, and data is never
read as a template.
"""

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from blubees.expressions import mathematics
from blubees.expressions.dates import read_date
from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS, Function, as_number, compile_pattern
from blubees.expressions.grammar import Expression, Literal, Node, Path, Section, Segment, Value, read_template
from blubees.expressions.limits import DEFAULT, Limits, Meter
from blubees.expressions.values import MISSING, has, is_true, look_up, write_date, write_number, write_text

Getter = Callable[["Run"], Any]
_SPECIAL: Final = frozenset({"first", "last", "_first", "_last", "index", "-index"})
_PATTERN_FUNCTIONS: Final = frozenset({"match", "replaceAll"})
_ON_NULL: Final[dict[str, object]] = {
    "size": 0,
    "isEmpty": True,
    "isNotEmpty": False,
    "length": 0,
    "asJsonString": "null",
    "toJson": "null",
}


class Run:
    """One evaluation: the scope, the elements of the sections it is in, and the meter."""

    __slots__ = ("frames", "meter", "scope")

    def __init__(self, scope: Mapping[str, object], limits: Limits) -> None:
        self.scope = scope
        self.frames: list[tuple[Any, int, int]] = []
        self.meter = Meter(limits)

    def find(self, name: str) -> Any:  # noqa: ANN401 - data
        """Find a root name: in the elements, innermost first, then in the scope."""
        if self.frames:
            for element, index, size in reversed(self.frames):
                if size >= 0 and name in _SPECIAL and (name[0] in "_-" or not has(element, name)):
                    return _tell_place(name, index, size)
                found = look_up(element, name, self.meter) if type(element) is dict else None
                if found is not None or has(element, name):
                    return found
        found = self.scope.get(name, MISSING)
        return found if found is not MISSING else look_up(dict(self.scope), name, self.meter)


def _tell_place(name: str, index: int, size: int) -> object:
    if name.endswith("index"):
        return index
    return index == 0 if name.endswith("first") else index == size - 1


class Template:
    """A compiled template. Immutable, shared between runs.

    Attributes:
        is_constant: there is no tag in it.
        is_single_expression: one value tag and nothing else: its value keeps its type.
        evaluate: works it out within a run that may go on with other templates (document.py).
        roots: the first names that it reads; `outer_roots`: those outside of sections, which can't be an element's own.
        paths: the constant paths that it reads, as far as no function stands in them; `taken`: those that are not only gone
            through by a section.
    """

    __slots__ = (
        "_nodes",
        "_parts",
        "evaluate",
        "is_constant",
        "is_single_expression",
        "outer_roots",
        "paths",
        "roots",
        "source",
        "taken",
    )

    def __init__(self, source: str, nodes: tuple[Node, ...]) -> None:
        self.source = source
        self._nodes = nodes
        self.is_constant = not nodes or (len(nodes) == 1 and isinstance(nodes[0], str))
        self.is_single_expression = len(nodes) == 1 and isinstance(nodes[0], Value)
        self._parts = _compile_nodes(nodes)
        self.evaluate: Getter = _compile_value(nodes[0]) if len(nodes) == 1 and isinstance(nodes[0], Value) else self._parts
        self.paths = frozenset(_list_paths(nodes))
        self.taken = frozenset(_list_paths(nodes, heads=False))
        self.roots = frozenset(path[0] for path in self.paths)
        self.outer_roots = frozenset(path[0] for path in _list_paths(nodes, inside=False))

    def value(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> Any:  # noqa: ANN401 - data
        """Work it out: a single expression keeps its type, everything else is text.

        Raises:
            EvaluationError: a limit, a bad argument, a bad pattern.
        """
        if self.is_constant:
            return self.source
        return guard(self.evaluate, Run(scope, limits))

    def text(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> str:
        """Work it out as text. Raises as value()."""
        return self.source if self.is_constant else str(guard(self._parts, Run(scope, limits)))

    def holds(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> bool:
        """Work it out as a condition: null, false, empty text and list, and the text "false" do not hold. Raises as value()."""
        value = self.value(scope, limits)
        return is_true(value) and not (type(value) is str and value.strip().casefold() == "false")


def compile_template(source: str) -> Template:
    """Compile a template.

    Raises:
        TemplateError: the text is not one, with the place and the nearest right name.
    """
    return Template(source, read_template(source))


def equality(template: Template) -> tuple[tuple[str, ...], str] | None:
    """Give (path, text) when the condition can only hold where the path's value equals the text.

    Reads `equals(path, "text")`, `path.equals("text")` and a conjunct of `and(…)` that is one of the two. Used to index
    conditions: the whole condition is still worked out for those that pass.
    """
    node = template._nodes[0] if template.is_single_expression else None  # noqa: SLF001 - this file's own class
    return _find_equality(node.expression) if isinstance(node, Value) and node.default is None else None


def _find_equality(expression: Expression) -> tuple[tuple[str, ...], str] | None:
    if not isinstance(expression, Path) or expression.start is not None or not expression.segments:
        return None
    first, last = expression.segments[0], expression.segments[-1]
    if len(expression.segments) == 1 and first.arguments is not None:
        if first.name == "and":
            return next((found for each in first.arguments if (found := _find_equality(each))), None)
        if first.name == "equals" and len(first.arguments) == 2:  # noqa: PLR2004 - two sides
            for path, literal in (first.arguments, first.arguments[::-1]):
                names = _constant_path(path)
                if names and isinstance(literal, Literal) and type(literal.value) is str:
                    return names, literal.value
        return None
    if last.name == "equals" and last.arguments and len(last.arguments) == 1:
        literal = last.arguments[0]
        names = _constant_path(Path(None, expression.segments[:-1]))
        if names and isinstance(literal, Literal) and type(literal.value) is str:
            return names, literal.value
    return None


def _constant_path(expression: Expression) -> tuple[str, ...] | None:
    """The names of a path without any function in it."""
    if not isinstance(expression, Path) or expression.start is not None or not expression.segments:
        return None
    plain = all(each.arguments is None and (each.quoted or each.name not in FUNCTIONS) for each in expression.segments)
    return tuple(each.name for each in expression.segments) if plain else None


def guard(get: Getter, run: Run) -> Any:  # noqa: ANN401 - data
    """Evaluate; what the interpreter itself refuses becomes an error of this language."""
    try:
        return get(run)
    except RecursionError:
        raise EvaluationError(EvaluationCode.TOO_DEEP) from None
    except (OverflowError, MemoryError):
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT) from None


def _compile_nodes(nodes: tuple[Node, ...]) -> Getter:
    parts = [_compile_node(node) for node in nodes]

    def render(run: Run) -> str:
        texts = []
        size = 0
        for part in parts:
            text = part if type(part) is str else part(run)  # type: ignore[operator]
            size += len(text)
            texts.append(text)
            if size > run.meter.output_characters:
                raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE)
        return "".join(texts)

    return render


def _compile_node(node: Node) -> str | Getter:
    if isinstance(node, str):
        return node
    if isinstance(node, Section):
        return _compile_section(node)
    get = _compile_value(node)
    return lambda run: write_text(get(run), run.meter)


def _compile_value(node: Value) -> Getter:
    get = _compile_expression(node.expression)
    if node.default is None:
        return get
    default = _compile_expression(node.default)

    def get_or_default(run: Run) -> object:
        value = get(run)
        return default(run) if value is None or value in ("", []) else value

    return get_or_default


def _compile_section(node: Section) -> Getter:
    body = _compile_nodes(node.body)
    otherwise = _compile_nodes(node.otherwise)
    if node.block:
        return _compile_block(node.block, body)
    get = _compile_expression(node.expression)  # type: ignore[arg-type]
    if node.inverse:
        return lambda run: otherwise(run) if is_true(get(run)) else body(run)

    def render(run: Run) -> object:
        value = get(run)
        if not is_true(value):
            return otherwise(run)
        if type(value) is list:
            return _render_list(run, value, body)
        if type(value) is not dict:
            return body(run)
        run.frames.append((value, 0, -1))
        try:
            return body(run)
        finally:
            run.frames.pop()

    return render


def _render_list(run: Run, values: list[Any], body: Getter) -> str:
    texts = []
    size = 0
    run.meter.spend(len(values))
    for index, element in enumerate(values):
        run.frames.append((element, index, len(values)))
        try:
            text = body(run)
        finally:
            run.frames.pop()
        size += len(text)
        run.meter.expect_text(size)
        texts.append(text)
    return "".join(texts)


def _compile_block(block: str, body: Getter) -> Getter:
    if block == "debug":
        return body
    if block == "increment":
        return lambda run: write_number(float(as_number(body(run).strip()) or 0) + 1)

    def calculate(run: Run) -> str:
        return write_number(mathematics.evaluate(body(run)))

    return calculate


def _compile_expression(expression: Expression) -> Getter:
    if isinstance(expression, Literal):
        value = expression.value
        return lambda _run: value
    names = _constant_path(expression)
    if names is not None:
        return _compile_path(names)
    segments = expression.segments
    get: Getter
    if expression.start is not None:
        value = expression.start.value
        get = lambda _run: value  # noqa: E731 - one of several getters
    elif not segments:
        return lambda run: run.frames[-1][0] if run.frames else None
    else:
        get, segments = _compile_root(segments)
    for segment in segments:
        get = _compile_segment(get, segment)
    return get


def _compile_path(names: tuple[str, ...]) -> Getter:
    root, rest = names[0], names[1:]

    def follow(run: Run) -> object:
        value = run.find(root)
        for name in rest:
            if value is None:
                return None
            found = value.get(name) if type(value) is dict else None  # the common case, without a call
            value = found if found is not None else look_up(value, name, run.meter)
        return value

    return follow


def _compile_root(segments: tuple[Segment, ...]) -> tuple[Getter, tuple[Segment, ...]]:
    first = segments[0]
    if first.arguments is None:
        name = first.name
        return (lambda run: run.find(name)), segments[1:]
    if first.name not in GLOBALS:
        raise _complain_unknown(first, GLOBALS)
    least, most, call = GLOBALS[first.name]
    _check_count(first, least, most)
    arguments = [_compile_expression(each) for each in first.arguments]
    return (lambda run: call(run.meter, [each(run) for each in arguments])), segments[1:]


def _compile_segment(get: Getter, segment: Segment) -> Getter:
    name = segment.name
    table = None if segment.quoted else FUNCTIONS.get(name)
    if segment.arguments is None:
        if table is None or min(each.least for each in table.values()) > 0:
            return lambda run: look_up(get(run), name, run.meter)
        bare = table

        def apply_bare(run: Run) -> object:
            value = get(run)
            if has(value, name) or (type(value) is list and "list" not in bare and any(has(each, name) for each in value)):
                return look_up(value, name, run.meter)
            return _apply(run.meter, name, bare, value, ())

        return apply_bare
    if table is None:
        raise _complain_unknown(segment, FUNCTIONS)
    called = table
    _check_count(segment, min(each.least for each in called.values()), max(each.most for each in called.values()))
    _check_pattern(segment)
    arguments = [_compile_expression(each) for each in segment.arguments]
    return lambda run: _apply(run.meter, name, called, get(run), [each(run) for each in arguments])


def _apply(meter: Meter, name: str, table: Mapping[str, Function], value: Any, arguments: Any) -> Any:  # noqa: ANN401 - data
    """Apply a function to whatever the value is, by the rulings: null stays null, lists are mapped over, texts converted."""
    kind = type(value)
    if value is None:
        return (arguments[0] is None if name == "equals" else _ON_NULL.get(name)) if arguments or name in _ON_NULL else None
    if kind is list:
        if "list" in table:
            return table["list"].call(meter, value, arguments)
        if "any" not in table or len(table) > 1:
            meter.spend(len(value))
            return [_apply(meter, name, table, each, arguments) for each in value if each is not None]
    for receiver, convert in _CONVERSIONS.get(kind, ()):
        if receiver in table:
            converted = convert(value)
            return None if converted is None else table[receiver].call(meter, converted, arguments)
    if "any" in table:
        return table["any"].call(meter, value, arguments)
    return table["list"].call(meter, [value], arguments) if "list" in table else None


def _keep(value: Any) -> Any:  # noqa: ANN401 - data
    return value


_NUMERIC: Final = (("number", _keep), ("text", write_number))
_CONVERSIONS: Final[dict[type, tuple[tuple[str, Callable[[Any], Any]], ...]]] = {
    str: (("text", _keep), ("number", as_number), ("date", read_date)),
    int: _NUMERIC,
    float: _NUMERIC,
    bool: (("text", lambda value: "true" if value else "false"),),
    datetime: (("date", _keep), ("text", write_date)),
}


def _check_count(segment: Segment, least: int, most: int) -> None:
    count = len(segment.arguments or ())
    if not least <= count <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        raise TemplateError(f"{segment.name}() has {count} arguments, allowed are {allowed}.", segment.position)


def _check_pattern(segment: Segment) -> None:
    first = segment.arguments[0] if segment.arguments else None
    if segment.name in _PATTERN_FUNCTIONS and isinstance(first, Literal):
        try:
            compile_pattern(str(first.value))
        except EvaluationError:
            hint = "Back references and look-around are not allowed (patterns take linear time here)."
            raise TemplateError(f"{segment.name}() has a pattern that can't be read.", segment.position, hint) from None


def _complain_unknown(segment: Segment, known: Mapping[str, object]) -> TemplateError:
    near = difflib.get_close_matches(segment.name, [*known, *GLOBALS], n=1)
    return TemplateError(
        f"There is no function {segment.name[:60]}().", segment.position, f"Did you mean {near[0]}()?" if near else ""
    )


def _list_paths(nodes: tuple[Node, ...], *, inside: bool = True, heads: bool = True) -> list[tuple[str, ...]]:
    """The paths that are read; `inside`: also those in the bodies of sections; `heads`: also what sections go through."""
    paths: list[tuple[str, ...]] = []
    for node in nodes:
        if isinstance(node, Value):
            paths += _paths_of(node.expression)
            paths += _paths_of(node.default) if node.default is not None else []
        elif isinstance(node, Section):
            paths += _paths_of(node.expression) if node.expression is not None and heads else []
            paths += _list_paths(node.body + node.otherwise, heads=heads) if inside else []
    return paths


def _paths_of(expression: Expression) -> list[tuple[str, ...]]:
    """The paths an expression reads: each up to its first function."""
    if isinstance(expression, Literal):
        return []
    names: list[str] = []
    paths: list[tuple[str, ...]] = []
    is_open = expression.start is None
    for segment in expression.segments:
        for argument in segment.arguments or ():
            paths += _paths_of(argument)
        is_function = segment.arguments is not None or (bool(names) and segment.name in FUNCTIONS and not segment.quoted)
        is_open = is_open and not is_function
        if is_open:
            names.append(segment.name)
    return [tuple(names), *paths] if names else paths
