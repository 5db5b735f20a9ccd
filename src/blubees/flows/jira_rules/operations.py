"""Operations on fields, as create, edit and transition have them. Called by actions.py."""

from collections.abc import Mapping
from typing import Any

import orjson

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import read_text
from blubees.flows.jira_rules.fields import Shape, copy_value, read_field, set_value
from blubees.flows.jira_rules.note import Note


def read_operations(
    build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the operations on fields as `fields` and `update` of Jira's REST API."""
    fields: dict[str, Any] = {}
    update: dict[str, Any] = {}
    operations = settings.get("operations")
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict):
            _read_operation(build, operation, note, prepare, (fields, update))
    _read_advanced(build, settings, note, prepare, (fields, update))
    return fields, update


def _read_operation(
    build: Build, operation: Mapping[str, Any], note: Note, prepare: list[Step], into: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    field = read_field(operation)
    word = read_text(operation.get("type"), 20).upper() or "SET"
    given = operation.get("value", operation.get("rawValue"))
    fields, update = into
    if word in {"CLEAR", "EMPTY"}:
        fields[field.id] = [] if field.is_many else None
    elif word == "COPY":
        fields[field.id] = copy_value(build, field, given if isinstance(given, dict) else {"value": read_text(given)}, note)
    elif word in {"ADD", "REMOVE"} or (isinstance(given, dict) and given.get("type") in {"ADD", "REMOVE"}):
        value = set_value(build, field, given, note, prepare)
        update.setdefault(field.id, []).extend({word.lower(): each} for each in (value if isinstance(value, list) else [value]))
    else:
        value = set_value(build, field, given, note, prepare)
        if (
            field.shape is Shape.PLAIN
            and field.id.startswith("customfield_")
            and not isinstance(value, str | int | float | list)
        ):
            note.approximate("A field was set to something of a form that is not known.", "Check the field's value.")
        fields[field.id] = value


def _read_advanced(
    build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step], into: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Fields that the rule's author wrote as JSON."""
    text = next((settings[name] for name in ("advancedFields", "additionalFields", "jsonFields") if settings.get(name)), None)
    if text is None:
        return
    try:
        document = orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError:
        raise UntranslatableError(
            "Its additional fields are JSON only once the smart values are worked out.",
            "Write the fields into the step by hand.",
        ) from None
    written = clean_document(build, document, note, prepare)
    for name, place in (("fields", into[0]), ("update", into[1])):
        inner = written.get(name) if isinstance(written, dict) else None
        place.update(inner if isinstance(inner, dict) else {})


def clean_document(build: Build, document: Any, note: Note, prepare: list[Step]) -> Any:  # noqa: ANN401 - JSON
    """A JSON document of the rule as ours, with each of its texts."""
    if isinstance(document, dict):
        return {build.clean(key, note): clean_document(build, value, note, prepare) for key, value in document.items()}
    if isinstance(document, list):
        return [clean_document(build, each, note, prepare) for each in document]
    return build.text(document, note, prepare) if isinstance(document, str) else document
