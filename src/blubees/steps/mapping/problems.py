"""Why a value can't be what a field expects: its type, and the expected one; never the value. Used by this folder."""

from datetime import datetime

from blubees.connectors.rich_text.adf_schema import is_adf


class FieldError(Exception):
    """A field can't be given its value.

    Attributes:
        detail: `list_not_number` (given, expected), `missing`, or another of this folder's own words.
        path: which item of a list, as `[2]`; may be empty.
    """

    def __init__(self, detail: str, path: str = "") -> None:
        super().__init__(f"{path} {detail}".strip())
        self.detail, self.path = detail, path


def name_given(value: object) -> str:
    """Name what a value is: text, number, boolean, date, list, document (ADF), object or null."""
    if is_adf(value):
        return "document"
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object", type(None): "null"}
    return "date" if isinstance(value, datetime) else names.get(type(value), "object")


def refuse(value: object, wanted: str) -> FieldError:
    """Give the error of a value that is not of the wanted type."""
    return FieldError(f"{name_given(value)}_not_{wanted}")
