"""Turns a template's tree into closures, specialised where it is common. Called by template.py."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from blubees.expressions import mathematics
from blubees.expressions.calls import apply, check_call, complain_unknown, weigh_nodes
from blubees.expressions.conversions import are_equal, as_number
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.grammar import Element, Expression, Literal, Node, Section, Segment, Value
from blubees.expressions.limits import LONG_TEXT_CHARACTERS
from blubees.expressions.paths import constant_path
from blubees.expressions.running import Getter, Run
from blubees.expressions.values import MISSING, has, is_true, look_up, look_up_in_dict, write_number, write_text

_MATH_STEPS: Final = 10  # of a block, beside two for each character


def compile_nodes(nodes: tuple[Node, ...]) -> Getter:
    """Compile to what renders text."""
    parts = [_compile_node(node) for node in nodes]

    def render(run: Run) -> str:
        texts = []
        size = 0
        for part in parts:
            text = part if type(part) is str else part(run)  # type: ignore[operator]
            size += len(text)
            texts.append(text)
            if size > run.output_characters:
                raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE)
        return "".join(texts)

    return render


def _compile_node(node: Node) -> str | Getter:
    if isinstance(node, str):
        return node
    if isinstance(node, Section):
        return _compile_section(node)
    get = compile_value(node)

    def write(run: Run) -> str:
        value = get(run)
        return value if type(value) is str else write_text(value, run)

    return write


def compile_value(node: Value) -> Getter:
    """Compile a value tag to what gives its value."""
    get = compile_expression(node.expression)
    if node.default is None:
        return get
    default = compile_expression(node.default)

    def get_or_default(run: Run) -> object:
        value = get(run)
        return default(run) if value is None or value in ("", []) else value

    return get_or_default


def _compile_section(node: Section) -> Getter:
    body = compile_nodes(node.body)
    otherwise = compile_nodes(node.otherwise)
    if node.block:
        return _compile_block(node, body)
    get = compile_expression(node.expression)  # type: ignore[arg-type]
    if node.inverse:
        return lambda run: otherwise(run) if is_true(get(run)) else body(run)
    turn_steps = 4 + weigh_nodes(node.body)

    def render(run: Run) -> object:
        value = get(run)
        if not is_true(value):
            return otherwise(run)
        if type(value) is list:
            run.spend(len(value) * turn_steps)
            return _render_list(run, value, body)
        if type(value) is not dict:
            return body(run)
        run.enter(value, 0, -1)
        try:
            return body(run)
        finally:
            run.leave()

    return render


def _render_list(run: Run, values: list[Any], body: Getter) -> str:
    texts = []
    size = 0
    count = len(values)
    for index, element in enumerate(values):
        run.enter(element, index, count)
        try:
            text = body(run)
        finally:
            run.leave()
        size += len(text)
        if size > run.output_characters:
            raise EvaluationError(EvaluationCode.OUTPUT_TOO_LARGE)
        texts.append(text)
    run.expect_text(size)
    return "".join(texts)


def _compile_block(node: Section, body: Getter) -> Getter:
    if node.block == "debug":
        return body
    if node.block == "increment":
        return lambda run: write_number(float(as_number(body(run).strip()) or 0) + 1)
    needed = [compile_value(each) for each in node.body if isinstance(each, Value)]

    def calculate(run: Run) -> str:
        for get in needed:
            value = get(run)
            if value is None or value == "":  # nothing can be worked out: ruling A16
                return ""
        text = body(run)
        run.spend(_MATH_STEPS + 2 * min(len(text), mathematics.SOURCE_MAX_CHARACTERS))
        return write_number(mathematics.evaluate(text, run.draw))

    return calculate


def compile_expression(expression: Expression) -> Getter:
    """Compile to what gives its value."""
    if isinstance(expression, Literal):
        value = expression.value
        return lambda _run: value
    names = constant_path(expression)
    if names is not None:
        return _compile_path(names)
    segments = expression.segments
    get: Getter
    if isinstance(expression.start, Element):
        get = _get_element
    elif expression.start is not None:
        value = expression.start.value
        get = lambda _run: value  # noqa: E731 - one of several getters
    elif not segments:
        return _get_element
    else:
        get, segments = _compile_root(segments)
    count = next((index for index, each in enumerate(segments) if not _is_plain(each)), len(segments))
    if count and expression.start is None and expression.segments[0].arguments is None:
        get = _compile_path(tuple(each.name for each in expression.segments[: count + 1]))
        segments = segments[count:]
    for segment in segments:
        get = _compile_segment(get, segment)
    return get


def _get_element(run: Run) -> object:
    return run.frames[-1][0] if run.frames else None


def _is_plain(segment: Segment) -> bool:
    return segment.arguments is None and (segment.quoted or segment.name not in FUNCTIONS)


def _compile_path(names: tuple[str, ...]) -> Getter:
    root, rest = names[0], names[1:]

    def follow(run: Run) -> object:
        value = run.find(root) if run.frames else run.scope.get(root, MISSING)
        if value is MISSING:
            value = run.find(root)
        for name in rest:
            if type(value) is dict:
                found = value.get(name)  # the common case, without a call
                value = found if found is not None else look_up_in_dict(value, name, run)
            elif value is None:
                return None
            else:
                value = look_up(value, name, run)
        return value

    return follow


def _compile_root(segments: tuple[Segment, ...]) -> tuple[Getter, tuple[Segment, ...]]:
    first = segments[0]
    if first.arguments is None:
        name = first.name
        return (lambda run: run.find(name)), segments[1:]
    if first.name not in GLOBALS:
        raise complain_unknown(first, GLOBALS)
    check_call(first, [GLOBALS[first.name]])
    return _compile_global(first), segments[1:]


def _compile_global(segment: Segment) -> Getter:
    """Compile a call of a global function; if, and, or leave out what need not be worked out."""
    arguments = [compile_expression(each) for each in segment.arguments or ()]
    if segment.name == "if":
        return _compile_if(arguments)
    if segment.name in {"and", "or"}:
        return _compile_chain(arguments, stops_at=segment.name == "or")
    if segment.name == "equals":
        left, right = arguments
        return lambda run: are_equal(run, left(run), right(run))
    call, position = GLOBALS[segment.name].call, segment.position

    def call_global(run: Run) -> object:
        try:
            return call(run, None, [each(run) for each in arguments])
        except EvaluationError as error:
            raise place_error(error, position) from None

    return call_global


def _compile_if(arguments: Sequence[Getter]) -> Getter:
    condition = arguments[0]
    then: Getter = arguments[1] if len(arguments) > 1 else lambda _run: True
    otherwise: Getter = arguments[2] if len(arguments) > 2 else lambda _run: None  # noqa: PLR2004 - if(condition, then, else)
    return lambda run: then(run) if is_true(condition(run)) else otherwise(run)


def _compile_chain(arguments: Sequence[Getter], *, stops_at: bool) -> Getter:
    def ask(run: Run) -> bool:
        for argument in arguments:
            value = argument(run)
            if (value if type(value) is bool else is_true(value)) is stops_at:
                return stops_at
        return not stops_at

    return ask


def _compile_segment(get: Getter, segment: Segment) -> Getter:
    name = segment.name
    table = None if segment.quoted else FUNCTIONS.get(name)
    if segment.arguments is not None:
        return _compile_call(get, segment)
    if table is None or min(each.least for each in table.values()) > 0:
        return lambda run: look_up(get(run), name, run)
    apply_bare = compile_bare(segment)
    return lambda run: apply_bare(run, get(run))


def compile_bare(segment: Segment) -> Callable[[Run, Any], Any]:
    """Compile a function's name without parentheses: a property of that name comes before it."""
    name, position, table = segment.name, segment.position, FUNCTIONS[segment.name]

    def apply_bare(run: Run, value: Any) -> object:  # noqa: ANN401 - data
        if has(value, name) or (type(value) is list and "list" not in table and any(has(each, name) for each in value)):
            return look_up(value, name, run)
        try:
            return apply(run, name, table, value, ())
        except EvaluationError as error:
            raise place_error(error, position) from None

    return apply_bare


