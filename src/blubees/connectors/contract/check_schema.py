"""Checks the forms of a connector: every reference leads to one of its own. Used by check.py."""

from collections.abc import Iterator
from typing import Any, Final

from blubees.connectors.contract.problems import Complaints, Place
from blubees.model.action import Action
from blubees.model.connector import Connector

REFERENCE: Final = "#/schemas/"
_VALUES: Final = frozenset(("enum", "const", "default", "example", "examples"))  # what stands there is data
_BY_NAME: Final = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs"))  # keys there are names


def check_references(connector: Connector, complaints: Complaints) -> None:
    """Check every reference in every form."""
    for place, schema in list_schemas(connector):
        for name in list_references(schema):
            if not name.startswith(REFERENCE):
                complaints.add(place, f"The reference {name[:80]!r} must be {REFERENCE}NAME: there are no others.")
            elif name.removeprefix(REFERENCE) not in connector.schemas:
                complaints.add_unknown(place, "schema", name.removeprefix(REFERENCE), connector.schemas)


def list_schemas(connector: Connector) -> Iterator[tuple[Place, object]]:
    """List all forms, with their places."""
    for name, schema in connector.schemas.items():
        yield ("schemas", name), schema
    for name, action in connector.actions.items():
        for place, form in list_action_schemas(action):
            yield ("actions", name, *place), form
    for name, trigger in connector.triggers.items():
        yield ("triggers", name, "schema"), trigger.schema


def list_action_schemas(action: Action) -> Iterator[tuple[Place, object]]:
    """List the forms of one action, with their places."""
    for name, taken in action.inputs.items():
        yield ("inputs", name, "schema"), taken.schema
    yield ("answer", "schema"), action.answer.schema
    for name, given in action.answer.outputs.items():
        yield ("answer", "outputs", name, "schema"), given.schema


def list_references(schema: object) -> Iterator[str]:
    """List the references that stand in a form, at any depth; without recursion: a form may be deep. Values are no forms."""
    waiting: list[Any] = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            target = each.get("$ref")
            if isinstance(target, str):
                yield target
            for key, value in each.items():
                if key in _BY_NAME and isinstance(value, dict):
                    waiting.extend(value.values())
                elif key not in _VALUES:
                    waiting.append(value)
        elif isinstance(each, list):
            waiting.extend(each)
