"""What is known of the data that smart values read: the trigger's event, what steps give. Used by check_shapes.py.

What a step gives is read from its kind's own examples: when all of them give the same names, a step of that kind gives those
and no others. Of an event of Jira the documented names are known; a site adds its own fields.
"""

from collections.abc import Mapping
from typing import Any, Final

from blubees.expressions.shapes import (
    ANYTHING,
    BOOLEAN,
    DATE,
    NUMBER,
    TEXT,
    Shape,
    join,
    list_of,
    object_of,
    shape_of,
    texts,
)
from blubees.flows.action_shapes import shape_action
from blubees.model.flow import TriggerKind
from blubees.steps.book import KindEntry
from blubees.steps.contract import Done, EnterNamed

_NAMED: Final = object_of(texts("id", "name", "self"))
_USER: Final = object_of(
    {
        **texts("accountId", "accountType", "displayName", "emailAddress", "timeZone", "locale"),
        "active": BOOLEAN,
        "avatarUrls": object_of({}),
        "properties": ANYTHING,
    }
)
_PROJECT: Final = object_of({**texts("id", "key", "name", "projectTypeKey", "self"), "avatarUrls": object_of({})})
_STATUS: Final = object_of({**texts("id", "name", "description", "iconUrl", "self"), "statusCategory": object_of({})})
_COMMENT: Final = object_of(
    {**texts("id", "created", "updated", "self"), "author": _USER, "updateAuthor": _USER, "body": ANYTHING, "internal": BOOLEAN}
)
_VERSION: Final = object_of({**texts("id", "name", "description", "releaseDate"), "archived": BOOLEAN, "released": BOOLEAN})
_CHANGE: Final = object_of(texts("field", "fieldId", "fieldtype", "from", "fromString", "to", "toString"))
_FIELDS: Final[dict[str, Shape]] = {
    **texts("summary", "created", "updated", "duedate", "resolutiondate", "environment"),
    "description": ANYTHING,
    "project": _PROJECT,
    "status": _STATUS,
    "issuetype": object_of({**texts("id", "name", "description", "self"), "subtask": BOOLEAN}),
    "issueType": object_of({**texts("id", "name", "description", "self"), "subtask": BOOLEAN}),
    "resolution": _NAMED,
    "priority": _NAMED,
    "security": _NAMED,
    **dict.fromkeys(("assignee", "reporter", "creator"), _USER),
    "labels": list_of(TEXT),
    "components": list_of(_NAMED),
    "fixVersions": list_of(_VERSION),
    "versions": list_of(_VERSION),
    **dict.fromkeys(("comments", "attachment", "issuelinks", "subtasks", "watchers", "sprint", "worklog"), ANYTHING),
    "parent": ANYTHING,
    "timetracking": object_of({}),
    "names": object_of({}),
    "properties": ANYTHING,
}
ISSUE: Final = object_of({**texts("id", "key", "self", "url"), "fields": object_of(_FIELDS), **_FIELDS})
_JIRA: Final[dict[str, Shape]] = {
    "issue": ISSUE,
    "triggerIssue": ISSUE,
    "comment": _COMMENT,
    "fieldChange": _CHANGE,
    "initiator": _USER,
    "user": _USER,
    "eventType": TEXT,
}
_COMMON: Final[dict[str, Shape]] = {
    "now": DATE,
    "flow": object_of({**texts("id", "name", "run"), "version": NUMBER}, is_open=False),
}
_WEBHOOK: Final[dict[str, Shape]] = {
    "webhook": object_of({"headers": object_of({}), "query": object_of({})}, is_open=False),
}
_FOUND: Final[dict[str, Shape]] = {"issue": ISSUE, "triggerIssue": ISSUE}
TRIGGER_SHAPES: Final[dict[TriggerKind, dict[str, Shape]]] = {
    **dict.fromkeys((TriggerKind.ISSUE_CREATED, TriggerKind.ISSUE_UPDATED, TriggerKind.ISSUE_COMMENTED), _JIRA),
    TriggerKind.WEBHOOK: _WEBHOOK,
    TriggerKind.SCHEDULE: _FOUND,
    TriggerKind.POLL: _FOUND,
}
BLOCK_SHAPES: Final[dict[str, Shape]] = {
    "each": object_of({"results": list_of(), "count": NUMBER, "failed": NUMBER}, is_open=False),
    "repeat": object_of({"count": NUMBER}, is_open=False),
    "try": object_of({"failed": BOOLEAN, "error": ANYTHING}, is_open=False),
    "jira.get_issue": ISSUE,
    "respond": object_of({"status": NUMBER}, is_open=False),
}
AUTHORS_NAMES: Final[dict[str, str]] = {"set": "values", "map": "fields"}  # kinds whose results have names from this setting


def list_shapes(trigger: TriggerKind | None) -> dict[str, Shape]:
    """What is known of the first names of a flow with this trigger."""
    return _COMMON | (TRIGGER_SHAPES.get(trigger, {}) if trigger is not None else {})


def find_result(entry: KindEntry | None, settings: Mapping[str, Any]) -> Shape:
    """What a step of this kind gives."""
    if entry is None:
        return ANYTHING
    if entry.action is not None:
        return shape_action(entry.action)
    if entry.name in AUTHORS_NAMES:
        names = settings.get(AUTHORS_NAMES[entry.name])
        return object_of(dict.fromkeys(map(str, names), ANYTHING), is_open=False) if isinstance(names, dict) else ANYTHING
    return BLOCK_SHAPES.get(entry.name) or _read_examples(entry)


def _read_examples(entry: KindEntry) -> Shape:
    results = [each.gives.result for each in entry.examples if isinstance(each.gives, Done | EnterNamed)]
    known = [each for each in results if isinstance(each, dict)]
    if not known or len(known) != len(results) or any(set(each) != set(known[0]) for each in known):
        return ANYTHING
    return object_of({name: join(shape_of(each[name]) for each in known) for name in known[0]}, is_open=False)
