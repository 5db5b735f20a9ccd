"""Converts what a flow is given and gives to what it says. Called for `run_flow`, and for flows that are started by hand.

A failure names the input, what was given and what is expected: never a value.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from blubees.expressions.signatures import name_type
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import TriggerKind
from blubees.model.rules import Input, InputType

CALLABLE: Final = (TriggerKind.MANUAL, TriggerKind.CALLED)  # flows that are given inputs
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")
_BOOLEANS: Final = {"true": True, "false": False}


def convert_inputs(declared: Mapping[str, Input], given: object, place: str = "inputs") -> dict[str, Any] | Failure:
    """Give every declared input, converted; a flow that declares none is given all as it is.

    Args:
        given: a mapping of names to values, or nothing.
        place: where it stands, for failures: "inputs", "with.inputs".
    """
    given = {} if given is None else given
    if not isinstance(given, dict):
        return _fail(place, f"{name_type(given)}_not_object")
    if not declared:
        return dict(given)
    if any(name not in declared for name in given):
        return _fail(place, "unknown_input")
    converted: dict[str, Any] = {}
    for name, wanted in declared.items():
        value = given.get(name)
        if value is None:
            if wanted.required and wanted.default is None:
                return _fail(f"{place}.{name}", "missing")
            converted[name] = wanted.default
            continue
        found, is_good = convert_value(wanted.type, value)
        if not is_good:
            return _fail(f"{place}.{name}", f"{name_type(value)}_not_{wanted.type.value}")
        converted[name] = found
    return converted


def split_outputs(written: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, InputType]]:
    """Give what a flow gives, by name, and the types that it says for some: `{type: number, value: "{{…}}"}`."""
    values: dict[str, Any] = {}
    types: dict[str, InputType] = {}
    for name, each in written.items():
        if is_typed(each):
            values[name], types[name] = each["value"], InputType(each["type"])
        else:
            values[name] = each
    return values, types


def is_typed(written: object) -> bool:
    """Whether an output says its type: it has `type` and `value`, and nothing else."""
    return isinstance(written, dict) and set(written) == {"type", "value"}


def convert_outputs(types: Mapping[str, InputType], given: dict[str, Any]) -> dict[str, Any] | Failure:
    """Give what a flow gives as the types that it says; null stays null."""
    converted = dict(given)
    for name, wanted in types.items():
        value = given[name]
        if value is None:
            continue
        converted[name], is_good = convert_value(wanted, value)
        if not is_good:
            detail = f"{name_type(value)}_not_{wanted.value}"
            return Failure(code=FailureCode.INPUT_INVALID, field=f"outputs.{name}", detail=detail)
    return converted


def convert_value(wanted: InputType, value: object) -> tuple[Any, bool]:
    """Give the value as the type, and whether it can be one."""
    if wanted is InputType.ANY or name_type(value) == wanted.value:
        return value, True
    if wanted is InputType.TEXT:
        return _write_text(value)
    if isinstance(value, str):
        text = value.strip()
        if wanted is InputType.NUMBER and _NUMBER.fullmatch(text):
            number = int(text) if text.lstrip("+-").isdigit() else float(text)
            return number, math.isfinite(number)
        if wanted is InputType.BOOLEAN and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()], True
    return None, False


def _write_text(value: object) -> tuple[Any, bool]:
    if isinstance(value, bool):
        return str(value).lower(), True
    if isinstance(value, datetime):
        return value.isoformat(), True
    return (str(value), True) if isinstance(value, int | float) else (None, False)


def _fail(field: str, detail: str) -> Failure:
    return Failure(code=FailureCode.INPUT_INVALID, field=field, detail=detail)
