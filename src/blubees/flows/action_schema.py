"""The part of a flow document's JSON Schema that tells of connectors: actions as kinds, and triggers. Used by schema.py.

Editors complete by it. Values are judged by the flow's check, which converts them as a run does: here 5 and "5" are both good.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from blubees.connectors.actions.pages import LIMIT, LIMIT_MAX
from blubees.connectors.actions.perform import CONNECTION, needs_connection
from blubees.connectors.actions.values import resolve_form
from blubees.connectors.contract.check_action import list_page_inputs
from blubees.model.action import ActionInput
from blubees.model.connector import Connector

NAME_PATTERN: Final = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"
TEMPLATE: Final = {"type": "string", "pattern": r"\{\{"}
_SCALAR: Final = ["string", "number", "boolean", "null"]


def add_connectors(definitions: dict[str, Any], connectors: Iterable[Connector]) -> None:
    """Add what connectors bring to a flow's schema; names of connectors that are not known here are allowed, too."""
    step, trigger = definitions["Step"], definitions["Trigger"]
    kinds: list[str] = []
    events: list[str] = []
    for connector in connectors:
        for name in connector.actions:
            kind = f"{connector.name}.{name}"
            if kind in step["properties"]["kind"]["enum"]:
                continue  # a kind of the book wins
            kinds.append(kind)
            definitions[f"settings.{kind}"] = _write_settings(connector, name)
            condition = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
            step["allOf"].append({"if": condition, "then": {"properties": {"with": {"$ref": f"#/$defs/settings.{kind}"}}}})
        events += [f"{connector.name}.{name}" for name in connector.triggers]
    known = {"enum": [*step["properties"]["kind"]["enum"], *kinds]}
    step["properties"]["kind"] = {"anyOf": [known, {"type": "string", "pattern": NAME_PATTERN}]}
    on = trigger["properties"]["on"]
    trigger["properties"]["on"] = {"anyOf": [on, {"enum": events}, {"type": "string", "pattern": NAME_PATTERN}]}
    del trigger["properties"]["connector"]
    trigger["properties"]["signing"] = {"type": "string", "description": "A connection of kind signing_secret."}
    trigger["properties"]["start"] = {"enum": ["now", "all"]}


def _write_settings(connector: Connector, name: str) -> dict[str, Any]:
    action = connector.actions[name]
    hidden = list_page_inputs(action)
    properties = {key: _write_input(each, connector.schemas) for key, each in action.inputs.items() if key not in hidden}
    if action.pages is not None:
        properties[LIMIT] = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}, TEMPLATE]}
    if connector.auth:
        properties[CONNECTION] = {"type": "string", "description": f"A connection to {connector.title}."}
    required = [key for key, each in action.inputs.items() if each.is_required and key not in hidden]
    return {
        "type": "object",
        "title": action.title,
        "description": action.description or action.title,
        "properties": properties,
        "required": [*required, *([CONNECTION] if needs_connection(connector, name) else [])],
        "additionalProperties": False,
    }


def _write_input(each: ActionInput, schemas: Mapping[str, Any]) -> dict[str, Any]:
    form = resolve_form(each.schema, schemas)
    kinds = form.get("type")
    named = {kind for kind in kinds if kind != "null"} if isinstance(kinds, list) else {kinds}
    rule: dict[str, Any] = {"description": each.description or each.title} if each.description or each.title else {}
    if each.example is not None and not each.is_secret:
        rule["examples"] = [each.example]
    choices = form.get("enum")
    if isinstance(choices, list):
        rule["anyOf"] = [{"enum": choices}, {"type": _SCALAR}]
    elif named == {"array"}:
        rule["anyOf"] = [{"type": ["array", "null"]}, {"type": "string"}]
    elif named == {"object"} or form.get("format") == "binary":
        rule["anyOf"] = [{"type": ["object", "null"]}, {"type": "string"}]
    elif named <= {"string", "integer", "number", "boolean"}:
        rule["type"] = _SCALAR
    return rule
