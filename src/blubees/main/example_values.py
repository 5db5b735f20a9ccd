"""Values of examples that are made from a vendor's document: short, plainly made up. Used by example_maker.py."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

LISTED_MAX: Final = 1
DEPTHS: Final = (6, 5, 4, 3, 2)
ANSWER_MAX_BYTES: Final = 500  # a page shows it: what is longer is not read
NOISE: Final = frozenset(
    ("self", "avatarUrls", "avatarId", "iconUrl", "expand", "prev", "next", "nextPage", "_links", "renderedFields")
)
"""What answers of Atlassian hold in every object, and no flow reads."""
MOMENT: Final = 1_795_521_600_000  # 2026-11-24T12:00:00Z
NAMED: Final[Mapping[str, Any]] = {
    "issueIdOrKey": "OPS-7",
    "issueKey": "OPS-7",
    "projectIdOrKey": "OPS",
    "projectKeyOrId": "OPS",
    "projectKeys": "OPS",
    "accountId": "5b10ac8d82e05b22cc7d4ef5",
    "fieldId": "customfield_10042",
    "fieldIdOrKey": "customfield_10042",
    "fieldKey": "com.example.app__severity",
    "propertyKey": "com.example.escalation",
    "jql": "project = OPS",
    "query": "ann",
    "workflowName": "Support workflow",
    "projectTypeKey": "software",
    "applicationKey": "jira-software",
    "globalId": "system=https://crm.example.com&id=1",
    "date": "2026-11-24",
    "validation": "strict",
    "types": "BROWSE_PROJECTS",
    "permissions": "BROWSE_PROJECTS",
    "issueIdsOrKeys": "OPS-7",
    "attribute": "cost-center",
    "progress": 40,
    "elapsedRuntime": 1200,
    "submitted": MOMENT,
    "started": MOMENT,
    "finished": MOMENT,
    "lastUpdate": MOMENT,
}
_DEEP: Final = 6


def make_named(name: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Make a value for what a document names and gives no example of."""
    form = resolve(schema, schemas)
    if form.get("type") == "array":
        return [make_named(name, form.get("items", {}), schemas)]
    if form.get("enum"):
        return form["enum"][0]
    if name in NAMED and form.get("type", "string") == {str: "string", int: "integer"}[type(NAMED[name])]:
        return NAMED[name]
    if form.get("type", "string") == "string" and not form.get("format"):
        return "10000" if re.search(r"(^id|Id|Ids|IdOrKey)$", name) else f"example-{_write_dashes(name)}"
    return make_value(form, schemas, name)


def make_value(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Make a value of a form: with what it requires, and at the top with all that is simple."""
    form = resolve(schema, schemas)
    for word in ("example", "default"):
        if word in form:
            return form[word]
    for word in ("oneOf", "anyOf", "allOf"):
        if form.get(word) and "type" not in form:
            return make_value(form[word][0], schemas, name, depth + 1) if depth < _DEEP else {}
    if form.get("enum"):
        return form["enum"][0]
    kinds = form.get("type", "object")
    kind = next((each for each in kinds if each != "null"), "object") if isinstance(kinds, list) else kinds
    if kind == "array":
        return [make_named(name, form.get("items", {}), schemas)] if depth < _DEEP else []
    if kind == "object":
        required = form.get("required", ())
        return {
            key: make_named(key, each, schemas)
            for key, each in form.get("properties", {}).items()
            if depth < _DEEP and key not in NOISE and (key in required or (depth == 0 and is_simple(each, schemas)))
        }
    texts = {
        "date": "2026-11-24",
        "date-time": "2026-11-24T12:00:00.000+0000",
        "uri": "https://example.com",
        "email": "ann@example.com",
    }
    made = texts.get(str(form.get("format"))) or f"example-{_write_dashes(name) or 'text'}"
    return {"integer": 10000, "number": 10000, "boolean": True}.get(kind, made)


def is_simple(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether a form is of a text, a number or a truth."""
    return resolve(schema, schemas).get("type") in {"string", "integer", "number", "boolean"}


def resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and a lone `allOf`."""
    for _ in range(16):
        if "$ref" in schema:
            schema = schemas.get(schema["$ref"].rpartition("/")[2], {})
        elif len(schema.get("allOf", ())) == 1 and "type" not in schema:
            schema = schema["allOf"][0]
        else:
            break
    return schema


def shorten_answer(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Shorten an answer of the document: one item of each list, nothing that all objects hold, no deeper than is read."""
    short = value
    for depth in DEPTHS:
        short = _cut(value, depth)
        if len(orjson.dumps(short)) <= ANSWER_MAX_BYTES:
            return short
    return _keep_simple(short)


def shorten_asked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Shorten what the document's example sends: one item of each list; nothing else, it may be required."""
    if isinstance(value, list):
        return [shorten_asked(each) for each in value[:LISTED_MAX]]
    if isinstance(value, dict):
        return {key: shorten_asked(each) for key, each in value.items()}
    return make_up(value)


def make_up(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Put addresses that nobody has for those that a document made up."""
    return re.sub(r"[\w.+-]+@(atlassian|test|domain)\.com", "ann@example.com", value) if isinstance(value, str) else value


def _cut(value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_cut(each, depth - 1) for each in value[:LISTED_MAX]]
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in NOISE}
        return {key: _cut(each, depth - 1) for key, each in kept.items() if depth > 0 or not isinstance(each, list | dict)}
    return make_up(value)


def _keep_simple(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Of an object that is still too long, keep what is no list and no object itself, and of those the first."""
    if isinstance(value, list):
        return [_keep_simple(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, each in value.items():
        if len(orjson.dumps({**kept, key: each})) <= ANSWER_MAX_BYTES:
            kept[key] = each
    return kept


def _write_dashes(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"([a-z])([A-Z])", r"\1-\2", name).lower()).strip("-")
