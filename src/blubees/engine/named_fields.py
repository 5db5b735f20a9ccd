"""Which smart values read a field of an issue by the name that people know it by. Called by plan.py, flows/match.py and asking.

Known from the flow's text: a site is asked for its names only where one of them can be meant.
"""

from collections.abc import Iterable
from typing import Any, Final

from blubees.expressions.document import list_templates
from blubees.expressions.template import Template
from blubees.model.field_names import is_plain_field
from blubees.model.flow import Step, Trigger, TriggerKind

_ALWAYS: Final = frozenset({"lookupissues", "event.issue"})
_OF_EVENTS: Final = frozenset({"issue", "triggerissue", "trigger"})
_NOT_OF_JIRA: Final = frozenset({TriggerKind.WEBHOOK, TriggerKind.MANUAL, TriggerKind.CALLED})
_IN_TWO_PARTS: Final = frozenset({"steps", "event"})
_THROUGH: Final = frozenset({"fields", "issue", "issues", "parent", "subtasks", "inwardissue", "outwardissue", "issuelinks"})
"""Behind these stands an issue, or its fields."""
_ISSUE_KINDS: Final = frozenset({"jira.get_issue", "jira.search_issues"})


def list_event_roots(trigger: Trigger) -> frozenset[str]:
    """List the first names, without case, under which smart values read issues from the beginning."""
    if trigger.on in _NOT_OF_JIRA or (trigger.poll is not None and not trigger.poll.jql):
        return _ALWAYS
    return _ALWAYS | _OF_EVENTS | {"issues", "item"}


def find_issue_roots(steps: Iterable[Step], roots: frozenset[str]) -> frozenset[str]:
    """Add the names under which a flow's steps read issues: results, items of loops, variables."""
    for step in steps:
        if step.kind in _ISSUE_KINDS:
            roots |= {f"steps.{step.id.casefold()}"}
        if step.kind == "each" and _reads_issues(step.settings.get("items"), roots):
            roots |= {str(step.settings.get("name", "item")).casefold()}
        values = step.settings.get("values")
        if step.kind == "set" and isinstance(values, dict):
            roots |= {name.casefold() for name, value in values.items() if _reads_issues(value, roots)}
        for branch in step.branches:
            roots = find_issue_roots(branch.steps, roots)
    return roots


def names_fields(document: object, roots: frozenset[str]) -> bool:
    """Whether a smart value in a document may read a field of an issue by its name."""
    return any(_names_field(template, roots) for _, template in list_templates(document))


def _names_field(template: Template, roots: frozenset[str]) -> bool:
    of_issues = any(_root_of(path) in roots for path in template.paths)
    for path in template.paths:
        if _root_of(path) in roots:
            names = path[2:] if path[0].casefold() in _IN_TWO_PARTS else path[1:]
        elif of_issues and path[0] not in template.outer_roots:
            names = path  # in a section over issues
        else:
            continue
        name = next((each for each in names if each.casefold() not in _THROUGH), "")
        if name and not is_plain_field(name):
            return True
    return False


def _root_of(path: tuple[str, ...]) -> str:
    root = path[0].casefold()
    return f"{root}.{path[1].casefold()}" if root in _IN_TWO_PARTS and len(path) > 1 else root


def _reads_issues(document: Any, roots: frozenset[str]) -> bool:  # noqa: ANN401 - JSON
    return any(_root_of(path) in roots for _, template in list_templates(document) for path in template.paths)
