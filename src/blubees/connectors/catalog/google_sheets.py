"""Google Sheets' hooks: rows by the names that stand above their columns. Called by connectors/actions/perform.py."""

from collections.abc import Mapping
from typing import Any

from blubees.connectors.actions.perform import CallTools
from blubees.connectors.twins import perform_action
from blubees.model.failures import Failure, FailureCode

NAME = "google_sheets"
HEADINGS_ROW = 1


async def list_named_rows(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """List the rows below the headings, each with its number and its values by heading; only those with a value, if told."""
    found = await _get_rows(given, _write_range(given), tools)
    if isinstance(found, Failure):
        return found
    headings = [str(each) for each in found[0]] if found else []
    rows: list[dict[str, Any]] = [
        {"row": HEADINGS_ROW + number, "values": _name(headings, cells)}
        for number, cells in enumerate(found[1:], start=1)
        if any(each not in {"", None} for each in cells)
    ]
    column, value = given.get("column"), given.get("value")
    if column is None or value is None:
        return rows
    if column not in headings:
        return _refuse("column", "no_such_heading")
    return [each for each in rows if str(each["values"][column]) == str(value)]


async def append_named_row(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Add a row below the last one, its values by heading."""
    cells = await _order_cells(given, "", tools)
    if isinstance(cells, Failure):
        return cells
    written = {**_keep(given), "range": _write_range(given), "rows": [cells], "entered": given.get("entered")}
    return await perform_action(NAME, "append_rows", written, tools)


async def update_named_row(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Write some values of a row by heading; the others stay, since Sheets leaves a cell alone for which null is sent."""
    cells = await _order_cells(given, None, tools)
    if isinstance(cells, Failure):
        return cells
    row = given.get("row")
    if not isinstance(row, int) or row <= HEADINGS_ROW:
        return _refuse("row", "not_below_headings")
    written = {**_keep(given), "range": _write_range(given, f"{row}:{row}"), "rows": [cells], "entered": given.get("entered")}
    return await perform_action(NAME, "update_rows", written, tools)


async def _order_cells(given: Mapping[str, Any], nothing: str | None, tools: CallTools) -> list[Any] | Failure:
    values = given.get("values")
    if not isinstance(values, dict):
        return _refuse("values", "not_object")
    found = await _get_rows(given, _write_range(given, f"{HEADINGS_ROW}:{HEADINGS_ROW}"), tools)
    if isinstance(found, Failure):
        return found
    headings = [str(each) for each in found[0]] if found else []
    if any(name not in headings for name in values):
        return _refuse("values", "no_such_heading")
    return [values.get(name, nothing) for name in headings]


async def _get_rows(given: Mapping[str, Any], where: str, tools: CallTools) -> list[Any] | Failure:
    asked = {**_keep(given), "range": where, "shown": "UNFORMATTED_VALUE", "dates": "FORMATTED_STRING"}
    found = await perform_action(NAME, "get_rows", asked, tools)
    return found if isinstance(found, Failure) else found.get("rows") or []


def _write_range(given: Mapping[str, Any], cells: str = "") -> str:
    """Write a range in A1 notation: a sheet's name in quotes, a quote in it doubled."""
    quoted = "'" + str(given.get("sheet", "")).replace("'", "''") + "'"
    return f"{quoted}!{cells}" if cells else quoted


def _name(headings: list[str], cells: list[Any]) -> dict[str, Any]:
    return {name: cells[number] if number < len(cells) else "" for number, name in enumerate(headings) if name}


def _keep(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"connection": given.get("connection"), "spreadsheet": given.get("spreadsheet")}


def _refuse(name: str, detail: str) -> Failure:
    return Failure(code=FailureCode.INPUT_INVALID, field=f"with.{name}", detail=detail)
