"""The functions on objects: lookup tables, and anything else that is looked into by a key that the data says.

Called through functions.py.
"""

from collections.abc import Sequence
from typing import Any, Final

from blubees.expressions.conversions import as_text
from blubees.expressions.limits import Meter
from blubees.expressions.signatures import Function, function
from blubees.expressions.values import look_up_in_dict


def _get(meter: Meter, value: dict[str, Any], arguments: Sequence[Any]) -> object:
    found = look_up_in_dict(value, as_text(meter, arguments[0]), meter)
    return arguments[1] if found is None and len(arguments) > 1 else found


def _list_entries(meter: Meter, value: dict[str, Any], _arguments: Sequence[Any]) -> list[dict[str, Any]]:
    meter.spend(len(value))
    return [{"key": key, "value": each} for key, each in value.items()]


_TABLE: Final = 'jsonStringToObject("{\\"Bug\\": \\"Ana\\"}")'

OBJECT: Final[tuple[Function, ...]] = (
    function("object.get(key: text, otherwise: any?) -> any", _get, f'{_TABLE}.get("Bug")', "Ana"),
    function("object.entries() -> list", _list_entries, f"{_TABLE}.entries()", [{"key": "Bug", "value": "Ana"}]),
)  # fmt: skip
