"""Reads an export of Jira Automation into rules and components. Called by translate.py.

Forms: a site's export ({"cloud", "rules"}), the public API's ({"rule", "connections"}), Data Center's, lists of rules, a rule.
Source: exports and API answers of Cloud and Data Center; Atlassian documents neither the types nor their values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from blubees.model.errors import InputError

FILE_MAX_BYTES: Final = 33_554_432
RULES_MAX: Final = 5_000
COMPONENTS_MAX: Final = 1_000  # a rule has at most 500 in Jira
DEPTH_MAX: Final = 64
NAME_MAX: Final = 200
TYPE_MAX: Final = 120
_LISTS: Final = ("rules", "data", "values", "results")
_ANNOTATIONS: Final = ("comment", "description", "notes", "_comment")
_NAMES: Final = ("name", "title", "label", "displayName")


@dataclass(slots=True)
class Component:
    """One trigger, condition, branch or action of a rule; `raw` is how it stood in the export, without those inside it."""

    kind: str
    type: str
    value: Any
    path: str
    name: str = ""
    comment: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
    children: "list[Component]" = field(default_factory=list)
    conditions: "list[Component]" = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The value where it is a mapping; else an empty one."""
        return self.value if isinstance(self.value, dict) else {}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    name: str
    description: str
    state: str
    labels: tuple[str, ...]
    projects: tuple[str, ...]
    trigger: Component
    components: list[Component]
    raw: Mapping[str, Any]


def read_export(content: bytes) -> list[Rule]:
    """Read an export.

    Raises:
        InputError: too large, no JSON, nested too deeply, no rules in it, too many of them or of their components.
    """
    if len(content) > FILE_MAX_BYTES:
        raise InputError(f"The file has {len(content)} bytes, allowed are {FILE_MAX_BYTES}. Export fewer rules at a time.")
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"This is no JSON (line {error.lineno}, column {error.colno}). Take the file that Jira exported, unchanged."
        ) from None
    _forbid_depth(document)
    found = list(_find_rules(document))
    if not found:
        raise InputError(
            "There are no rules of Jira Automation in this. Allowed are an export ({rules: […]}) or a rule ({rule: …})."
        )
    if len(found) > RULES_MAX:
        raise InputError(f"There are {len(found)} rules, allowed are {RULES_MAX}. Export fewer rules at a time.")
    return [_read_rule(rule, number) for number, rule in enumerate(found)]


def read_text(value: object, most: int = 32_768) -> str:
    """A text as it is, a number as text; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)[:most]


def _forbid_depth(document: object) -> None:
    level: list[object] = [document]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise InputError(f"It is nested deeper than {DEPTH_MAX} levels, which no rule is.")


def _find_rules(document: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, list):
        for each in document:
            yield from _find_rules(each) if isinstance(each, dict) else ()
        return
    if not isinstance(document, dict):
        return
    if isinstance(document.get("trigger"), dict) or (
        isinstance(document.get("components"), list) and isinstance(document.get("name"), str)
    ):
        yield document
    elif isinstance(document.get("rule"), dict):
        yield document["rule"]
    else:
        for name in _LISTS:
            if isinstance(document.get(name), list):
                yield from (each.get("rule", each) for each in document[name] if isinstance(each, dict))
                return


def _read_rule(raw: object, number: int) -> Rule:
    rule: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    name = read_text(rule.get("name"), NAME_MAX).strip() or f"Rule {number + 1}"
    counter = [0]
    components = [
        _read_component(each, f"components[{place}]", counter) for place, each in enumerate(_list(rule.get("components")))
    ]
    if counter[0] > COMPONENTS_MAX:
        raise InputError(
            f"Rule {number + 1} has {counter[0]} components, allowed are {COMPONENTS_MAX}. Remove it from the export."
        )
    return Rule(
        name=name,
        description=read_text(rule.get("description")),
        state=read_text(rule.get("state"), 40),
        labels=tuple(filter(None, (_name(each) for each in _list(rule.get("labels"))))),
        projects=_list_projects(rule),
        trigger=_read_component(rule.get("trigger"), "trigger", counter),
        components=_nest(components),
        raw=rule,
    )


def _read_component(raw: object, path: str, counter: list[int]) -> Component:
    counter[0] += 1
    node: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    children, conditions = _list(node.get("children")), _list(node.get("conditions"))
    return Component(
        kind=read_text(node.get("component"), 40).upper(),
        type=read_text(node.get("type"), TYPE_MAX).strip(),
        value=_read_value(node.get("value", node.get("configuration"))),
        path=path,
        name=next((read_text(node[name], NAME_MAX) for name in _NAMES if isinstance(node.get(name), str)), ""),
        comment=next((read_text(node[name]) for name in _ANNOTATIONS if isinstance(node.get(name), str)), ""),
        raw={key: value for key, value in node.items() if key not in {"children", "conditions"}},
        children=[_read_component(each, f"{path}.children[{place}]", counter) for place, each in enumerate(children)],
        conditions=[_read_component(each, f"{path}.conditions[{place}]", counter) for place, each in enumerate(conditions)],
    )


def _read_value(value: object) -> object:
    """Some exports write the value as JSON within a text."""
    if isinstance(value, str) and value.lstrip().startswith('{"'):
        try:
            inner = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
        _forbid_depth(inner)
        return inner
    return value


def _nest(components: list[Component]) -> list[Component]:
    """Put those that name a parent under it: some answers of the API list all components side by side."""
    known: dict[str, Component] = {}
    queue = list(components)
    while queue:
        each = queue.pop()
        known.setdefault(read_text(each.raw.get("id"), 80), each)
        queue += [*each.children, *each.conditions]
    top = []
    for each in components:
        parent = known.get(read_text(each.raw.get("parentId"), 80))
        asker = known.get(read_text(each.raw.get("conditionParentId"), 80))
        if asker is not None and not _is_within(asker, each):
            asker.conditions.append(each)
        elif parent is not None and not _is_within(parent, each):
            parent.children.append(each)
        else:
            top.append(each)
    return top


def _is_within(sought: Component, outer: Component) -> bool:
    """Whether a component is another one or stands in it: no circle is made of a mangled export."""
    queue = [outer]
    while queue:
        each = queue.pop()
        if each is sought:
            return True
        queue += [*each.children, *each.conditions]
    return False


def _list_projects(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the projects that a rule is limited to; none for the whole site."""
    aris = [*_list(rule.get("ruleScopeARIs"))]
    scope = rule.get("ruleScope")
    aris += _list(scope.get("resources")) if isinstance(scope, dict) else []
    found = [read_project(each) for each in aris]
    found += [read_text(each.get("projectId"), 40) for each in _list(rule.get("projects")) if isinstance(each, dict)]
    return tuple(dict.fromkeys(each for each in found if each.isdecimal()))


def read_project(ari: object) -> str:
    """The id at the end of a project's ARI; empty for another."""
    text = read_text(ari, 300)
    return text.rpartition("project/")[2] if "project/" in text and text.rpartition("project/")[2].isdecimal() else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _name(value: object) -> str:
    return read_text(value.get("name") if isinstance(value, dict) else value, NAME_MAX)
