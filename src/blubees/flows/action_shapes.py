"""What is known of what an action gives, and of what a connector's trigger brings: from its forms. Used by known_shapes.py."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.connectors.actions.values import resolve_form
from blubees.expressions.shapes import ANYTHING, BOOLEAN, NUMBER, TEXT, Shape, list_of, object_of
from blubees.steps.book import ActionOf

DEPTH_MAX: Final = 8  # what stands deeper is not known: forms may be cyclic
_PLAIN: Final = {"string": TEXT, "integer": NUMBER, "number": NUMBER, "boolean": BOOLEAN}


def shape_action(of: ActionOf) -> Shape:
    """Give what is known of an action's result."""
    answer, schemas = of.action.answer, of.connector.schemas
    if answer.outputs:
        return object_of({name: shape_form(each.schema, schemas) for name, each in answer.outputs.items()}, is_open=False)
    return shape_form(answer.schema, schemas)


def shape_form(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Shape:
    """Give what a form says. An object may always have more than its form says: vendors add fields."""
    form = resolve_form(schema, schemas)
    kinds = form.get("type")
    named = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else [kinds] if isinstance(kinds, str) else []
    if depth > DEPTH_MAX or len(named) != 1:
        return ANYTHING
    if named[0] == "array":
        items = form.get("items")
        return list_of(shape_form(items, schemas, depth + 1)) if isinstance(items, dict) else list_of()
    if named[0] == "object":
        properties = form.get("properties")
        known = properties if isinstance(properties, dict) else {}
        return object_of({name: shape_form(each, schemas, depth + 1) for name, each in known.items() if isinstance(each, dict)})
    return _PLAIN.get(named[0], ANYTHING)
