"""How smart values look into data and write it as text. Used by template.py and the functions.

Only exact types are looked into (dict, list, str, int, float, bool, datetime): no attribute of any object is ever read.
"""

from datetime import UTC, datetime
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter

MISSING: Final = object()
DATE_STEPS: Final = 8  # what writing a date takes


def look_up(value: object, name: str, meter: Meter) -> Any:  # noqa: ANN401 - data
    """Give a property; over a list (and lists in it), of each element that has it. What is not there is None."""
    if type(value) is dict:
        return look_up_in_dict(value, name, meter)
    if type(value) is list:
        meter.spend(len(value))
        found_all = [each.get(name) if type(each) is dict else None for each in value]
        if None not in found_all:
            return found_all  # the common case: each has it
        found_all = [look_up(each, name, meter) for each in value]  # also where lists stand in lists
        return [each for each in found_all if each is not None]
    return None


def look_up_in_dict(value: dict[str, Any], name: str, meter: Meter) -> Any:  # noqa: ANN401 - data
    """Give a property of an object: under its very name, as one of an issue's fields, or under a name that differs in case.

    A field of an issue can also be asked for by the name people know it by: where the issue carries `names` (as Jira gives
    them with `expand=names`), or the site was asked for them. Of several with one name, the first that has a value.
    """
    found = value.get(name, MISSING)
    if found is not MISSING:
        return found
    fields = value.get("fields")
    inner: dict[str, Any] | None = fields if type(fields) is dict and "key" in value else None
    if inner is not None and (found := inner.get(name, MISSING)) is not MISSING:
        return found
    folded = name.casefold()
    if (found := value.get(folded, MISSING)) is not MISSING:
        return found
    if inner is None:
        found = _scan(value, folded, meter, MISSING)
        return found if found is not MISSING else _look_up_by_id(value, folded, meter)
    if (found := inner.get(folded, MISSING)) is not MISSING:
        return found
    found = _scan(value, folded, meter, MISSING)
    if found is MISSING:
        found = _scan(inner, folded, meter, MISSING)
    if found is MISSING:
        found = _look_up_named(value.get("names"), inner, folded, meter)
    return found if found is not MISSING else _look_up_by_id(inner, folded, meter)


def _look_up_named(names: object, fields: dict[str, Any], folded: str, meter: Meter) -> Any:  # noqa: ANN401 - data
    if type(names) is not dict:
        return MISSING
    meter.spend(len(names) >> 3)
    for field, known in names.items():
        if type(known) is str and field in fields and known.casefold() == folded:
            return fields[field]
    return MISSING


def _look_up_by_id(fields: dict[str, Any], folded: str, meter: Meter) -> Any:  # noqa: ANN401 - data
    found = (fields.get(each) for each in meter.field_ids.get(folded, ()))
    return next((each for each in found if each is not None), None)


def _scan(place: dict[str, Any], folded: str, meter: Meter, otherwise: object) -> Any:  # noqa: ANN401 - data
    """Find a name that differs in case only."""
    meter.spend(len(place) >> 3)
    length = len(folded)
    for key, value in place.items():
        if (len(key) == length or not key.isascii()) and key.casefold() == folded:
            return value
    return otherwise


def has(value: object, name: str) -> bool:
    """Whether a dict has the property itself, under this very name."""
    return type(value) is dict and name in value


def is_true(value: object) -> bool:
    """Truth: null, false, empty text and empty list are false; everything else, 0 included, is true."""
    return not (value is None or value is False or value in ("", []))


def write_text(value: object, meter: Meter, depth: int = 0) -> str:
    """Write a value as text: lists with ", " between, dates as Jira does, objects as JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int or type(value) is float:
        meter.spend(weigh_number(value))
        return write_number(value)
    if depth > meter.depth:
        raise EvaluationError(EvaluationCode.TOO_DEEP)
    if type(value) is list:
        meter.spend(2 * len(value))
        parts = [write_text(each, meter, depth + 1) for each in value]
        meter.expect_text(sum(map(len, parts)) + 2 * len(parts))
        return ", ".join(parts)
    if isinstance(value, datetime):
        meter.spend(DATE_STEPS)
        return write_date(value)
    if type(value) is dict:
        if "statusCategory" in value and type(value.get("id")) is str:  # a status is printed as its id: ruling A14
            return str(value["id"])
        return write_json(value, meter, depth)
    return ""


def weigh_number(value: float) -> int:
    """Give the steps that writing a number takes: those of many digits take some microseconds."""
    return value.bit_length() >> 5 if type(value) is int else 1


def write_number(value: float) -> str:
    """Write a number: whole ones without a point, and never in 1e21 form below that."""
    if type(value) is int:
        if value.bit_length() > 1_024:  # noqa: PLR2004 - past a float
            raise EvaluationError(EvaluationCode.BAD_ARGUMENT)
        return str(value)
    if not isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(float(value))  # noqa: PLR2004 - as JSON does


def write_date(value: datetime) -> str:
    """Write a date as Jira Automation does: UTC, one digit of fraction, no colon in the offset."""
    utc = value.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 100_000}+0000"


def write_json(value: object, meter: Meter, depth: int = 0) -> str:
    """Write a value as JSON."""
    if depth > meter.depth:
        raise EvaluationError(EvaluationCode.TOO_DEEP)
    if type(value) is dict:
        meter.spend(1 + 3 * len(value))
        pairs = [f"{quote_json(str(key))}:{write_json(inner, meter, depth + 1)}" for key, inner in value.items()]
        meter.expect_text(sum(map(len, pairs)))
        return "{" + ",".join(pairs) + "}"
    if type(value) is list:
        meter.spend(2 * len(value))
        parts = [write_json(each, meter, depth + 1) for each in value]
        meter.expect_text(sum(map(len, parts)))
        return "[" + ",".join(parts) + "]"
    if type(value) is str:
        meter.expect_text(len(value))
        return quote_json(value)
    if value is None:
        return "null"
    text = write_text(value, meter, depth)
    return quote_json(text) if isinstance(value, datetime) else text or "null"


def escape_json(text: str) -> str:
    """Escape a text for a place between JSON quotes."""
    return encode_basestring(text)[1:-1]


def quote_json(text: str) -> str:
    """Write a text as a JSON string."""
    return encode_basestring(text)
