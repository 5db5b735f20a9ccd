"""What a template reads, told without working it out: paths, and the one text a condition asks for. Called by template.py."""

from blubees.expressions.functions import FUNCTIONS
from blubees.expressions.grammar import Expression, Literal, Node, Path, Section, Value

Names = tuple[str, ...]


def list_paths(nodes: tuple[Node, ...], *, inside: bool = True, heads: bool = True) -> list[Names]:
    """The paths that are read; `inside`: also those in the bodies of sections; `heads`: also what sections go through."""
    paths: list[Names] = []
    for node in nodes:
        if isinstance(node, Value):
            paths += _paths_of(node.expression)
            paths += _paths_of(node.default) if node.default is not None else []
        elif isinstance(node, Section):
            paths += _paths_of(node.expression) if node.expression is not None and heads else []
            paths += list_paths(node.body + node.otherwise, heads=heads) if inside else []
    return paths


def constant_path(expression: Expression) -> Names | None:
    """The names of a path without any function in it."""
    if not isinstance(expression, Path) or expression.start is not None or not expression.segments:
        return None
    plain = all(each.arguments is None and (each.quoted or each.name not in FUNCTIONS) for each in expression.segments)
    return tuple(each.name for each in expression.segments) if plain else None


def find_equality(nodes: tuple[Node, ...]) -> tuple[Names, str] | None:
    """Give (path, text) when the condition can only hold where the path's value equals the text."""
    node = nodes[0] if len(nodes) == 1 else None
    return _equality_of(node.expression) if isinstance(node, Value) and node.default is None else None


def _equality_of(expression: Expression) -> tuple[Names, str] | None:
    if not isinstance(expression, Path) or expression.start is not None or not expression.segments:
        return None
    first, last = expression.segments[0], expression.segments[-1]
    if len(expression.segments) == 1 and first.arguments is not None:
        if first.name == "and":
            return next((found for each in first.arguments if (found := _equality_of(each))), None)
        if first.name == "equals" and len(first.arguments) == 2:  # noqa: PLR2004 - two sides
            for path, literal in (first.arguments, first.arguments[::-1]):
                names = constant_path(path)
                if names and isinstance(literal, Literal) and type(literal.value) is str:
                    return names, literal.value
        return None
    if last.name == "equals" and last.arguments and len(last.arguments) == 1:
        literal = last.arguments[0]
        names = constant_path(Path(None, expression.segments[:-1]))
        if names and isinstance(literal, Literal) and type(literal.value) is str:
            return names, literal.value
    return None


def _paths_of(expression: Expression) -> list[Names]:
    """The paths an expression reads: each up to its first function."""
    if isinstance(expression, Literal):
        return []
    names: list[str] = []
    paths: list[Names] = []
    is_open = not isinstance(expression.start, Literal)  # an element's own names count as those of its section
    for segment in expression.segments:
        for argument in segment.arguments or ():
            paths += _paths_of(argument)
        is_function = segment.arguments is not None or (bool(names) and segment.name in FUNCTIONS and not segment.quoted)
        is_open = is_open and not is_function
        if is_open:
            names.append(segment.name)
    return [tuple(names), *paths] if names else paths
