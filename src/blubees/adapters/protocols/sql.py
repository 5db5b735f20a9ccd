"""The statements of the SQL clients: names are quoted, values are parameters, always. Used by postgresql.py and mysql.py.

`query` and `execute` take a statement as the flow's author wrote it; the other operations take names and values only.
"""

import base64
import datetime as dt
import decimal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from blubees.adapters.protocols.call import BadArgumentError, ProtocolCall, TooLargeError, answer
from blubees.model.web import WebAnswer, WebFailure

ROWS_MAX: Final = 10_000
ROWS_DEFAULT: Final = 1_000
INSERTED_MAX: Final = 1_000
_READS: Final = frozenset({"query", "select", "tables", "columns", "ping"})
_LARGEST_EXACT: Final = 2**53
_TABLES: Final = (
    "SELECT table_schema AS schema_name, table_name AS name, table_type AS kind FROM information_schema.tables "
    "WHERE table_schema = {schema} ORDER BY 1, 2"
)
_COLUMNS: Final = (
    "SELECT column_name AS name, data_type AS type, is_nullable AS nullable, column_default AS default_value "
    "FROM information_schema.columns WHERE table_schema = {schema} AND table_name = {table} ORDER BY ordinal_position"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server writes names, parameters and what standard SQL says nothing of.

    Attributes:
        quote: around names. `numbered`: parameters are $1, $2, …; else %s.
        schema: the SQL of the schema that is looked into when none is named.
    """

    quote: str
    numbered: bool
    schema: str
    returns_rows: bool

    def name(self, name: object, argument: str) -> str:
        """Quote a name, or names with dots between."""
        if not isinstance(name, str) or not name or "\0" in name:
            raise BadArgumentError(argument, "name")
        return ".".join(f"{self.quote}{part.replace(self.quote, self.quote * 2)}{self.quote}" for part in name.split("."))

    def mark(self, number: int) -> str:
        """Write a parameter, counted from 1."""
        return f"${number}" if self.numbered else "%s"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `reads`: it may be performed where nothing can be changed; `limit`: rows that are given."""

    text: str
    values: tuple[Any, ...] = ()
    reads: bool = False
    limit: int = ROWS_MAX


class _Writer:
    """Gathers values, and writes the marks that stand for them."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect, self.values = dialect, list[Any]()

    def mark(self, value: object) -> str:
        self.values.append(value)
        return self.dialect.mark(len(self.values))

    def where(self, conditions: Mapping[str, Any], *, is_required: bool) -> str:
        """Write conditions that must all hold: equal, null, or one of a list."""
        if is_required and not conditions:
            raise BadArgumentError("where", "object with at least one column: all rows are changed by `execute` only")
        parts = []
        for column, value in conditions.items():
            name = self.dialect.name(column, "where")
            if value is None:
                parts.append(f"{name} IS NULL")
            elif isinstance(value, list):
                marks = ", ".join(self.mark(each) for each in value)
                parts.append(f"{name} IN ({marks})" if value else "1 = 0")
            else:
                parts.append(f"{name} = {self.mark(value)}")
        return f" WHERE {' AND '.join(parts)}" if parts else ""


def write_statement(call: ProtocolCall, dialect: Dialect) -> Statement:
    """Write the statement of an operation.

    Raises:
        BadArgumentError: it is unknown, or an argument is not what it takes.
    """
    make = OPERATIONS.get(call.operation)
    if make is None:
        raise BadArgumentError("operation", f"one of {', '.join(sorted(OPERATIONS))}")
    if len(call.place) != 1:
        raise BadArgumentError("path", "name of a database, then the operation")
    writer = _Writer(dialect)
    text = make(call, writer)
    limit = call.number("limit", ROWS_DEFAULT, ROWS_MAX)
    return Statement(text, tuple(writer.values), call.operation in _READS, limit)


def _write_own(call: ProtocolCall, writer: _Writer) -> str:
    parameters = call.body.get("parameters") or []
    if not isinstance(parameters, list):
        raise BadArgumentError("parameters", "list")
    writer.values += parameters
    text = call.text("sql").strip().rstrip(";")
    if not text:
        raise BadArgumentError("sql", "statement")
    return text


def _write_select(call: ProtocolCall, writer: _Writer) -> str:
    dialect = writer.dialect
    columns = ", ".join(dialect.name(each, "columns") for each in call.texts("columns")) or "*"
    text = f"SELECT {columns} FROM {dialect.name(call.body.get('table'), 'table')}"  # noqa: S608 - names are quoted
    text += writer.where(call.mapping("where"), is_required=False)
    orders = [
        f"{dialect.name(each.removeprefix('-'), 'order_by')} {'DESC' if each.startswith('-') else 'ASC'}"
        for each in call.texts("order_by")
    ]
    text += f" ORDER BY {', '.join(orders)}" if orders else ""
    limit = call.number("limit", ROWS_DEFAULT, ROWS_MAX)
    return f"{text} LIMIT {limit + 1} OFFSET {call.number('offset', 0, 2**53)}"


def _write_insert(call: ProtocolCall, writer: _Writer) -> str:
    rows = call.body.get("rows")
    listed: list[Any] = rows if isinstance(rows, list) else [rows]
    if not 1 <= len(listed) <= INSERTED_MAX or not all(isinstance(row, dict) and row for row in listed):
        raise BadArgumentError("rows", f"list of 1 to {INSERTED_MAX:,} objects")
    columns = list(dict.fromkeys(column for row in listed for column in row))
    names = ", ".join(writer.dialect.name(each, "rows") for each in columns)
    written = ", ".join(f"({', '.join(writer.mark(row.get(each)) for each in columns)})" for row in listed)
    table = writer.dialect.name(call.body.get("table"), "table")
    text = f"INSERT INTO {table} ({names}) VALUES {written}"  # noqa: S608 - names are quoted, values are parameters
    if call.operation == "insert":
        return text + _returning(writer)
    keys = call.texts("keys")
    if not keys or not set(keys) <= set(columns):
        raise BadArgumentError("keys", "list of columns that the rows have")
    changed = [each for each in columns if each not in keys] or keys
    return text + _update_on_conflict(writer.dialect, keys, changed) + _returning(writer)


def _update_on_conflict(dialect: Dialect, keys: Sequence[str], changed: Sequence[str]) -> str:
    names = [dialect.name(each, "rows") for each in changed]
    if not dialect.returns_rows:
        return f" ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in names)}"
    on = ", ".join(dialect.name(each, "keys") for each in keys)
    return f" ON CONFLICT ({on}) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in names)}"


def _write_update(call: ProtocolCall, writer: _Writer) -> str:
    values = call.mapping("values")
    if not values:
        raise BadArgumentError("values", "object with at least one column")
    dialect = writer.dialect
    changes = ", ".join(f"{dialect.name(column, 'values')} = {writer.mark(value)}" for column, value in values.items())
    text = f"UPDATE {dialect.name(call.body.get('table'), 'table')} SET {changes}"  # noqa: S608 - as above
    return text + writer.where(call.mapping("where"), is_required=True) + _returning(writer)


def _write_delete(call: ProtocolCall, writer: _Writer) -> str:
    text = f"DELETE FROM {writer.dialect.name(call.body.get('table'), 'table')}"  # noqa: S608 - as above
    return text + writer.where(call.mapping("where"), is_required=True) + _returning(writer)


def _write_call(call: ProtocolCall, writer: _Writer) -> str:
    arguments = call.body.get("arguments") or []
    if not isinstance(arguments, list):
        raise BadArgumentError("arguments", "list")
    marks = ", ".join(writer.mark(each) for each in arguments)
    name = writer.dialect.name(call.body.get("function"), "function")
    return f"SELECT * FROM {name}({marks})" if writer.dialect.returns_rows else f"CALL {name}({marks})"  # noqa: S608


def _write_tables(call: ProtocolCall, writer: _Writer) -> str:
    return _TABLES.format(schema=_schema(call, writer))


def _write_columns(call: ProtocolCall, writer: _Writer) -> str:
    schema = _schema(call, writer)
    table = writer.mark(call.text("table"))
    return _COLUMNS.format(schema=schema, table=table)


def _schema(call: ProtocolCall, writer: _Writer) -> str:
    named = call.text("schema")
    return writer.mark(named) if named else writer.dialect.schema


def _returning(writer: _Writer) -> str:
    return " RETURNING *" if writer.dialect.returns_rows else ""


def _write_ping(_call: ProtocolCall, _writer: _Writer) -> str:
    return "SELECT 1 AS one"


OPERATIONS: Final = {
    "ping": _write_ping,
    "query": _write_own,
    "execute": _write_own,
    "select": _write_select,
    "insert": _write_insert,
    "upsert": _write_insert,
    "update": _write_update,
    "delete": _write_delete,
    "call": _write_call,
    "tables": _write_tables,
    "columns": _write_columns,
}


class Found:
    """Rows as they come: more than may be given is never held."""

    def __init__(self, statement: Statement, limit_bytes: int) -> None:
        self._statement, self._limit_bytes = statement, limit_bytes
        self._rows: list[dict[str, Any]] = []
        self._size, self._has_more = 0, False

    def take(self, columns: Sequence[str], values: Iterable[Any]) -> bool:
        """Take a row; False when no more are wanted. Raises TooLargeError."""
        if len(self._rows) >= self._statement.limit and self._statement.reads:
            self._has_more = True
            return False
        row = read_row(columns, values)
        self._size += len(orjson.dumps(row))
        if self._size > self._limit_bytes or len(self._rows) >= ROWS_MAX:
            raise TooLargeError
        self._rows.append(row)
        return True

    def tell(self, changed: int, **more: object) -> WebAnswer | WebFailure:
        """Write the answer. `changed`: how many rows a statement that gives none has changed."""
        given = {"rows": self._rows, "count": len(self._rows) or changed, "has_more": self._has_more}
        return answer(200, given | more, self._limit_bytes)


def read_row(columns: Sequence[str], values: Iterable[Any]) -> dict[str, Any]:
    """Read a row as JSON has it; of columns with the same name the last one counts."""
    return {column: _read_value(value) for column, value in zip(columns, values, strict=True)}


def _read_value(value: Any) -> Any:  # noqa: ANN401 - whatever a database holds
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_EXACT else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN
    if isinstance(value, decimal.Decimal):
        return _read_decimal(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, list | tuple | set):
        return [_read_value(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _read_value(each) for name, each in value.items()}
    return str(value)


def _read_decimal(value: decimal.Decimal) -> float | int | str | None:
    """Give a number where JSON's is the same, else its digits: money is not rounded."""
    if not value.is_finite():
        return None
    whole = int(value)
    if whole == value:
        return whole if abs(whole) <= _LARGEST_EXACT else str(value)
    return float(value) if decimal.Decimal(str(float(value))) == value else str(value)
