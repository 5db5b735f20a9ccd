"""Jira's fields as automation writes them: what a field holds, how one of its values is set, and how it is compared.

Called by conditions.py and the files of actions.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import orjson

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import read_text
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.secrets import clean_text


class Shape(Enum):
    """What a field's value is: a user, something with id and name, an option with id and value, a text, a number, labels."""

    USER = "accountId"
    NAMED = "name"
    OPTION = "value"
    PLAIN = ""
    NUMBER = "number"
    LABELS = "labels"
    DOCUMENT = "document"
    ISSUE = "key"


_SYSTEM: Final = {
    "assignee": Shape.USER,
    "reporter": Shape.USER,
    "creator": Shape.USER,
    "status": Shape.NAMED,
    "issuetype": Shape.NAMED,
    "priority": Shape.NAMED,
    "project": Shape.NAMED,
    "resolution": Shape.NAMED,
    "security": Shape.NAMED,
    "components": Shape.NAMED,
    "fixversions": Shape.NAMED,
    "versions": Shape.NAMED,
    "labels": Shape.LABELS,
    "parent": Shape.ISSUE,
    "environment": Shape.DOCUMENT,
}
_CUSTOM: Final = {
    "userpicker": Shape.USER,
    "people": Shape.USER,
    "multiuserpicker": Shape.USER,
    "select": Shape.OPTION,
    "radiobuttons": Shape.OPTION,
    "multiselect": Shape.OPTION,
    "multicheckboxes": Shape.OPTION,
    "cascadingselect": Shape.OPTION,
    "float": Shape.NUMBER,
    "textarea": Shape.DOCUMENT,
    "labels": Shape.LABELS,
    "version": Shape.NAMED,
    "multiversion": Shape.NAMED,
    "project": Shape.NAMED,
}
_MANY: Final = frozenset(
    {"components", "fixversions", "versions", "labels", "multiselect", "multicheckboxes", "multiuserpicker"}
    | {"people", "multiversion"}
)
_SPELLED: Final = {
    **{name: name for name in ("summary", "description", "environment", "duedate", "timetracking")},
    "fixversions": "fixVersions",
    "issue type": "issuetype",
    "due date": "duedate",
    "fix versions": "fixVersions",
    "affects versions": "versions",
}


class Field:
    """A field that a rule names by its id or its name."""

    def __init__(self, identity: str, name: str, kind: str) -> None:
        plain = (identity or name).strip()
        short = kind.rpartition(":")[2].casefold() if kind.casefold() not in {"null", ""} else ""
        known = plain.casefold()
        self.id = _SPELLED.get(known, known if known in _SYSTEM else plain)
        self.shape = _SYSTEM.get(self.id.casefold()) or _SYSTEM.get(short) or _CUSTOM.get(short, Shape.PLAIN)
        self.is_many = self.id.casefold() in _MANY or short in _MANY

    @property
    def path(self) -> str:
        """How smart values read it, after `issue.`."""
        return f'"{self.id}"' if any(letter in self.id for letter in ".(),|") else self.id


def read_field(value: Mapping[str, Any]) -> Field:
    """Read the field of an operation or a condition.

    Raises:
        UntranslatableError: there is none.
    """
    given = value.get("field", value.get("selectedField", value.get("fieldId")))
    kind = read_text(value.get("fieldType", value.get("selectedFieldType")), 200)
    if isinstance(given, dict):
        text = read_text(given.get("value"), 200)
        by_name = read_text(given.get("type"), 20).upper() in {"NAME", "FIELDNAME"}
        field = Field("" if by_name else text, text if by_name else "", kind)
    else:
        field = Field(read_text(given, 200), "", kind)
    if not field.id or '"' in field.id or "{{" in field.id or clean_text(field.id) != field.id:
        raise UntranslatableError("It names no field in a form that is known.", "Write the step by hand.")
    return field


def set_value(build: Build, field: Field, value: object, note: Note, prepare: list[Step]) -> Any:  # noqa: ANN401 - JSON
    """Write what a field is set to, as Jira's REST API takes it."""
    if isinstance(value, list):
        return [_set_one(build, field, each, note, prepare) for each in value]
    listed = _read_listed(value)
    if listed is not None:
        return [_set_one(build, field, each, note, prepare) for each in listed]
    one = _set_one(build, field, value, note, prepare)
    return [one] if field.is_many and one is not None else one


