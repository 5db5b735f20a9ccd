"""What smart values can read of an event. Used by flows/intake.py (conditions) and engine/runner.py (steps).

Source: the names of Jira's own Automation (docs/smart-values.md).
"""

from collections.abc import Mapping
from typing import Any, Final

from blubees.model.flow import TriggerKind

JIRA_ROOTS: Final = (
    "issue",
    "triggerIssue",
    "project",
    "comment",
    "worklog",
    "attachment",
    "version",
    "sprint",
    "changelog",
    "fieldChange",
    "initiator",
    "user",
    "eventType",
    "trigger",
)
WEBHOOK_ROOTS: Final = ("webhookData", "webhook", "trigger")
MANUAL_ROOTS: Final = ("inputs", "trigger")
SCHEDULE_ROOTS: Final = ("schedule", "trigger")
POLL_ROOTS: Final = ("item", "poll", "trigger")
ISSUE_ROOTS: Final = ("issue", "triggerIssue", "project")
RESULT_ROOTS: Final = ("issues",)
COMMON_ROOTS: Final = ("steps", "flow", "rule", "now", "callBacks")

ROOTS: Final[dict[TriggerKind, tuple[str, ...]]] = {
    TriggerKind.ISSUE_CREATED: JIRA_ROOTS,
    TriggerKind.ISSUE_UPDATED: JIRA_ROOTS,
    TriggerKind.ISSUE_COMMENTED: JIRA_ROOTS,
    TriggerKind.WEBHOOK: WEBHOOK_ROOTS,
    TriggerKind.MANUAL: MANUAL_ROOTS,
    TriggerKind.CALLED: MANUAL_ROOTS,
    TriggerKind.SCHEDULE: SCHEDULE_ROOTS,
    TriggerKind.POLL: POLL_ROOTS,
}
"""The first names that an event of each kind has; COMMON_ROOTS come to all, and those of issues when Jira was asked."""


def trigger_scope(
    trigger: TriggerKind, document: object, headers: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, object]:
    """Set out an event for smart values; a fresh dict, which the caller adds to."""
    if trigger is TriggerKind.WEBHOOK:
        return {"webhookData": document, "webhook": {"headers": dict(headers), "query": dict(query)}, "trigger": document}
    if trigger in {TriggerKind.MANUAL, TriggerKind.CALLED}:
        return {"inputs": document, "trigger": document}
    event = document if isinstance(document, dict) else {}
    if trigger is TriggerKind.SCHEDULE:
        return {"schedule": event.get("schedule"), "issues": event.get("issues"), **_set_out_found(event)}
    if trigger is TriggerKind.POLL:
        return {"poll": event.get("poll"), "item": event.get("item", event.get("issue")), **_set_out_found(event)}
    return _set_out_jira(event)


def _set_out_found(event: dict[str, Any]) -> dict[str, object]:
    """An issue that was found at a tick."""
    issue = event.get("issue")
    return {"issue": issue, "triggerIssue": issue, "project": _find_project(event, issue), "trigger": event}


def _set_out_jira(document: dict[str, Any]) -> dict[str, object]:
    inner = document.get("payload")
    event = inner if isinstance(inner, dict) and "eventType" in inner else document  # a retry comes wrapped
    items = _list_changes(event)
    changelog = {str(item.get("field", "")): item for item in items}
    issue, initiator = event.get("issue"), {"accountId": event.get("atlassianId")}
    return {
        "issue": issue,
        "triggerIssue": issue,
        "project": _find_project(event, issue),
        "comment": event.get("comment"),
        "worklog": event.get("worklog"),
        "attachment": event.get("attachment"),
        "version": event.get("version"),
        "sprint": event.get("sprint"),
        "changelog": changelog,
        "fieldChange": items[0] if items else None,
        "initiator": initiator,
        "user": initiator,
        "eventType": event.get("eventType"),
        "trigger": event,
    }


def _find_project(event: dict[str, Any], issue: object) -> object:
    """The event's own project, else the issue's."""
    fields = issue.get("fields") if isinstance(issue, dict) else None
    return event.get("project", fields.get("project") if isinstance(fields, dict) else None)


def _list_changes(event: dict[str, Any]) -> list[dict[str, Any]]:
    changelog = event.get("changelog")
    items = changelog.get("items") if isinstance(changelog, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
