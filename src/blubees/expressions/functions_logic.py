"""The functions that stand alone: if, equals, and their like. Called through functions.py."""

from collections.abc import Sequence
from typing import Any, Final

from blubees.expressions.conversions import are_equal
from blubees.expressions.limits import Meter
from blubees.expressions.signatures import Function, function
from blubees.expressions.values import is_true


def _choose(_meter: Meter, _none: object, arguments: Sequence[Any]) -> object:
    if is_true(arguments[0]):
        return arguments[1] if len(arguments) > 1 else True
    return arguments[2] if len(arguments) > 2 else None  # noqa: PLR2004 - if(condition, then, else)


LOGIC: Final[tuple[Function, ...]] = (
    function("if(condition: any, then: any?, otherwise: any?) -> any", _choose, 'if(equals(1, 1), "yes", "no")', "yes"),
    function("equals(left: any, right: any) -> boolean", lambda m, _v, a: are_equal(m, a[0], a[1]), 'equals("1", 1)', True),
    function("not(value: any) -> boolean", lambda _m, _v, a: not is_true(a[0]), 'not("")', True),
    function("and(first: any, more: any*) -> boolean", lambda _m, _v, a: all(is_true(each) for each in a), "and(1.gt(0), 2.gt(1))", True),
    function("or(first: any, more: any*) -> boolean", lambda _m, _v, a: any(is_true(each) for each in a), "or(1.gt(2), 2.gt(1))", True),
    function("exists(value: any) -> boolean", lambda _m, _v, a: True if is_true(a[0]) or a[0] == 0 else None, 'exists("a")', True),
)  # fmt: skip
