"""How a value becomes what an input's form asks for: compiled once for a form. Nothing is guessed, and nothing is lost.

Used by inputs.py. What does not fit is refused by type: never by value.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from blubees.connectors.graphql_fields import FieldsError, FieldsPlan, read_plan
from blubees.expressions.dates import read_date
from blubees.expressions.values import write_number

Convert = Callable[[Any], Any]
REFERENCE: Final = "#/schemas/"
DEPTH_MAX: Final = 6  # what stands deeper in a form is sent as it is
FOLLOWED_MAX: Final = 16
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,30}")
_BOOLEANS: Final = {"true": True, "false": False}
_FLOAT_EXACT: Final = 2**53


class MisfitError(Exception):
    """A value is not what a form asks for.

    Attributes:
        detail: `text_not_integer`: what it is, and what is expected.
    """

    def __init__(self, value: object, wanted: str, path: str = "") -> None:
        super().__init__()
        self.detail, self.path = f"{name_given(value)}_not_{wanted}", path


def name_given(value: object) -> str:
    """Name what a value is."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object", type(None): "null"}
    return "date" if isinstance(value, datetime) else names.get(type(value), "object")


def resolve_form(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and a lone `allOf`, to the form itself; an empty one where they lead round in a circle."""
    for _ in range(FOLLOWED_MAX):
        target = schema.get("$ref")
        inner = schema.get("allOf")
        if isinstance(target, str):
            schema = schemas.get(target.removeprefix(REFERENCE), {})
        elif isinstance(inner, list) and len(inner) == 1 and "type" not in schema and isinstance(inner[0], dict):
            schema = inner[0]
        else:
            return schema
    return {}


def takes_null(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether null is a value that the form takes."""
    form = resolve_form(schema, schemas)
    kinds = form.get("type")
    return form.get("nullable") is True or (isinstance(kinds, list) and "null" in kinds) or kinds == "null"


def compile_convert(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Convert | None:
    """Compile the conversion to a form; None: the value is sent as it is."""
    form = resolve_form(schema, schemas)
    plan = read_plan(form)
    if plan is not None:
        return lambda value: _write_fields(plan, value)
    kinds = form.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    named = [kind for kind in kinds if kind != "null"]
    if len(named) != 1 or depth > DEPTH_MAX:
        return None
    convert = _compile_kind(named[0], form, schemas, depth)
    if convert is None or not takes_null(form, schemas):
        return convert
    inner = convert
    return lambda value: None if value is None else inner(value)


def _compile_kind(kind: str, form: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Convert | None:
    if kind == "string":
        return {"date": to_day, "date-time": to_moment, "binary": None}.get(str(form.get("format")), to_text)
    if kind == "array":
        items = form.get("items")
        return _compile_list(compile_convert(items, schemas, depth + 1) if isinstance(items, dict) else None)
    if kind == "object":
        return _compile_object(form, schemas, depth)
    return {"integer": to_integer, "number": to_number, "boolean": to_boolean}.get(kind)


def _write_fields(plan: FieldsPlan, value: Any) -> str:
    try:
        return plan.write(to_text(value))
    except FieldsError as error:
        raise MisfitError(value, error.wanted, "".join(f".{each}" for each in error.path)) from None


def to_text(value: Any) -> str:
    """Write text, numbers, true and false, moments."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int or type(value) is float:
        return write_number(value)
    if isinstance(value, datetime):
        return write_moment(value)
    raise MisfitError(value, "text")


def to_integer(value: Any) -> int:
    """Read a whole number, also one that is written as text."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer() and abs(value) <= _FLOAT_EXACT:
        return int(value)
    if type(value) is str and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise MisfitError(value, "integer")


def to_number(value: Any) -> int | float:
    """Read a number, also one that is written as text."""
    if type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    text = value.strip() if type(value) is str else ""
    if _NUMBER.fullmatch(text):
        number = int(text) if _WHOLE.fullmatch(text) else float(text)
        if math.isfinite(number):
            return number
    raise MisfitError(value, "number")


def to_boolean(value: Any) -> bool:
    """Read true or false, also as text."""
    if type(value) is bool:
        return value
    found = _BOOLEANS.get(value.strip().lower()) if type(value) is str else None
    if found is None:
        raise MisfitError(value, "boolean")
    return found


def to_day(value: Any) -> str:
    """Give the day, in the time zone that the value names; a text that is no date stays: vendors have words such as `today`."""
    if type(value) is str and "T" not in value:
        return value
    moment = read_date(value)
    if moment is None:
        return to_text(value)
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def to_moment(value: Any) -> str:
    """Give the moment as RFC 3339 writes it; a text stays as it is written."""
    return write_moment(value) if isinstance(value, datetime) else to_text(value)


def write_moment(moment: datetime) -> str:
    """Write a moment: UTC, with milliseconds where there are some."""
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond // 1_000:03}" if utc.microsecond else ""
    return f"{utc.year:04}-{utc:%m-%dT%H:%M:%S}{fraction}Z"


def _compile_list(convert: Convert | None) -> Convert:
    def to_list(value: Any) -> list[Any]:
        items = _read_json(value, "list") if type(value) is str else value
        if not isinstance(items, list):
            raise MisfitError(value, "list")
        if convert is None:
            return items
        made = []
        for number, item in enumerate(items):
            try:
                made.append(convert(item))
            except MisfitError as error:
                error.path = f"[{number}]{error.path}"
                raise
        return made

    return to_list


def _compile_object(form: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Convert:
    inner = form.get("properties")
    known = inner if isinstance(inner, dict) else {}
    pairs = {name: compile_convert(each, schemas, depth + 1) for name, each in known.items() if isinstance(each, dict)}
    converts = tuple((name, each) for name, each in pairs.items() if each is not None)

    def to_object(value: Any) -> dict[str, Any]:
        found = _read_json(value, "object") if type(value) is str else value
        if not isinstance(found, dict):
            raise MisfitError(value, "object")
        made = dict(found)
        for name, convert in converts:
            if made.get(name) is not None:
                try:
                    made[name] = convert(made[name])
                except MisfitError as error:
                    error.path = f".{name}{error.path}"
                    raise
        return made

    return to_object


def _read_json(text: str, wanted: str) -> object:
    """Read a list or an object that is written as JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MisfitError(text, wanted) from None
