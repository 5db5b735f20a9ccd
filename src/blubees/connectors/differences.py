"""What another import changes, by action, and what of it may break a step. Called by main/import_worker.py and operations.

Types are compared by the words that people see (`text`, `list of text`): a form that describes the same better is no change.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from blubees.connectors.contract.check_schema import REFERENCE
from blubees.model.action import Action, ActionInput, Schema
from blubees.model.connector import Connector
from blubees.ports import ActionChange

ADDED: Final = "added"
REMOVED: Final = "removed"
INPUT_ADDED: Final = "input_added"
INPUT_REQUIRED: Final = "input_required"
INPUT_OPTIONAL: Final = "input_optional"
INPUT_REMOVED: Final = "input_removed"
INPUT_TYPE: Final = "input_type"
OUTPUT_ADDED: Final = "output_added"
OUTPUT_REMOVED: Final = "output_removed"
OUTPUT_TYPE: Final = "output_type"
EFFECT: Final = "effect"
AUTH: Final = "auth"
REQUEST: Final = "request"
PAGES: Final = "pages"
TOOL: Final = "tool"
DEPRECATED: Final = "deprecated"
TRIGGER_ADDED: Final = "trigger_added"
TRIGGER_REMOVED: Final = "trigger_removed"
MAY_BREAK: Final = frozenset({REMOVED, INPUT_REQUIRED, INPUT_REMOVED, INPUT_TYPE, OUTPUT_REMOVED, OUTPUT_TYPE, TRIGGER_REMOVED})
"""Changes after which a step that is as before may be wrong."""
OUTPUTS_MAX: Final = 300
STRUCTURED: Final = "structured"
"""Of what a tool of an MCP server gives: what has a form of its own (connectors/mcp/tool_call.py)."""
_WORDS: Final = {"string": "text", "array": "list"}
_HOPS_MAX: Final = 16


def compare_connectors(old: Connector, new: Connector) -> tuple[ActionChange, ...]:
    """List what is other in the new one, by action."""
    changes: list[ActionChange] = []
    for name in sorted({*old.actions, *new.actions}):
        if name not in new.actions:
            changes.append(ActionChange(action=name, sort=REMOVED))
        elif name not in old.actions:
            changes.append(ActionChange(action=name, sort=ADDED))
        else:
            changes += _compare_actions(name, old, new)
    for name in sorted({*old.triggers, *new.triggers}):
        if (name in old.triggers) != (name in new.triggers):
            sort = TRIGGER_ADDED if name in new.triggers else TRIGGER_REMOVED
            changes.append(ActionChange(action=name, sort=sort))
    return tuple(changes)


def name_form(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> str:
    """Name a form for people: `text`, `list of object`, `text or nothing`."""
    for _ in range(_HOPS_MAX):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        schema = schemas.get(reference.removeprefix(REFERENCE), {})
    given = schema.get("type")
    kinds = given if isinstance(given, list) else [given] if isinstance(given, str) else []
    if not kinds:
        return _name_mixed(schema, schemas, depth)
    words = []
    for kind in kinds:
        word = _WORDS.get(kind, kind)
        if kind == "string" and schema.get("format") in {"binary", "date", "date-time"}:
            word = {"binary": "file", "date": "date", "date-time": "date and time"}[schema["format"]]
        if kind == "array" and depth < 2 and isinstance(schema.get("items"), dict):  # noqa: PLR2004 - a list of lists of
            word = f"list of {name_form(schema['items'], schemas, depth + 1)}"
        words.append("nothing" if kind == "null" else word)
    return " or ".join(words)


def _name_mixed(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> str:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    for key in ("allOf", "anyOf", "oneOf"):
        parts = schema.get(key)
        if parts and depth < 2:  # noqa: PLR2004 - deeper it is any
            named = list(dict.fromkeys(name_form(each, schemas, depth + 1) for each in parts[:8] if isinstance(each, dict)))
            if key == "allOf":
                return next((each for each in named if each != "any"), "any")
            return " or ".join(named)
    return "any"


def list_properties(schema: Schema, schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Give the properties of what an action gives: of an object, of a list's items (`[].name`), those of allOf included."""
    found: dict[str, Schema] = {}
    for prefix, each in _list_parts(schema, schemas):
        properties = each.get("properties")
        for name, form in properties.items() if isinstance(properties, dict) else ():
            if len(found) < OUTPUTS_MAX:
                found.setdefault(prefix + name, form)
    return found


