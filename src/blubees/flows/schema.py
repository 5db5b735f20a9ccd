"""The JSON Schema of a flow document, made from the model and the step kinds.

Called by `blubees flow schema` and flows/check.py.
"""

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from blubees.flows.action_schema import add_connectors
from blubees.model.connector import Connector
from blubees.model.flow import Flow, OnError
from blubees.steps.book import KindEntry
from blubees.steps.contract import BranchRule
from blubees.steps.mapping.rule import fields_schema

TEMPLATE = {"type": "string", "pattern": r"\{\{", "description": "A smart value that gives it."}


def flow_schema(book: Mapping[str, KindEntry], connectors: Iterable[Connector] = ()) -> dict[str, Any]:
    """Make the schema (JSON Schema 2020-12): editors complete and check by it.

    Args:
        connectors: those whose actions and triggers it tells of.
    """
    _, components = msgspec.json.schema_components([Flow], ref_template="#/$defs/{name}")
    definitions: dict[str, Any] = dict(components)
    flow = definitions.pop("Flow")
    step = definitions["Step"]
    step["properties"]["kind"] = {"enum": sorted(book)}
    step["allOf"] = [_write_kind_rule(entry) for entry in book.values()]
    for entry in book.values():
        definitions[f"settings.{entry.name}"] = settings_schema(entry)
    definitions["settings.map"]["properties"]["fields"] = fields_schema()
    add_connectors(definitions, connectors)
    for definition in (flow, *definitions.values()):
        definition.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "BluBees flow",
        **flow,
        "$defs": definitions,
    }


def settings_schema(entry: KindEntry) -> dict[str, Any]:
    """Make the schema of one kind's settings: whatever is not a text may also be a smart value."""
    _, components = msgspec.json.schema_components([entry.settings], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = dict(components[entry.settings.__name__])
    schema["properties"] = {name: _allow_template(rule) for name, rule in schema.get("properties", {}).items()}
    schema["required"] = [
        each.name
        for each in dataclasses.fields(entry.settings)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    schema["additionalProperties"] = False
    schema["title"] = entry.name
    schema["description"] = inspect.cleandoc(entry.settings.__doc__ or "")
    return schema


def _allow_template(rule: Mapping[str, Any]) -> dict[str, Any]:
    rule = {name: value for name, value in rule.items() if name != "default"}
    if not rule or (rule.get("type") == "string" and set(rule) == {"type"}):
        return dict(rule)
    return {"anyOf": [rule, TEMPLATE]}


def _write_kind_rule(entry: KindEntry) -> dict[str, Any]:
    then: dict[str, Any] = {"properties": {"with": {"$ref": f"#/$defs/settings.{entry.name}"}}}
    then["required"] = ["branches"] if entry.branches is not BranchRule.NONE else []
    if entry.branches is BranchRule.NONE:  # a step has branches only to say what to do when it fails
        then["if"] = {"properties": {"on_error": {"const": OnError.BRANCH.value}}, "required": ["on_error"]}
        then["then"] = {"required": ["branches"]}
        then["else"] = {"properties": {"branches": False}}
    return {"if": {"properties": {"kind": {"const": entry.name}}, "required": ["kind"]}, "then": then}
