"""How smart values look into data and write it as text. Used by template.py and the functions.

Only exact types are looked into (dict, list, str, int, float, bool, datetime): no attribute of any object is ever read.
"""

from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter

MISSING: Final = object()


def look_up(value: object, name: str, meter: Meter) -> Any:  # noqa: ANN401 - data
    """Give a property; over a list, of each element that has it. What is not there is None."""
    if type(value) is dict:
        found = value.get(name, MISSING)
        return found if found is not MISSING else _look_closer(value, name)
    if type(value) is list:
        meter.spend(len(value))
        found_all = [look_up(each, name, meter) for each in value if type(each) is not list]
        return [each for each in found_all if each is not None]
    return None


def has(value: object, name: str) -> bool:
    """Whether a dict has the property itself, under this very name."""
    return type(value) is dict and name in value


def _look_closer(value: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - data
    """An issue's fields are its own (`issue.summary`), and names ignore case."""
    fields = value.get("fields")
    inner_fields: dict[str, Any] = fields if isinstance(fields, dict) and "key" in value else {}
    if name in inner_fields:
        return inner_fields[name]
    folded = name.casefold()
    for place in (value, inner_fields):
        for key, inner in place.items():
            if key.casefold() == folded:
                return inner
    return None


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
        return write_number(value)
    if depth > meter.depth:
        raise EvaluationError(EvaluationCode.TOO_DEEP)
    if type(value) is list:
        meter.spend(len(value))
        parts = [write_text(each, meter, depth + 1) for each in value]
        meter.expect_text(sum(map(len, parts)) + 2 * len(parts))
        return ", ".join(parts)
    if type(value) is datetime:
        return write_date(value)
    if type(value) is dict:
        return write_json(value, meter, depth)
    return ""


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
        meter.spend(len(value))
        pairs = [f"{quote_json(str(key))}:{write_json(inner, meter, depth + 1)}" for key, inner in value.items()]
        meter.expect_text(sum(map(len, pairs)))
        return "{" + ",".join(pairs) + "}"
    if type(value) is list:
        meter.spend(len(value))
        parts = [write_json(each, meter, depth + 1) for each in value]
        meter.expect_text(sum(map(len, parts)))
        return "[" + ",".join(parts) + "]"
    if type(value) is str:
        return quote_json(value)
    if value is None:
        return "null"
    text = write_text(value, meter, depth)
    return quote_json(text) if type(value) is datetime else text or "null"


_ESCAPES: Final = {
    **{number: f"\\u{number:04x}" for number in range(32)},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


def escape_json(text: str) -> str:
    """Escape a text for a place between JSON quotes."""
    return text.translate(_ESCAPES)


def quote_json(text: str) -> str:
    """Write a text as a JSON string."""
    return f'"{escape_json(text)}"'
