"""How a function is applied to whatever the value is: null stays null, lists are mapped over, texts converted.

Called by closures.py.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from blubees.expressions.conversions import as_number
from blubees.expressions.dates import LocalDate, read_date
from blubees.expressions.errors import EvaluationError, TemplateError
from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.grammar import Expression, Literal, Node, Section, Segment, Value
from blubees.expressions.limits import LONG_TEXT_CHARACTERS, Meter
from blubees.expressions.patterns import compile_pattern
from blubees.expressions.signatures import Function, ValueType
from blubees.expressions.values import DATE_STEPS, weigh_number, write_date, write_number

_PATTERN_FUNCTIONS: Final = frozenset({"match", "replaceAll"})
_ON_NULL: Final[dict[str, object]] = {
    "size": 0,
    "isEmpty": True,
    "isNotEmpty": False,
    "length": 0,
    "asJsonString": "null",
    "toJson": "null",
}
_COSTS: Final = {
    **{
        name: 30
        for name, table in FUNCTIONS.items()
        if name in _PATTERN_FUNCTIONS or any(ValueType.DATE in {each.receiver, each.result} for each in table.values())
    },
    **dict.fromkeys(("startOfDay", "endOfDay", "startOfMonth", "minusYears", "plusYears"), 40),
    **dict.fromkeys(("diff", "setTimeZone"), 60),
    **dict.fromkeys(("format", "asCurrency", "asPercentage"), 100),
    **dict.fromkeys(("jsonStringToObject", "xmlToJson"), 30),
}
"""Steps of a call where they are more than four: dates, numbers in words, and patterns (whose search is counted beside)."""
_READ_DATE_STEPS: Final = 16


def apply(meter: Meter, name: str, table: Mapping[str, Function], value: Any, arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - data
    """Apply a function, by the rulings."""
    kind = type(value)
    if value is None:
        return (arguments[0] is None if name == "equals" else _ON_NULL.get(name)) if arguments or name in _ON_NULL else None
    if kind is list:
        if "list" in table:
            return table["list"].call(meter, value, arguments)
        if "any" not in table or len(table) > 1:
            meter.spend(cost_of(name) * len(value))
            return [apply(meter, name, table, each, arguments) for each in value if each is not None]
    is_misfit = False
    for receiver, convert in CONVERSIONS.get(kind, ()):
        if receiver in table:
            if kind is str and len(value) > LONG_TEXT_CHARACTERS:
                meter.spend(len(value) >> 6)
            meter.spend(_weigh_conversion(kind, receiver, value))
            converted = convert(value)
            if converted is not None:
                return table[receiver].call(meter, converted, arguments)
            is_misfit = True
    if is_misfit:
        return None
    if "any" in table:
        return table["any"].call(meter, value, arguments)
    return table["list"].call(meter, [value], arguments) if "list" in table else None


def _weigh_conversion(kind: type, receiver: str, value: Any) -> int:  # noqa: ANN401 - data
    if receiver == "date":
        return _READ_DATE_STEPS if kind is str else 0
    if receiver == "number":
        return 3 if kind is str else 0
    if receiver == "text" and kind is not str:
        return weigh_number(value) if kind is int or kind is float else DATE_STEPS
    return 0


def cost_of(name: str) -> int:
    """Give the steps that a call takes on one value; half a microsecond each."""
    return _COSTS.get(name, 4)


def weigh_nodes(nodes: Sequence[Node]) -> int:
    """Give the steps that rendering these once takes, lists aside: what a section's turn is counted with."""
    steps = 0
    for node in nodes:
        if isinstance(node, Section):
            steps += 1 + weigh_nodes(node.body) + weigh_nodes(node.otherwise)
            steps += _weigh(node.expression) if node.expression is not None else 0
        elif isinstance(node, Value):
            steps += 1 + _weigh(node.expression) + (_weigh(node.default) if node.default is not None else 0)
    return steps


def _weigh(expression: Expression) -> int:
    if isinstance(expression, Literal):
        return 0
    calls = [each for each in expression.segments if each.arguments is not None or each.name in _COSTS]
    arguments = sum(_weigh(argument) for each in calls for argument in each.arguments or ())
    return (len(expression.segments) + 1 >> 1) + sum(cost_of(each.name) for each in calls) + arguments


def _keep(value: Any) -> Any:  # noqa: ANN401 - data
    return value


_NUMERIC: Final = (("number", _keep), ("text", write_number))
CONVERSIONS: Final[dict[type, tuple[tuple[str, Callable[[Any], Any]], ...]]] = {
    str: (("text", _keep), ("number", as_number), ("date", read_date)),
    int: _NUMERIC,
    float: _NUMERIC,
    bool: (("text", lambda value: "true" if value else "false"),),
    datetime: (("date", _keep), ("text", write_date)),
    LocalDate: (("date", _keep), ("text", write_date)),
    dict: (("object", _keep),),
}
"""As which receivers a value of a type can stand, and how it is made one: the first that a function has and the value can be.

Also for static.py.
"""


def check_call(segment: Segment, functions: Sequence[Function]) -> None:
    """Check how many arguments are given, and a pattern that is written out.

    Raises:
        TemplateError: with the place.
    """
    count = len(segment.arguments or ())
    least, most = min(each.least for each in functions), max(each.most for each in functions)
    if not least <= count <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        raise TemplateError(f"{segment.name}() has {count} arguments, allowed are {allowed}.", segment.position)
    first = segment.arguments[0] if segment.arguments else None
    if segment.name in _PATTERN_FUNCTIONS and isinstance(first, Literal):
        try:
            compile_pattern(str(first.value))
        except EvaluationError:
            hint = "Back references and look-around are not allowed (patterns take linear time here)."
            raise TemplateError(f"{segment.name}() has a pattern that can't be read.", first.position, hint) from None


def complain_unknown(segment: Segment, known: Mapping[str, object]) -> TemplateError:
    """Give the error for a function that is not there, with the nearest right name."""
    near = difflib.get_close_matches(segment.name, [*known, *GLOBALS], n=1)
    return TemplateError(
        f"There is no function {segment.name[:60]}().", segment.position, f"Did you mean {near[0]}()?" if near else ""
    )
