"""What a field can be, and how a value becomes it. Called by rule.py; docs/mappings.md is made from TYPES.

Nothing is guessed: what would lose something, or could mean two things, is refused by type.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from blubees.connectors.rich_text.adf_schema import is_adf
from blubees.connectors.rich_text.convert import TextForm
from blubees.expressions.dates import read_date
from blubees.expressions.values import write_number
from blubees.steps.mapping.problems import FieldError, refuse
from blubees.steps.mapping.texts import Reading, convert_text

_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_BOOLEANS: Final = {"true": True, "false": False}
_NUMBER_MAX_BITS: Final = 1_024  # past a float's range
_CHILDREN_MAX: Final = 2

Convert = Callable[[Any, Reading], Any]


@dataclass(frozen=True, slots=True)
class FieldType:
    """One type: what it takes and gives, in words, and examples that a test executes.

    Attributes:
        examples: (value, what comes of it).
        refused: (value, the detail of the failure).
    """

    convert: Convert
    takes: str
    gives: str
    examples: tuple[tuple[Any, Any], ...]
    refused: tuple[tuple[Any, str], ...]


def to_any(value: Any, _reading: Reading) -> Any:  # noqa: ANN401 - any value
    """Leave it."""
    return value


def to_text(value: Any, _reading: Reading) -> str:  # noqa: ANN401 - see above
    """Write text, numbers, true and false, dates; a document as plain text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if _is_number(value):
        return write_number(value)
    if isinstance(value, datetime):
        return write_moment(value)
    if is_adf(value):
        return str(convert_text(value, TextForm.PLAIN, Reading(), "text"))
    raise refuse(value, "text")


def to_number(value: Any, _reading: Reading) -> float:  # noqa: ANN401 - see above
    """Read a number, also one that is written as text."""
    if _is_number(value):
        return float(value) if isinstance(value, float) else int(value)
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text):
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
        if math.isfinite(number):
            return number
    raise refuse(value, "number")


def to_boolean(value: Any, _reading: Reading) -> bool:  # noqa: ANN401 - see above
    """Read true or false, also as text."""
    found = value if isinstance(value, bool) else _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise refuse(value, "boolean")
    return bool(found)


def to_date(value: Any, _reading: Reading) -> str:  # noqa: ANN401 - see above
    """Give the day, in the time zone that the value names."""
    moment = read_date(value) if isinstance(value, str | datetime) else None
    if moment is None:
        raise refuse(value, "date")
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def to_datetime(value: Any, _reading: Reading) -> str:  # noqa: ANN401 - see above
    """Give the moment as Jira takes it: UTC, in milliseconds."""
    moment = read_date(value) if isinstance(value, str | datetime) else None
    if moment is None:
        raise refuse(value, "datetime")
    try:
        return write_moment(moment)
    except OverflowError:  # the year 0 or 10,000 in UTC
        raise refuse(value, "datetime") from None


def write_moment(moment: datetime) -> str:
    """Write a moment as Jira takes it."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04}-{utc:%m-%dT%H:%M:%S}.{utc.microsecond // 1_000:03}+0000"


def to_user(value: Any, _reading: Reading) -> dict[str, str]:  # noqa: ANN401 - see above
    """Give a person by account id. An address is not one: look the person up first."""
    account = value.get("accountId") if isinstance(value, dict) else value
    if isinstance(account, str) and _ACCOUNT.fullmatch(account):
        return {"accountId": account}
    raise FieldError("email_not_user") if isinstance(account, str) and "@" in account else refuse(value, "user")


def to_option(value: Any, _reading: Reading) -> dict[str, Any]:  # noqa: ANN401 - see above
    """Give an option of a select field: by its value, or by the id that an option object has. A child goes with it."""
    if isinstance(value, dict):
        own = next(({name: value[name]} for name in ("id", "value") if _is_word(value.get(name))), None)
        if own is None:
            raise refuse(value, "option")
        child = value.get("child")
        return {name: str(text) for name, text in own.items()} | (
            {"child": to_option(child, _reading)} if child is not None else {}
        )
    return {"value": _to_word(value, "option")}


def to_option_id(value: Any, _reading: Reading) -> dict[str, str]:  # noqa: ANN401 - see above
    """Give an option, a priority, a version … by its id."""
    return {"id": _to_word(value.get("id") if isinstance(value, dict) and "id" in value else value, "option_id")}


def to_named(value: Any, _reading: Reading) -> dict[str, str]:  # noqa: ANN401 - see above
    """Give what Jira knows by name: a priority, a component, a version, an issue type."""
    return {"name": _to_word(value.get("name") if isinstance(value, dict) and "name" in value else value, "named")}


def to_cascading(value: Any, reading: Reading) -> dict[str, Any]:  # noqa: ANN401 - see above
    """Give an option of a cascading select field, of [parent, child] or of such a field's value."""
    if isinstance(value, list) and 1 <= len(value) <= _CHILDREN_MAX:
        parent = {"value": _to_word(value[0], "cascading")}
        return parent | ({"child": {"value": _to_word(value[1], "cascading")}} if len(value) > 1 else {})
    if isinstance(value, list):
        raise refuse(value, "cascading")
    return to_option(value, reading)


def to_rich_text(value: Any, reading: Reading) -> Any:  # noqa: ANN401 - see above
    """Give an ADF document."""
    return convert_text(value, TextForm.ADF, reading, "rich_text")


def to_markdown(value: Any, reading: Reading) -> Any:  # noqa: ANN401 - see above
    """Give Markdown."""
    return convert_text(value, TextForm.MARKDOWN, reading, "markdown")


