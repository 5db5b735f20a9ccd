"""What Atlassian's schema of ADF says: which node may stand in which, with which marks and attributes. Used by fit.py.

The schema is data in this folder (schema/NOTICE), read once: main/conduit.py has it read before the process is locked.
"""

import functools
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import jsonschema_rs
import orjson

from blubees.connectors.rich_text.bounds import ATTRIBUTE_DEPTH_MAX, Node

_DRAFT: Final = "http://json-schema.org/draft-04/schema#"


def prepare() -> None:
    """Make of the schema what conversions need, so that the first one need not. A conduit does so before its lock."""
    _load_validator()
    for kind in (*_read_models(), *list_kinds()):
        _load_attribute_validator(kind, of_mark=False)
    for mark in list_marks():
        _load_attribute_validator(mark, of_mark=True)


@functools.cache
def load_schema() -> dict[str, Any]:
    """Give Atlassian's schema."""
    found: dict[str, Any] = orjson.loads(files("blubees.connectors.rich_text").joinpath("schema", "full.json").read_bytes())
    return found


def is_adf(value: object) -> bool:
    """Whether a value looks like an ADF document; is_valid() says whether it is one in every part."""
    return (
        type(value) is dict and value.get("type") == "doc" and value.get("version") == 1 and type(value.get("content")) is list
    )


def is_valid(document: Node) -> bool:
    """Whether Atlassian's schema takes the document. One that JSON can't hold (dates, levels without end) it does not."""
    try:
        return bool(_load_validator().is_valid(document))
    except ValueError:
        return False


def allows(parent: str, child: str) -> bool:
    """Whether a node of type `child` may stand in one of type `parent`."""
    return child in _read_models().get(parent, {})


def children_of(parent: str) -> Mapping[str, frozenset[str]]:
    """Give what may stand in a node, and the marks that each may have there."""
    return _read_models().get(parent, {})


def knows(kind: str) -> bool:
    """Whether there is such a node."""
    return kind in _read_nodes()


def takes_attributes(kind: str, attributes: Node, *, of_mark: bool = False) -> bool:
    """Whether a node (or mark) of this type may have these attributes."""
    validator = _load_attribute_validator(kind, of_mark=of_mark)
    if validator is None:
        return not attributes
    return _is_shallow(attributes, ATTRIBUTE_DEPTH_MAX) and bool(validator.is_valid(attributes))


def attribute_names(kind: str) -> frozenset[str]:
    """Give the names of all attributes that a node may have."""
    rule = _read_nodes().get(kind, {}).get("properties", {}).get("attrs", {})
    return frozenset(name for part in (rule, *rule.get("anyOf", ())) for name in part.get("properties", ()))


def needs_attributes(kind: str) -> bool:
    """Whether a node must have attributes."""
    return "attrs" in _read_nodes().get(kind, {}).get("required", ())


def list_kinds() -> frozenset[str]:
    """Give the types of all nodes."""
    return frozenset(_read_nodes())


def list_marks() -> frozenset[str]:
    """Give the types of all marks."""
    return frozenset(name.removesuffix("_mark") for name in load_schema()["definitions"] if name.endswith("_mark"))


@functools.cache
def _load_validator() -> Any:  # noqa: ANN401 - one of the library's validators
    return jsonschema_rs.validator_for(load_schema())


@functools.cache
def _load_attribute_validator(kind: str, *, of_mark: bool) -> Any:  # noqa: ANN401 - see above
    rule = load_schema()["definitions"].get(f"{kind}_mark") if of_mark else _read_nodes().get(kind)
    attributes = (rule or {}).get("properties", {}).get("attrs")
    return jsonschema_rs.validator_for({"$schema": _DRAFT, **attributes}) if attributes else None


@functools.cache
def _read_nodes() -> dict[str, dict[str, Any]]:
    """The definition of each node: the first that names its type is the plain one."""
    found: dict[str, dict[str, Any]] = {}
    for name, rule in load_schema()["definitions"].items():
        kinds = rule.get("properties", {}).get("type", {}).get("enum", ())
        if kinds and not name.endswith("_mark"):
            found.setdefault(kinds[0], rule)
    return found


@functools.cache
def _read_models() -> dict[str, dict[str, frozenset[str]]]:
    """For each node, what may stand in it."""
    models: dict[str, dict[str, frozenset[str]]] = {}
    for rule in load_schema()["definitions"].values():
        parts = rule.get("allOf", (rule,))
        kind = next(
            (kind for part in parts for kind in _resolve(part).get("properties", {}).get("type", {}).get("enum", ())), ""
        )
        model = models.setdefault(kind, {})
        for part in parts:
            for child, marks in _read_children(part.get("properties", {}).get("content", {})):
                model[child] = model.get(child, frozenset()) | marks
    return models


def _read_children(content: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    items = _resolve(content).get("items", ())
    for item in items if isinstance(items, list) else (items,):
        if item:
            yield from _read_child(item)


def _read_child(item: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    rule = _resolve(item)
    if "anyOf" in rule:
        for each in rule["anyOf"]:
            yield from _read_child(each)
        return
    parts = [_resolve(part) for part in rule.get("allOf", (rule,))]
    kind = next(kind for part in parts for kind in part.get("properties", {}).get("type", {}).get("enum", ()))
    marks = (part.get("properties", {}).get("marks", {}).get("items", {}) for part in parts)
    names = [each["$ref"] for rule in marks for each in rule.get("anyOf", (rule,)) if each]
    yield kind, frozenset(name.rpartition("/")[2].removesuffix("_mark") for name in names)


def _resolve(rule: dict[str, Any]) -> dict[str, Any]:
    name = rule.get("$ref")
    found: dict[str, Any] = load_schema()["definitions"][name.rpartition("/")[2]] if name else rule
    return found


def _is_shallow(value: object, left: int) -> bool:
    if isinstance(value, dict):
        if left > 0 and not any(isinstance(each, dict | list) for each in value.values()):
            return True  # the common case
        return left > 0 and all(_is_shallow(each, left - 1) for each in value.values())
    return left > 0 and all(_is_shallow(each, left - 1) for each in value) if isinstance(value, list) else True