def list_given(action: Action, schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Give the properties of what an action without outputs of its own gives; of a tool's result also `structured.NAME`."""
    found = list_properties(action.answer.schema, schemas)
    if not action.request.tool or STRUCTURED not in found:
        return found
    inner = list_properties(found[STRUCTURED], schemas)
    return found | {f"{STRUCTURED}.{name}": form for name, form in inner.items() if not name.startswith("[]")}


def _list_parts(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    waiting, seen = [("", schema)], set()
    while waiting:
        prefix, each = waiting.pop()
        reference = each.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append((prefix, schemas.get(reference.removeprefix(REFERENCE), {})))
        yield prefix, each
        waiting += [(prefix, part) for part in reversed(each.get("allOf", ())) if isinstance(part, dict)]
        if not prefix and isinstance(each.get("items"), dict):
            waiting.append(("[].", each["items"]))


def _compare_actions(name: str, old: Connector, new: Connector) -> Iterator[ActionChange]:
    before, after = old.actions[name], new.actions[name]
    yield from _compare_inputs(name, old, new)
    outputs_before, outputs_after = _outputs_of(before, old), _outputs_of(after, new)
    for output in sorted({*outputs_before, *outputs_after}):
        was, is_now = outputs_before.get(output, ""), outputs_after.get(output, "")
        if was != is_now:
            sort = OUTPUT_ADDED if not was else OUTPUT_REMOVED if not is_now else OUTPUT_TYPE
            yield ActionChange(action=name, sort=sort, name=output, old=was, new=is_now)
    for sort, was, is_now in (
        (EFFECT, before.effect.value, after.effect.value),
        (AUTH, _write_auth(before, old), _write_auth(after, new)),
        (REQUEST, _write_request(before), _write_request(after)),
        (PAGES, _write_pages(before), _write_pages(after)),
    ):
        if was != is_now:
            yield ActionChange(action=name, sort=sort, old=was, new=is_now)
    if before.request.tool == after.request.tool and before.request.tool_hash != after.request.tool_hash:
        yield ActionChange(action=name, sort=TOOL)
    if after.is_deprecated and not before.is_deprecated:
        yield ActionChange(action=name, sort=DEPRECATED)


def _compare_inputs(name: str, old: Connector, new: Connector) -> Iterator[ActionChange]:
    before, after = old.actions[name].inputs, new.actions[name].inputs
    for each in sorted({*before, *after}):
        was, is_now = before.get(each), after.get(each)
        if is_now is None:
            yield ActionChange(action=name, sort=INPUT_REMOVED, name=each)
        elif was is None:
            sort = INPUT_REQUIRED if is_now.is_required else INPUT_ADDED
            yield ActionChange(action=name, sort=sort, name=each, new=name_form(is_now.schema, new.schemas))
        else:
            yield from _compare_input(name, each, (was, old), (is_now, new))


def _compare_input(
    action: str, name: str, was: tuple[ActionInput, Connector], is_now: tuple[ActionInput, Connector]
) -> Iterator[ActionChange]:
    types = [name_form(each.schema, connector.schemas) for each, connector in (was, is_now)]
    if types[0] != types[1]:
        yield ActionChange(action=action, sort=INPUT_TYPE, name=name, old=types[0], new=types[1])
    if was[0].is_required != is_now[0].is_required:
        yield ActionChange(action=action, sort=INPUT_REQUIRED if is_now[0].is_required else INPUT_OPTIONAL, name=name)


def _outputs_of(action: Action, connector: Connector) -> dict[str, str]:
    if action.answer.outputs:
        return {name: name_form(each.schema, connector.schemas) for name, each in action.answer.outputs.items()}
    found = list_given(action, connector.schemas)
    whole = "file" if action.answer.is_file else name_form(action.answer.schema, connector.schemas)
    return {"": whole} | {name: name_form(form, connector.schemas) for name, form in found.items()}


def _write_auth(action: Action, connector: Connector) -> str:
    return " or ".join(" and ".join(each) or "none" for each in action.auth or connector.default_auth)


def _write_request(action: Action) -> str:
    request = action.request
    return " ".join(filter(None, (request.method, request.path, request.content.value, request.tool)))


def _write_pages(action: Action) -> str:
    return action.pages.kind.value if action.pages is not None else "one page"