def to_html(value: Any, reading: Reading) -> Any:  # noqa: ANN401 - see above
    """Give HTML."""
    return convert_text(value, TextForm.HTML, reading, "html")


def to_plain_text(value: Any, reading: Reading) -> Any:  # noqa: ANN401 - see above
    """Give plain text."""
    return convert_text(value, TextForm.PLAIN, reading, "plain_text")


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _NUMBER_MAX_BITS


def _is_word(value: object) -> bool:
    return value != "" if isinstance(value, str) else isinstance(value, int) and _is_number(value)


def _to_word(value: Any, wanted: str) -> str:  # noqa: ANN401 - see above
    if isinstance(value, bool) or not _is_word(value):
        raise refuse(value, wanted)
    return str(value)


_DOCUMENT: Final = {
    "version": 1,
    "type": "doc",
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "hi"}]}],
}
TYPES: Final[dict[str, FieldType]] = {
    "any": FieldType(to_any, "anything", "the same", (({"a": [1]}, {"a": [1]}),), ()),
    "text": FieldType(
        to_text,
        "text, number, boolean, date, document",
        "text; a document as plain text",
        (("a", "a"), (3.0, "3"), (True, "true"), (_DOCUMENT, "hi")),
        ((["a"], "list_not_text"), ({"name": "a"}, "object_not_text")),
    ),
    "number": FieldType(
        to_number,
        "number, text that is one",
        "number",
        ((3, 3), (" 3.5 ", 3.5), ("-2", -2), ("1e3", 1000.0)),
        (("3 points", "text_not_number"), (True, "boolean_not_number"), ([3], "list_not_number")),
    ),
    "boolean": FieldType(
        to_boolean,
        "boolean, the texts true and false",
        "boolean",
        ((True, True), ("False", False)),
        (("yes", "text_not_boolean"), (1, "number_not_boolean")),
    ),
    "date": FieldType(
        to_date,
        "date, text in ISO 8601",
        "the day, in the value's own time zone",
        (("2026-11-24", "2026-11-24"), ("2026-11-24T23:30:00+0200", "2026-11-24")),
        (("tomorrow", "text_not_date"), (1795000000000, "number_not_date")),
    ),
    "datetime": FieldType(
        to_datetime,
        "date, text in ISO 8601 (no zone: UTC)",
        "the moment, in UTC, as Jira takes it",
        (
            ("2026-11-24", "2026-11-24T00:00:00.000+0000"),
            ("2026-11-24T23:30:00.25+02:00", "2026-11-24T21:30:00.250+0000"),
        ),
        (("24.11.2026", "text_not_datetime"),),
    ),
    "user": FieldType(
        to_user,
        "account id, user object",
        "the person by account id",
        (
            ("5b10ac8d82e05b22cc7d4ef5", {"accountId": "5b10ac8d82e05b22cc7d4ef5"}),
            ({"accountId": "a:1", "active": True}, {"accountId": "a:1"}),
        ),
        (("ann@example.com", "email_not_user"), ({"displayName": "Ann"}, "object_not_user"), ("Ann Lee", "text_not_user")),
    ),
    "option": FieldType(
        to_option,
        "text, number, option object",
        "an option of a select field",
        (
            ("Red", {"value": "Red"}),
            ({"id": "10", "value": "Red"}, {"id": "10"}),
            ({"value": "A", "child": {"value": "B"}}, {"value": "A", "child": {"value": "B"}}),
        ),
        ((["Red"], "list_not_option"), (True, "boolean_not_option")),
    ),
    "option_id": FieldType(
        to_option_id,
        "id, object with an id",
        "an option, priority, version … by its id",
        (("3", {"id": "3"}), (3, {"id": "3"}), ({"id": "3", "name": "High"}, {"id": "3"})),
        ((None, "null_not_option_id"),),
    ),
    "named": FieldType(
        to_named,
        "name, object with a name",
        "a priority, component, version, issue type … by its name",
        (("High", {"name": "High"}), ({"id": "3", "name": "High"}, {"name": "High"})),
        (({"id": "3"}, "object_not_named"),),
    ),
    "cascading": FieldType(
        to_cascading,
        "[parent, child], text, option object",
        "an option of a cascading select field",
        ((["EU", "Vienna"], {"value": "EU", "child": {"value": "Vienna"}}), ("EU", {"value": "EU"})),
        ((["a", "b", "c"], "list_not_cascading"),),
    ),
    "rich_text": FieldType(
        to_rich_text,
        "document, text as `reads` says",
        "an ADF document, as Jira's long texts and comments are",
        (("hi", _DOCUMENT), (_DOCUMENT, _DOCUMENT)),
        (
            (3, "number_not_rich_text"),
            ({"type": "doc"}, "object_not_rich_text"),
            ({"version": 1, "type": "doc", "content": [{}]}, "not_adf"),
        ),
    ),
    "markdown": FieldType(
        to_markdown,
        "document, text as `reads` says",
        "Markdown",
        ((_DOCUMENT, "hi"), ("a*b", "a\\*b")),
        (([], "list_not_markdown"),),
    ),
    "html": FieldType(
        to_html,
        "document, text as `reads` says",
        "HTML",
        ((_DOCUMENT, "<p>hi</p>"), ("a<b", "<p>a&lt;b</p>")),
        (([], "list_not_html"),),
    ),
    "plain_text": FieldType(
        to_plain_text,
        "document, text as `reads` says",
        "plain text",
        ((_DOCUMENT, "hi"), ("a", "a")),
        ((3, "number_not_plain_text"),),
    ),
}
"""All types, by the name that `as` gives."""
