"""The functions on lists. Called through functions.py."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from blubees.expressions.conversions import are_equal, as_number, as_text, as_whole, calculate
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter
from blubees.expressions.signatures import Function, Implementation, function
from blubees.expressions.values import write_json, write_text

_ONLY_TEXT: Final = {str}


def _numbers(meter: Meter, values: list[Any]) -> list[int | float]:
    meter.spend(3 * len(values))
    return [number for number in (as_number(each) for each in values) if number is not None]


def _extreme(name: str, choose: Callable[[Any], Any]) -> Implementation:
    def find(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> object:
        numbers = _numbers(meter, values)
        if numbers:
            return choose(numbers)
        meter.spend(2 * len(values))
        known = [each for each in values if each is not None]
        if len({str if type(each) is str else datetime if isinstance(each, datetime) else None for each in known}) > 1:
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name)
        try:
            return choose(known) if known else None
        except TypeError:
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT, name) from None

    return find


def _sum(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> object:
    return calculate("sum", lambda: sum(_numbers(meter, values)))


def _average(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> object:
    numbers = _numbers(meter, values)
    return calculate("average", lambda: sum(numbers) / len(numbers)) if numbers else None


def _join(meter: Meter, values: list[Any], arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0]) if arguments else ", "
    meter.spend(2 * len(values))
    parts = values if {*map(type, values)} == _ONLY_TEXT else [write_text(each, meter) for each in values]
    meter.expect_text(sum(map(len, parts)) + len(mark) * len(parts))
    return mark.join(parts)


def _distinct(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> list[Any]:
    meter.spend(3 * len(values))
    seen: dict[str, Any] = {}
    for each in values:
        seen.setdefault(write_json(each, meter), each)
    return list(seen.values())


def _flatten(meter: Meter, values: list[Any], _arguments: Sequence[Any]) -> list[Any]:
    flat: list[Any] = []
    for each in values:
        meter.spend(len(each) if type(each) is list else 1)
        flat.extend(each if type(each) is list else [each])
    return flat


def _contains(meter: Meter, values: list[Any], arguments: Sequence[Any]) -> bool:
    meter.spend(5 * len(values))
    return any(are_equal(meter, each, arguments[0]) for each in values)


def _get(values: list[Any], argument: object, *, from_end: bool) -> object:
    index = as_whole(argument, "getFromEnd" if from_end else "get")
    index = len(values) - 1 - index if from_end else index
    return values[index] if 0 <= index < len(values) else None


LIST: Final[tuple[Function, ...]] = (
    function("list.size() -> number", lambda _m, v, _a: len(v), '"a,b".split(",").size()', 2),
    function("list.isEmpty() -> boolean", lambda _m, v, _a: not v, '"a".split(",").isEmpty()', False),
    function("list.isNotEmpty() -> boolean", lambda _m, v, _a: bool(v), '"a".split(",").isNotEmpty()', True),
    function("list.first() -> any", lambda _m, v, _a: v[0] if v else None, '"a,b".split(",").first()', "a"),
    function("list.last() -> any", lambda _m, v, _a: v[-1] if v else None, '"a,b".split(",").last()', "b"),
    function("list.get(index: number) -> any", lambda _m, v, a: _get(v, a[0], from_end=False), '"a,b".split(",").get(1)', "b"),
    function("list.getFromEnd(index: number) -> any", lambda _m, v, a: _get(v, a[0], from_end=True), '"a,b".split(",").getFromEnd(0)', "b"),
    function("list.join(separator: text?) -> text", _join, '"a,b".split(",").join(" + ")', "a + b"),
    function("list.distinct() -> list", _distinct, '"a,b,a".split(",").distinct()', ["a", "b"]),
    function("list.contains(value: any) -> boolean", _contains, '"a,b".split(",").contains("b")', True),
    function("list.sum() -> number", _sum, '"1,2".split(",").sum()', 3),
    function("list.average() -> number", _average, '"1,2".split(",").average()', 1.5),
    function("list.min() -> any", _extreme("min", min), '"2,1".split(",").min()', 1),
    function("list.max() -> any", _extreme("max", max), '"2,1".split(",").max()', 2),
    function("list.flatten() -> list", _flatten, '"a,b".split(",").flatten()', ["a", "b"]),
)  # fmt: skip