def _compile_call(get: Getter, segment: Segment) -> Getter:
    name, position = segment.name, segment.position
    if name not in FUNCTIONS:
        raise complain_unknown(segment, FUNCTIONS)
    table = FUNCTIONS[name]
    check_call(segment, list(table.values()))
    written = segment.arguments or ()
    on_text = table["text"].call if "text" in table else None
    give = _compile_arguments(written)

    def call(run: Run) -> object:
        value = get(run)
        try:
            if type(value) is str and on_text is not None:
                if len(value) > LONG_TEXT_CHARACTERS:
                    run.spend(len(value) >> 6)
                return on_text(run, value, give(run))
            return apply(run, name, table, value, give(run))
        except EvaluationError as error:
            raise place_error(error, position) from None

    return call


def _compile_arguments(written: Sequence[Expression]) -> Getter:
    if all(isinstance(each, Literal) for each in written):
        values = tuple(each.value for each in written if isinstance(each, Literal))
        return lambda _run: values
    if len(written) == 1:
        only = compile_expression(written[0])
        return lambda run: (only(run),)
    arguments = [compile_expression(each) for each in written]
    return lambda run: [each(run) for each in arguments]


def place_error(error: EvaluationError, position: int) -> EvaluationError:
    """Say where: the innermost call that failed."""
    if error.position < 0:
        error.position = position
    return error
