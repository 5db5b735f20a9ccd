"""A row's fields as columns: the same names, without the unit that names of times end in. Used by the stores beside it."""

from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

_UNIT: Final = "_milliseconds"
_Row = TypeVar("_Row", bound=msgspec.Struct)


def write_columns(row: msgspec.Struct) -> dict[str, Any]:
    """Give the value of each column."""
    return {name.removesuffix(_UNIT): value for name, value in msgspec.structs.asdict(row).items()}


def read_columns(kind: type[_Row], found: sa.RowMapping, **more: object) -> _Row:
    """Give the row. `more`: fields that are kept in another form."""
    values = {each.name: found[each.name.removesuffix(_UNIT)] for each in msgspec.structs.fields(kind)}
    return kind(**values | more)