def _set_one(build: Build, field: Field, value: object, note: Note, prepare: list[Step]) -> Any:  # noqa: ANN401 - JSON
    kind, text = read_reference(value)
    if not text and kind != "COPY":
        return None
    if kind == "COPY":
        return copy_value(build, field, value if isinstance(value, dict) else {}, note)
    written = build.text(text, note, prepare)
    if field.shape is Shape.USER:
        return {"accountId": account_of(written)}
    if field.shape in {Shape.NAMED, Shape.OPTION}:
        word = "id" if kind == "ID" else field.shape.value
        return {word: written}
    if field.shape is Shape.ISSUE:
        return {"id" if kind == "ID" and text.isdecimal() else "key": written}
    if field.shape is Shape.DOCUMENT:  # version 3 of the API takes no plain text here
        return write_adf(written)
    if field.shape is Shape.NUMBER and "{{" not in written:
        return _number(written)
    return written


def write_adf(text: str) -> dict[str, Any]:
    """A text as a document of one paragraph."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]
    return {"type": "doc", "version": 1, "content": content}


def account_of(text: str) -> str:
    """A smart value of a user as one of the user's account id."""
    stripped = text.strip()
    if (
        stripped.startswith("{{")
        and stripped.endswith("}}")
        and stripped.count("{{") == 1
        and not stripped.startswith(("{{#", "{{^"))
    ):
        inner = stripped[2:-2].strip()
        if inner.rpartition(".")[2].casefold() in {"assignee", "reporter", "creator", "initiator", "lead", "author"}:
            return "{{" + inner + ".accountId}}"
    return text


def copy_value(build: Build, field: Field, value: Mapping[str, Any], note: Note) -> str:
    """The same field of another issue: the one that the rule is about, its parent, the one that started the rule."""
    source = read_text(value.get("value"), 80).casefold() or read_text(value.get("issueToCopy"), 80).casefold() or "current"
    root = {"trigger": "triggerIssue", "parent": "issue.parent", "epic": "issue.parent"}.get(source, "issue")
    if source not in {"trigger", "parent", "epic", "current", "issue", "this"}:
        raise UntranslatableError(
            "It copies a field of an issue that is not named in a form that is known.", "Write the step by hand."
        )
    if root == "issue.parent":
        note.approximate("Of a parent, only key, summary, status, priority and type are there without asking for it.")
    return "{{" + build.path(f"{root}.{field.path}") + "}}"


def read_reference(value: object) -> tuple[str, str]:
    """Read {type, value}: how something is named (ID, NAME, SMART, FREE, COPY …), and its name."""
    if isinstance(value, dict):
        inner = value.get("value", value.get("id", value.get("name")))
        kind = read_text(value.get("type"), 40).upper()
        if isinstance(inner, dict):
            return read_reference(inner)
        return kind or ("ID" if "id" in value else "VALUE"), read_text(inner)
    text = read_text(value)
    return ("SMART" if "{{" in text else "ID" if text.isdecimal() else "VALUE"), text


def list_references(value: object) -> list[tuple[str, str]]:
    """Read one reference or several; {multiValue, value: "[…]"} as well."""
    if isinstance(value, list):
        return [each for inner in value for each in list_references(inner)]
    listed = _read_listed(value)
    if listed is not None and isinstance(value, dict):
        kind = read_text(value.get("type"), 40).upper()
        return [(kind, read_text(each)) if not isinstance(each, dict) else read_reference(each) for each in listed]
    if isinstance(value, dict) and isinstance(value.get("values"), list):
        return list_references(value["values"])
    found = read_reference(value)
    return [found] if found[1] else []


def _read_listed(value: object) -> list[Any] | None:
    """The list that stands as JSON within a text."""
    text = value.get("value") if isinstance(value, dict) else value
    if isinstance(text, list):
        return text
    if isinstance(text, str) and text.startswith("[") and text.endswith("]"):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, list) else None
    return None


def _number(text: str) -> int | float | str:
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() and len(text) < 16 else float(text[:40])  # noqa: PLR2004 - below 2^53
    except ValueError:
        return text
