"""What could stand where the cursor is: names of the data, functions of the value before it. Pure; used by `blubees try`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.expressions.errors import EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.limits import Limits
from blubees.expressions.signatures import Function, ValueType, name_type
from blubees.expressions.template import compile_template

QUICK: Final = Limits(steps=10_000, output_characters=100_000, depth=64)
FOUND_MAX: Final = 200
_PLAIN: Final = re.compile(r"[\w-]+( [\w-]+)*")
_WORD: Final = re.compile(r"[\w-]*$")
_OPENERS: Final = ("{{#", "{{^", "{{")


@dataclass(frozen=True, slots=True)
class Completion:
    """One name that could stand there.

    Attributes:
        text: what to put in place of the last `replaces` characters.
        what: its type, or the function's signature.
    """

    text: str
    replaces: int
    what: str


def complete(before: str, scope: Mapping[str, object]) -> list[Completion]:
    """List what could stand at the end of a text, at most 200.

    Args:
        before: the text up to the cursor: a template, or an expression without braces.
        scope: the data; it is read, and nothing else happens to it.
    """
    expression = _find_expression(before)
    if expression is None:
        return []
    start = _find_word(expression)
    typed, path = expression[start:], expression[:start]
    names = _list_members(_find_path(path), scope) if path.endswith(".") else _list_roots(scope)
    folded = typed.lstrip('"').casefold()
    found = [Completion(name, len(typed), what) for name, what in names if name.lstrip('"').casefold().startswith(folded)]
    return found[:FOUND_MAX]


def _find_expression(before: str) -> str | None:
    """The expression that the cursor stands in: behind the last braces that are open; the whole text when it has none."""
    start = before.rfind("{{")
    if start < 0:
        return before
    if before.rfind("}}") > start:
        return None
    opener = next(each for each in _OPENERS if before.startswith(each, start))
    return before[start + len(opener) :]


def _find_word(expression: str) -> int:
    """Where the name begins that the cursor is in: at a quote that is still open, or at its first letter."""
    if expression.count('"') % 2:
        return expression.rfind('"')
    word = _WORD.search(expression)
    return len(expression) if word is None else word.start()


def _find_path(text: str) -> str:
    """The path that ends at the last dot: back to where an argument, a default or a literal before it begins."""
    depth, position, quoted = 0, len(text) - 1, False
    while position >= 0:
        letter = text[position]
        if letter == '"':
            quoted = not quoted
        elif not quoted:
            if letter in ")]":
                depth += 1
            elif letter in "([":
                if depth == 0:
                    break
                depth -= 1
            elif letter in ",|" and depth == 0:
                break
        position -= 1
    return text[position + 1 : -1].strip()


def _list_roots(scope: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in sorted(scope):
        yield _write_name(name), name_type(scope[name])
    for function in GLOBALS.values():
        yield f"{function.name}(", function.signature


def _list_members(path: str, scope: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    try:
        value = compile_template("{{" + path + "}}").value(scope, QUICK)
    except (TemplateError, EvaluationError):
        return
    yield from _list_fields(value)
    receiver = name_type(value)
    for name, table in FUNCTIONS.items():
        for function in _choose_functions(table, receiver):
            yield (f"{name}(" if function.most else f"{name}()"), function.signature


def _list_fields(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - data
    if isinstance(value, list):
        value = next((each for each in value if isinstance(each, dict)), None)
    if not isinstance(value, dict):
        return
    inner = value.get("fields")
    for fields in (value, inner if isinstance(inner, dict) else {}):
        for name in sorted(fields):
            yield _write_name(name), name_type(fields[name])


def _choose_functions(table: Mapping[str, Function], receiver: str) -> list[Function]:
    """The function that such a value takes."""
    if receiver in table:
        return [table[receiver]]
    return [table[ValueType.ANY]] if ValueType.ANY in table and receiver != "null" else []


def _write_name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f'"{name}"'
