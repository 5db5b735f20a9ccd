"""Cuts a connector down to what a flow needs of it: some actions and triggers, and the forms that they reach.

Called by the shelves (ConnectorShelf) and flows/versions.py: what is pinned in a published version is small.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from blubees.connectors.contract.check_schema import REFERENCE, list_action_schemas, list_references
from blubees.model.action import Action, Schema
from blubees.model.connector import Connector, ConnectorTrigger

FOR_PEOPLE: Final = frozenset(("title", "description", "example", "examples", "externalDocs", "xml", "deprecated", "$comment"))
NESTED: Final = frozenset(("items", "additionalProperties", "allOf", "anyOf", "oneOf", "prefixItems", "not"))
DEPTH_MAX: Final = 64


def trim_connector(connector: Connector, actions: Collection[str], triggers: Collection[str] = ()) -> Connector:
    """Give it with these of its actions and triggers only, the actions that those triggers use, and the forms reached.

    Examples, which are for people and tests, are left out.
    """
    chosen = {name: each for name, each in connector.triggers.items() if name in triggers}
    wanted = {*actions, *(name for each in chosen.values() for name in list_used_actions(each))}
    kept = {name: msgspec.structs.replace(each, examples=()) for name, each in connector.actions.items() if name in wanted}
    roots = [schema for each in kept.values() for _, schema in list_action_schemas(each)]
    return msgspec.structs.replace(
        connector,
        actions=kept,
        triggers=chosen,
        schemas=reach_schemas(connector.schemas, [*roots, *(each.schema for each in chosen.values())]),
        exemptions={},
    )


def pin_connector(connector: Connector) -> Connector:
    """Give it without what is for people only: what a published version pins travels to each conduit."""
    return msgspec.structs.replace(
        connector,
        description="",
        trial=None,
        actions={name: _pin_action(each) for name, each in connector.actions.items()},
        triggers={
            name: msgspec.structs.replace(each, description="", sample=None, schema=_bare(each.schema))
            for name, each in connector.triggers.items()
        },
        auth={name: msgspec.structs.replace(each, docs="", scopes={}) for name, each in connector.auth.items()},
        schemas={name: _bare(each) for name, each in connector.schemas.items()},
    )


def _pin_action(action: Action) -> Action:
    inputs = {
        name: msgspec.structs.replace(each, description="", title="", example=None, schema=_bare(each.schema))
        for name, each in action.inputs.items()
    }
    outputs = {
        name: msgspec.structs.replace(each, description="", schema=_bare(each.schema))
        for name, each in action.answer.outputs.items()
    }
    answer = msgspec.structs.replace(action.answer, outputs=outputs, schema=_bare(action.answer.schema))
    return msgspec.structs.replace(action, description="", inputs=inputs, answer=answer, examples=())


def _bare(schema: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON Schema
    """Give a form without what describes it for people. Names of properties are no words of the form."""
    if isinstance(schema, list):
        return [_bare(each, depth) for each in schema]
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return schema
    bare: dict[str, Any] = {}
    for word, value in schema.items():
        if word in {"properties", "patternProperties"} and isinstance(value, dict):
            bare[word] = {name: _bare(each, depth + 1) for name, each in value.items()}
        elif word not in FOR_PEOPLE:
            bare[word] = _bare(value, depth + 1) if word in NESTED else value
    return bare


def list_used_actions(trigger: ConnectorTrigger) -> tuple[str, ...]:
    """Give the names of the actions that a trigger uses: to poll, to take away, to register, to renew, to take it back."""
    polled = (trigger.poll.action, trigger.poll.taken_by) if trigger.poll is not None else ()
    hook = trigger.hook
    called = (hook.register, hook.unregister, hook.renew) if hook is not None else ()
    return tuple(filter(None, (*polled, *called)))


def reach_schemas(schemas: dict[str, Schema], roots: Iterable[object]) -> dict[str, Schema]:
    """Give those of the forms that are reached from some, cycles and all, in their order."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        for target in list_references(waiting.pop()):
            name = target.removeprefix(REFERENCE)
            if name not in reached and name in schemas:
                reached.add(name)
                waiting.append(schemas[name])
    return {name: schema for name, schema in schemas.items() if name in reached}
