"""The site's memory: issues, comments, users, properties, and what happened to them. Changed by rest.py only."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devsite.custom_fields import BY_ID

Json = dict[str, Any]

STATUSES = [("10000", "To Do", "new"), ("3", "In Progress", "indeterminate"), ("10001", "Done", "done")]
TRANSITIONS = [("11", "To Do", 0), ("21", "In Progress", 1), ("31", "Done", 2)]
TYPES = [("10004", "Bug"), ("10002", "Task"), ("10001", "Story"), ("10000", "Epic"), ("10003", "Sub-task")]
PRIORITIES = [("1", "Highest"), ("2", "High"), ("3", "Medium"), ("4", "Low"), ("5", "Lowest")]
PEOPLE = [("5b10a2844c20165700ede21g", "Mia Krystof"), ("5b10ac8d82e05b22cc7d4ef5", "Emma Richards"), ("557058:app", "BluBees")]
LINK_TYPES = [("10000", "Blocks", "is blocked by", "blocks"), ("10001", "Relates", "relates to", "relates to")]
APP_ACCOUNT = PEOPLE[2][0]


@dataclass(slots=True)
class Issue:
    """One issue."""

    id: str
    key: str
    fields: Json
    comments: list[Json] = field(default_factory=list)
    properties: Json = field(default_factory=dict)
    changelog: list[Json] = field(default_factory=list)
    watchers: set[str] = field(default_factory=set)


class Site:
    """One Jira site."""

    def __init__(self, number: int, port: int) -> None:
        self.cloud_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://devsite/{number}"))
        self.base_url = f"http://127.0.0.1:{port}"
        self.api = f"{self.base_url}/ex/jira/{self.cloud_id}/rest/api/3"
        self.project = {
            "id": "10000",
            "key": "DEMO",
            "name": "Demo project",
            "projectTypeKey": "software",
            "self": f"{self.api}/project/10000",
        }
        self.issues: dict[str, Issue] = {}
        self.app_properties: Json = {}
        self.files: dict[str, bytes] = {}  # of attachments, by id
        self.listeners: list[Callable[[str, Json], None]] = []
        self._number = 0
        self._ids = 10_000

    def new_id(self) -> str:
        """A fresh id."""
        self._ids += 1
        return str(self._ids)

    def user(self, account_id: str) -> Json | None:
        """A person, or None."""
        for known, name in PEOPLE:
            if known == account_id:
                kind = "app" if known == APP_ACCOUNT else "atlassian"
                return {
                    "self": f"{self.api}/user?accountId={known}",
                    "accountId": known,
                    "accountType": kind,
                    "displayName": name,
                    "active": True,
                    "timeZone": "UTC",
                }
        return None

    def status(self, number: int) -> Json:
        """A status."""
        identity, name, category = STATUSES[number]
        return {
            "self": f"{self.api}/status/{identity}",
            "id": identity,
            "name": name,
            "description": "",
            "iconUrl": "",
            "statusCategory": {
                "id": number + 2,
                "key": category,
                "name": name,
                "colorName": "blue-gray",
                "self": f"{self.api}/statuscategory/{number + 2}",
            },
        }

    def issue_type(self, wanted: Json) -> Json | None:
        """An issue type by id or name, or None."""
        for identity, name in TYPES:
            if wanted.get("id") == identity or str(wanted.get("name", "")).casefold() == name.casefold():
                return {
                    "self": f"{self.api}/issuetype/{identity}",
                    "id": identity,
                    "name": name,
                    "description": "",
                    "subtask": name == "Sub-task",
                    "iconUrl": "",
                    "hierarchyLevel": 1 if name == "Epic" else 0,
                }
        return None

    def priority(self, wanted: Json) -> Json | None:
        """A priority by id or name, or None."""
        for identity, name in PRIORITIES:
            if wanted.get("id") == identity or str(wanted.get("name", "")).casefold() == name.casefold():
                return {"self": f"{self.api}/priority/{identity}", "id": identity, "name": name, "iconUrl": ""}
        return None

    def find(self, key: str) -> Issue | None:
        """An issue by key or id."""
        found = self.issues.get(key.upper())
        return found or next((each for each in self.issues.values() if each.id == key), None)

    def add_issue(self, fields: Json, actor: str) -> Issue:
        """Add an issue whose fields were checked."""
        self._number += 1
        key = f"{self.project['key']}-{self._number}"
        now = stamp()
        base: Json = {
            "project": self.project,
            "status": self.status(0),
            "priority": self.priority({"name": "Medium"}),
            "labels": [],
            "components": [],
            "fixVersions": [],
            "versions": [],
            "issuelinks": [],
            "subtasks": [],
            "attachment": [],
            "description": None,
            "assignee": None,
            "resolution": None,
            "duedate": None,
            **dict.fromkeys(BY_ID),
            "created": now,
            "updated": now,
            "creator": self.user(actor),
            "reporter": self.user(actor),
        }
        issue = Issue(self.new_id(), key, base | fields)
        self.issues[key] = issue
        self.tell("avi:jira:created:issue", issue, actor)
        return issue

    def change(self, issue: Issue, changes: Json, actor: str) -> None:
        """Set fields, note the changelog, tell the listeners."""
        items = []
        for name, value in changes.items():
            before = issue.fields.get(name)
            if before == value:
                continue
            issue.fields[name] = value
            items.append(
                {
                    "field": BY_ID[name].name if name in BY_ID else name,
                    "fieldId": name,
                    "fieldtype": "custom" if name in BY_ID else "jira",
                    "from": _identify(before),
                    "fromString": _name(before),
                    "to": _identify(value),
                    "toString": _name(value),
                }
            )
        if not items:
            return
        issue.fields["updated"] = stamp()
        entry = {"id": self.new_id(), "created": stamp(), "author": self.user(actor), "items": items}
        issue.changelog.append(entry)
        self.tell("avi:jira:updated:issue", issue, actor, changelog={"id": entry["id"], "items": items})
        if "assignee" in changes:
            self.tell("avi:jira:assigned:issue", issue, actor)

    def add_comment(self, issue: Issue, body: Json, actor: str) -> Json:
        """Add a comment."""
        identity = self.new_id()
        comment = {
            "self": f"{self.api}/issue/{issue.id}/comment/{identity}",
            "id": identity,
            "author": self.user(actor),
            "updateAuthor": self.user(actor),
            "body": body,
            "created": stamp(),
            "updated": stamp(),
            "jsdPublic": True,
        }
        issue.comments.append(comment)
        self.tell("avi:jira:commented:issue", issue, actor, comment=comment)
        return comment

    def show(self, issue: Issue, wanted: list[str] | None = None) -> Json:
        """An issue as the API gives it."""
        fields = dict(issue.fields)
        fields["comment"] = {
            "comments": issue.comments,
            "maxResults": len(issue.comments),
            "total": len(issue.comments),
            "startAt": 0,
            "self": f"{self.api}/issue/{issue.id}/comment",
        }
        if wanted is not None and not {"*all", "*navigable"} & set(wanted):
            fields = {name: value for name, value in fields.items() if name in wanted}
        return {"id": issue.id, "key": issue.key, "self": f"{self.api}/issue/{issue.id}", "fields": fields}

    def tell(self, event_type: str, issue: Issue, actor: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        """Tell the listeners of an event, in Forge's form."""
        event = {
            "eventType": event_type,
            "timestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
            "atlassianId": actor,
            "selfGenerated": actor == APP_ACCOUNT,
            "jiraEventTypeName": "issue_created" if "created" in event_type else "issue_generic",
            "issue": {"id": issue.id, "key": issue.key, "fields": dict(issue.fields)},
            "associatedUsers": {"users": [{"accountId": actor}]},
            **more,
        }
        for listener in self.listeners:
            listener(event_type, event)


def stamp() -> str:
    """Now, as Jira writes it."""
    now = datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"


def _identify(value: object) -> str | None:
    return str(value.get("id") or value.get("accountId") or "") if isinstance(value, dict) else None


def _name(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or value.get("displayName") or value.get("value") or "")
    return (
        " ".join(_name(each) if isinstance(each, dict) else str(each) for each in value)
        if isinstance(value, list)
        else ""
        if value is None
        else str(value)
    )
