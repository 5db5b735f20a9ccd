"""What a function takes and gives, read from one line: `text.left(count: number) -> text`.

The table's rows are made with it (functions_*.py); flows/check.py and the documentation read the types.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from blubees.expressions.limits import Meter

Implementation = Callable[[Meter, Any, Sequence[Any]], Any]
REPEATS_MAX: Final = 20  # arguments of a function that takes as many as are given
_SIGNATURE: Final = re.compile(r"(?:(?P<receiver>\w+)\.)?(?P<name>\w+)\((?P<arguments>[^)]*)\) -> (?P<result>\w+)")
_ARGUMENT: Final = re.compile(r"(?P<name>\w+): (?P<type>\w+)(?P<mark>[?*]?)")


class ValueType(StrEnum):
    """What a value can be. ANY is also what a function gives whose result hangs on the data."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"
    OBJECT = "object"
    ANY = "any"


TYPES: Final[tuple[tuple[type, ValueType], ...]] = (
    (bool, ValueType.BOOLEAN),  # before int, which it is too
    (int, ValueType.NUMBER),
    (float, ValueType.NUMBER),
    (str, ValueType.TEXT),
    (list, ValueType.LIST),
    (dict, ValueType.OBJECT),
    (datetime, ValueType.DATE),
)


def find_type(value: object) -> ValueType:
    """The type of a value; ANY for null and for what is none of them."""
    return next((name for kind, name in TYPES if isinstance(value, kind)), ValueType.ANY)


def name_type(value: object) -> str:
    """Name what a value is: one of ValueType's words, or `null`."""
    return "null" if value is None else find_type(value).value


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. A value of another type is converted where that can be done; `repeats`: none or more of them may stand."""

    name: str
    type: ValueType
    optional: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        receiver: the type it is called on; None for a global one such as if().
        result: the type it gives, where it does not give null.
        call: takes the meter, the receiver and the arguments.
        example, gives: an expression and its value, executed by a test and shown in the documentation.
    """

    name: str
    receiver: ValueType | None
    arguments: tuple[Argument, ...]
    result: ValueType
    call: Implementation
    example: str
    gives: object

    @property
    def least(self) -> int:
        """How many arguments must be given."""
        return sum(not each.optional for each in self.arguments)

    @property
    def most(self) -> int:
        """How many arguments may be given."""
        return REPEATS_MAX if any(each.repeats for each in self.arguments) else len(self.arguments)

    @property
    def signature(self) -> str:
        """Its line, as the documentation shows it."""
        marks = ((each, "*" if each.repeats else "?" if each.optional else "") for each in self.arguments)
        inner = ", ".join(f"{each.name}: {each.type.value}{mark}" for each, mark in marks)
        return f"{self.name}({inner}) → {self.result.value}"


def function(signature: str, call: Implementation, example: str, gives: object) -> Function:
    """Make a row of the table from `receiver.name(argument: type, optional: type?, more: type*) -> type`.

    Raises:
        ValueError: the line is no signature.
    """
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        message = f"{signature} is no signature"
        raise ValueError(message)
    receiver = ValueType(found["receiver"]) if found["receiver"] else None
    arguments = tuple(_read_argument(each.strip()) for each in found["arguments"].split(",") if each)
    return Function(found["name"], receiver, arguments, ValueType(found["result"]), call, example, gives)


def _read_argument(text: str) -> Argument:
    found = _ARGUMENT.fullmatch(text)
    if found is None:
        message = f"{text} is no signature's argument"
        raise ValueError(message)
    return Argument(found["name"], ValueType(found["type"]), optional=found["mark"] != "", repeats=found["mark"] == "*")
