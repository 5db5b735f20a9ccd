"""Branches: what a rule does for related issues, or for each of a list of values. Called by table.py's entries.

A branch over issues becomes a search and `each`, whose items are called `issue`, so that its smart values stay as they are.
"""

import re
from collections.abc import Callable
from typing import Any

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.related import (
    CREATED_ALL,
    CREATED_LAST,
    PARENT,
    TRIGGER,
    read_relation,
    read_relation_type,
)
from blubees.flows.jira_rules.smart import read_single

Walk = Callable[[list[Component]], list[Step]]
"""Translates the components of a branch: a condition that does not hold ends it, and not the run."""
ISSUES_MAX = 1_000
ALL_FIELDS = ["*all"]


def branch_over_issues(build: Build, component: Component, note: Note, walk: Walk) -> list[Step]:
    """For each related issue: jira.issue.related."""
    settings = component.settings
    if settings.get("smartValue") is not None:
        return branch_over_values(build, component, note, walk)
    if settings.get("onlyUpdatedIssues") is True:
        note.approximate("It also takes issues that have not changed since the rule ran last.")
    kind = read_relation_type(settings)
    if kind in TRIGGER:
        with build.branch(issue=build.aliases.get("triggerIssue", "triggerIssue")):
            return _within(build, note, walk(component.children))
    if kind in CREATED_LAST or kind in CREATED_ALL:
        return _branch_over_created(build, component, note, walk, only_last=kind in CREATED_LAST)
    if kind in PARENT:
        return _branch_over_parent(build, component, note, walk)
    prepare: list[Step] = []
    jql = read_relation(build, settings, note, prepare)
    search = build.step("jira.search_issues", {"jql": jql, "fields": ALL_FIELDS, "limit": ISSUES_MAX}, wanted="find_issues")
    with build.branch(issue=None, reporter=None, assignee=None, creator=None, project=None):
        inner = walk(component.children)
    if not inner:
        return [*prepare, search]
    loop = build.step("each", {"items": f"{{{{steps.{search['id']}.issues}}}}", "name": "issue"}, note, wanted="each_issue")
    note.becomes = "a search and each: its issues are done one after the other, before the main line goes on"
    return [*prepare, search, loop | {"branches": [{"steps": inner}]}]


def branch_over_values(build: Build, component: Component, note: Note, walk: Walk) -> list[Step]:
    """For each value of a list: the advanced branch."""
    settings = component.settings
    prepare: list[Step] = []
    given = settings.get("smartValue", settings.get("query"))
    template = build.text(given.get("value") if isinstance(given, dict) else given, note, prepare).strip()
    if read_single(template) is None and "{{" not in template and template:
        template = "{{" + template + "}}"
    if read_single(template) is None:
        raise UntranslatableError("It goes over something that is not one smart value.", "Write an each step over a list.")
    named = settings.get("variableName", settings.get("name"))
    name = read_text(named.get("value") if isinstance(named, dict) else named, 80) or "item"
    own = re.sub(r"[^a-z0-9_]", "_", build.clean(name, note).lower()).strip("_") or "item"
    own = (
        own
        if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", own) and own not in {"steps", "flow", "now", "issue", "trigger"}
        else f"each_{own}"[:60]
    )
    with build.branch(**{name: own if own != name else None}):
        build.variables.add(name)
        inner = walk(component.children)
    if not inner:
        return prepare
    note.becomes = "each: its values are done one after the other, before the main line goes on"
    loop = build.step("each", {"items": template, "name": own}, note, wanted=f"each_{own}")
    return [*prepare, loop | {"branches": [{"steps": inner}]}]


def _branch_over_created(build: Build, component: Component, note: Note, walk: Walk, *, only_last: bool) -> list[Step]:
    if not build.created:
        raise UntranslatableError("No step before it creates an issue.", "Write an each step over the issues that are meant.")
    keys = [f"{{{{steps.{made}.key}}}}" for made in (build.created[-1:] if only_last else build.created)]
    get = build.step("jira.get_issue", {"issue": keys[0] if len(keys) == 1 else "{{created_key}}"}, wanted="created_issue")
    with build.branch(issue=f"steps.{get['id']}", reporter=None, assignee=None, creator=None, project=None):
        inner = walk(component.children)
    note.becomes = "jira.get_issue of what was created, and the steps of the branch"
    if len(keys) == 1:
        return _within(build, note, [get, *inner])
    loop = build.step("each", {"items": keys, "name": "created_key"}, note, wanted="each_created")
    return [loop | {"branches": [{"steps": [get, *inner]}]}]


def _branch_over_parent(build: Build, component: Component, note: Note, walk: Walk) -> list[Step]:
    path = build.path("issue.parent.key")
    get = build.step("jira.get_issue", {"issue": f"{{{{{path}}}}}"}, wanted="parent_issue")
    with build.branch(issue=f"steps.{get['id']}", reporter=None, assignee=None, creator=None, project=None):
        inner = walk(component.children)
    note.becomes = "jira.get_issue of the parent, when there is one, and the steps of the branch"
    if read_relation_type(component.settings) != "parent":
        note.approximate("An epic is an issue's parent in Jira Cloud.")
    choice: dict[str, Any] = {"branches": [{"when": f"{{{{exists({path})}}}}", "steps": [get, *inner]}]}
    return [build.step("choose", {}, note, wanted="with_parent") | choice]


def _within(build: Build, note: Note, steps: list[Step]) -> list[Step]:
    """The steps of a branch that is no loop, in a block of their own where the branch has a name or a comment."""
    if not steps or not (note.component.name or note.component.comment):
        note.step = steps[0]["id"] if steps else ""
        return steps
    return [build.step("choose", {}, note, wanted="branch") | {"branches": [{"steps": steps}]}]
