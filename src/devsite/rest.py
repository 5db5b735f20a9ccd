"""Jira's REST v3, as far as the stand-in speaks it: checks, changes the state, answers in Jira's form. Called by app.py."""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from devsite import custom_fields
from devsite.adf import is_document
from devsite.jql import JqlError, read_field, read_jql
from devsite.state import LINK_TYPES, PEOPLE, PRIORITIES, STATUSES, TRANSITIONS, TYPES, Issue, Json, Site

PROPERTY_MAX_CHARACTERS = 32_768
WRITES_IN_TWO_SECONDS = 20
WRITES_IN_HALF_A_MINUTE = 100
NEEDED = {
    "summary": "You must specify a summary of the issue.",
    "issuetype": "Specify an issue type",
    "project": "project is required",
}
EDITABLE = {
    "summary",
    "description",
    "labels",
    "priority",
    "assignee",
    "duedate",
    "environment",
    "issuetype",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who, what."""

    site: Site
    actor: str
    method: str
    query: dict[str, str]
    body: Any


class RefusedError(Exception):
    """An answer in Jira's error form."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}


Answer = tuple[int, Any]
Handler = Callable[..., Answer]


class Writes:
    """Jira's limit of writes to one issue."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def allow(self, issue: str) -> bool:
        """Note a write; False when there were too many."""
        now = time.monotonic()
        times = self._times.setdefault(issue, deque(maxlen=WRITES_IN_HALF_A_MINUTE))
        recent = sum(1 for each in times if now - each < 2)  # noqa: PLR2004 - seconds
        if recent >= WRITES_IN_TWO_SECONDS or (len(times) == WRITES_IN_HALF_A_MINUTE and now - times[0] < 30):  # noqa: PLR2004
            return False
        times.append(now)
        return True


def answer(path: str, asked: Asked) -> Answer:
    """Answer one request; `path` is below /rest/api/3."""
    for method, pattern, handler in ROUTES:
        found = pattern.fullmatch(path)
        if found and method == asked.method:
            return handler(asked, *found.groups())
    if any(pattern.fullmatch(path) for _, pattern, _ in ROUTES):
        raise RefusedError(405, "Method Not Allowed")
    raise RefusedError(404, "null for uri: unknown path")


def _issue(asked: Asked, key: str) -> Issue:
    found = asked.site.find(key)
    if found is None:
        raise RefusedError(404, "Issue does not exist or you do not have permission to see it.")
    return found


def _body(asked: Asked) -> Json:
    if not isinstance(asked.body, dict):
        raise RefusedError(400, "There was an error parsing JSON. Check that your request body is valid.")
    return asked.body


def _check_fields(site: Site, given: Json, *, creating: bool) -> Json:
    fields: Json = {}
    errors: dict[str, str] = {}
    for name, value in given.items():
        if name == "project" and creating:
            if (
                not isinstance(value, dict)
                or site.project["key"] != value.get("key", site.project["key"])
                or not ({"key", "id"} & set(value))
            ):
                errors["project"] = "valid project is required"
        elif name == "issuetype":
            kind = site.issue_type(value) if isinstance(value, dict) else None
            fields[name] = kind
            if kind is None:
                errors["issuetype"] = "Specify a valid issue type"
        elif name == "priority":
            priority = site.priority(value) if isinstance(value, dict) else None
            fields[name] = priority
            if priority is None:
                errors["priority"] = "Specify a valid priority"
        elif name == "assignee":
            user = site.user(str((value or {}).get("accountId") or (value or {}).get("id"))) if value else None
            fields[name] = user
            if value and user is None and (value.get("accountId") or value.get("id")):
                errors["assignee"] = "Specify a valid value for assignee"
        elif name in {"description", "environment"}:
            fields[name] = value
            if value is not None and not is_document(value):
                errors[name] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        elif name == "labels":
            fields[name] = value
            if not isinstance(value, list) or any(not isinstance(each, str) or " " in each or not each for each in value):
                errors[name] = "The label must not contain spaces."
        elif name == "summary":
            fields[name] = value
            if not isinstance(value, str) or not value.strip():
                errors[name] = "You must specify a summary of the issue."
            elif len(value) > 255 or "\n" in value:  # noqa: PLR2004 - Jira's limit
                errors[name] = "Summary can't exceed 255 characters and must be one line."
        elif name in custom_fields.BY_ID:
            try:
                fields[name] = custom_fields.BY_ID[name].read(value, site.api)
            except ValueError as error:
                errors[name] = str(error)
        elif name in EDITABLE:
            fields[name] = value
        else:
            errors[name] = f"Field '{name[:50]}' cannot be set. It is not on the appropriate screen, or unknown."
    if creating:
        errors |= {name: message for name, message in NEEDED.items() if name not in given}
    if errors:
        raise RefusedError(400, **errors)
    return fields


def create_issue(asked: Asked) -> Answer:
    """POST /issue."""
    given = _body(asked).get("fields")
    if not isinstance(given, dict):
        raise RefusedError(400, "fields are required")
    issue = asked.site.add_issue(_check_fields(asked.site, given, creating=True), asked.actor)
    return 201, {"id": issue.id, "key": issue.key, "self": f"{asked.site.api}/issue/{issue.id}"}


def create_issues(asked: Asked) -> Answer:
    """POST /issue/bulk."""
    updates = _body(asked).get("issueUpdates")
    if not isinstance(updates, list) or not 1 <= len(updates) <= 50:  # noqa: PLR2004 - Jira's limit
        raise RefusedError(400, "issueUpdates must have 1 to 50 issues")
    made, errors = [], []
    for number, each in enumerate(updates):
        try:
            made.append(create_issue(Asked(asked.site, asked.actor, "POST", {}, each))[1])
        except RefusedError as error:
            errors.append({"status": error.status, "elementErrors": error.body, "failedElementNumber": number})
    return (201 if made else 400), {"issues": made, "errors": errors}


def get_issue(asked: Asked, key: str) -> Answer:
    """GET /issue/{key}."""
    wanted = asked.query["fields"].split(",") if "fields" in asked.query else None
    shown = asked.site.show(_issue(asked, key), wanted)
    if "names" in asked.query.get("expand", "").split(","):
        shown["names"] = custom_fields.list_names(shown["fields"])
    return 200, shown


def edit_issue(asked: Asked, key: str) -> Answer:
    """PUT /issue/{key}: `fields` and `update`."""
    issue, body = _issue(asked, key), _body(asked)
    changes = _check_fields(asked.site, body.get("fields") or {}, creating=False)
    for name, operations in (body.get("update") or {}).items():
        if name != "labels" or not isinstance(operations, list):
            raise RefusedError(400, **{str(name)[:50]: "This field can't be updated by operations here."})
        labels: Any = list(changes.get("labels") or issue.fields["labels"])
        for each in operations:
            operation, label = next(iter(each.items())) if isinstance(each, dict) and len(each) == 1 else ("", "")
            if operation == "add" and label not in labels:
                labels.append(label)
            elif operation == "remove":
                labels = [known for known in labels if known != label]
            elif operation == "set":
                labels = label
            elif operation != "add":
                raise RefusedError(400, labels="Use add, remove or set.")
        changes |= _check_fields(asked.site, {"labels": labels}, creating=False)
    asked.site.change(issue, changes, asked.actor)
    return 204, None


def delete_issue(asked: Asked, key: str) -> Answer:
    """DELETE /issue/{key}."""
    issue = _issue(asked, key)
    del asked.site.issues[issue.key]
    asked.site.tell("avi:jira:deleted:issue", issue, asked.actor)
    return 204, None


def list_comments(asked: Asked, key: str) -> Answer:
    """GET /issue/{key}/comment."""
    comments = _issue(asked, key).comments
    return 200, {"comments": comments, "maxResults": 5000, "total": len(comments), "startAt": 0}


def add_comment(asked: Asked, key: str) -> Answer:
    """POST /issue/{key}/comment."""
    issue, body = _issue(asked, key), _body(asked).get("body")
    if not is_document(body) or not body.get("content"):  # type: ignore[union-attr]
        raise RefusedError(400, comment="Comment body is not valid!")
    return 201, asked.site.add_comment(issue, body, asked.actor)  # type: ignore[arg-type]


def handle_comment(asked: Asked, key: str, identity: str) -> Answer:
    """GET, PUT, DELETE /issue/{key}/comment/{id}."""
    issue = _issue(asked, key)
    comment = next((each for each in issue.comments if each["id"] == identity), None)
    if comment is None:
        raise RefusedError(404, "Can not find a comment for the id.")
    if asked.method == "DELETE":
        issue.comments.remove(comment)
        return 204, None
    if asked.method == "PUT":
        body = _body(asked).get("body")
        if not is_document(body):
            raise RefusedError(400, comment="Comment body is not valid!")
        comment["body"] = body
    return 200, comment


def list_transitions(asked: Asked, key: str) -> Answer:
    """GET /issue/{key}/transitions."""
    _issue(asked, key)
    return 200, {
        "expand": "transitions",
        "transitions": [
            {
                "id": identity,
                "name": name,
                "to": asked.site.status(number),
                "hasScreen": False,
                "isGlobal": True,
                "isInitial": False,
                "isAvailable": True,
                "isConditional": False,
                "isLooped": False,
            }
            for identity, name, number in TRANSITIONS
        ],
    }


def take_transition(asked: Asked, key: str) -> Answer:
    """POST /issue/{key}/transitions."""
    issue, body = _issue(asked, key), _body(asked)
    wanted = body.get("transition")
    number = next((each[2] for each in TRANSITIONS if isinstance(wanted, dict) and each[0] == wanted.get("id")), None)
    if number is None:
        raise RefusedError(400, "It seems that you have tried to perform an illegal workflow operation.")
    changes = _check_fields(asked.site, body.get("fields") or {}, creating=False)
    asked.site.change(issue, changes | {"status": asked.site.status(number)}, asked.actor)
    return 204, None


def assign(asked: Asked, key: str) -> Answer:
    """PUT /issue/{key}/assignee."""
    issue, account = _issue(asked, key), _body(asked).get("accountId")
    user = asked.site.user(account) if isinstance(account, str) else None
    if account is not None and user is None:
        raise RefusedError(400, assignee="User does not exist.")
    asked.site.change(issue, {"assignee": user}, asked.actor)
    return 204, None


def show_changelog(asked: Asked, key: str) -> Answer:
    """GET /issue/{key}/changelog."""
    entries = [
        each | {"items": [{name: part for name, part in item.items() if part is not None} for item in each["items"]]}
        for each in _issue(asked, key).changelog
    ]
    return 200, {"startAt": 0, "maxResults": 100, "total": len(entries), "isLast": True, "values": entries}


def handle_property(asked: Asked, key: str, name: str) -> Answer:
    """GET, PUT, DELETE /issue/{key}/properties/{name}."""
    return keep_property(asked, _issue(asked, key).properties, name)


def keep_property(asked: Asked, properties: Json, name: str) -> Answer:
    """Get, set or delete one property."""
    if asked.method == "PUT":
        if asked.body is None or len(orjson.dumps(asked.body).decode()) > PROPERTY_MAX_CHARACTERS:
            raise RefusedError(400, "The property value must be JSON of at most 32768 characters.")
        status = 200 if name in properties else 201
        properties[name] = asked.body
        return status, {}
    if name not in properties:
        raise RefusedError(404, "The property does not exist.")
    if asked.method == "DELETE":
        del properties[name]
        return 204, None
    return 200, {"key": name, "value": properties[name]}


def list_properties(asked: Asked, key: str) -> Answer:
    """GET /issue/{key}/properties."""
    issue = _issue(asked, key)
    return 200, {
        "keys": [{"key": name, "self": f"{asked.site.api}/issue/{issue.id}/properties/{name}"} for name in issue.properties]
    }


def link_issues(asked: Asked) -> Answer:
    """POST /issueLink."""
    body = _body(asked)
    kind = next(
        (each for each in LINK_TYPES if each[1].casefold() == str((body.get("type") or {}).get("name", "")).casefold()), None
    )
    if kind is None:
        raise RefusedError(404, "No issue link type with that name found.")
    inward, outward = (_issue(asked, str((body.get(side) or {}).get("key", ""))) for side in ("inwardIssue", "outwardIssue"))
    link_type = {
        "id": kind[0],
        "name": kind[1],
        "inward": kind[2],
        "outward": kind[3],
        "self": f"{asked.site.api}/issueLinkType/{kind[0]}",
    }
    for issue, side, other in ((inward, "outwardIssue", outward), (outward, "inwardIssue", inward)):
        issue.fields["issuelinks"] = [
            *issue.fields["issuelinks"],
            {"id": asked.site.new_id(), "type": link_type, side: {"id": other.id, "key": other.key}},
        ]
    return 201, None


def search(asked: Asked) -> Answer:
    """GET and POST /search/jql."""
    given = asked.query if asked.method == "GET" else _body(asked)
    condition, order, bounded = _read_query(asked, str(given.get("jql", "")))
    if not bounded:
        raise RefusedError(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    issues = [issue for issue in asked.site.issues.values() if condition(issue)]
    for field, descending in reversed(order):
        issues.sort(key=partial(_order_by, field), reverse=descending)
    size = max(1, min(5000, int(given.get("maxResults", 50))))
    token = str(given.get("nextPageToken") or "0")
    if not token.isdecimal():
        raise RefusedError(400, "The nextPageToken is not valid.")
    start = int(token)
    fields = given.get("fields", "id")
    wanted = fields.split(",") if isinstance(fields, str) else list(fields)
    page: Json = {
        "issues": [asked.site.show(issue, wanted) for issue in issues[start : start + size]],
        "isLast": start + size >= len(issues),
    }
    return 200, page if page["isLast"] else page | {"nextPageToken": str(start + size)}


def _order_by(field: str, issue: Issue) -> str:
    return str(read_field(issue, field) or "")


def count(asked: Asked) -> Answer:
    """POST /search/approximate-count."""
    condition, _, _ = _read_query(asked, str(_body(asked).get("jql", "")))
    return 200, {"count": sum(1 for issue in asked.site.issues.values() if condition(issue))}


def _read_query(asked: Asked, jql: str) -> tuple[Callable[[Issue], bool], list[tuple[str, bool]], bool]:
    try:
        return read_jql(jql, asked.actor)
    except JqlError:
        raise RefusedError(400, "Error in the JQL Query.") from None


def fetch_issues(asked: Asked) -> Answer:
    """POST /issue/bulkfetch."""
    body = _body(asked)
    keys = body.get("issueIdsOrKeys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= 100:  # noqa: PLR2004 - Jira's limit
        raise RefusedError(400, "issueIdsOrKeys must have 1 to 100 entries")
    found = [asked.site.find(str(key)) for key in keys]
    return 200, {"issues": [asked.site.show(each, body.get("fields")) for each in found if each], "issueErrors": []}


def list_fields(_asked: Asked) -> Answer:
    """GET /field."""
    return 200, custom_fields.list_fields()


def myself(asked: Asked) -> Answer:
    """GET /myself."""
    return 200, asked.site.user(asked.actor)


def get_user(asked: Asked) -> Answer:
    """GET /user."""
    user = asked.site.user(asked.query.get("accountId", ""))
    if user is None:
        raise RefusedError(404, "Specified user does not exist or you do not have required permissions")
    return 200, user


def list_users(asked: Asked) -> Answer:
    """GET /users/search."""
    return 200, [asked.site.user(each[0]) for each in PEOPLE]


def search_projects(asked: Asked) -> Answer:
    """GET /project/search."""
    return 200, {
        "self": f"{asked.site.api}/project/search",
        "maxResults": 50,
        "startAt": 0,
        "total": 1,
        "isLast": True,
        "values": [asked.site.project],
    }


def get_project(asked: Asked, key: str) -> Answer:
    """GET /project/{key}."""
    if key not in {asked.site.project["key"], asked.site.project["id"]}:
        raise RefusedError(404, "No project could be found with that key.")
    return 200, asked.site.project


def list_types(asked: Asked) -> Answer:
    """GET /issuetype."""
    return 200, [asked.site.issue_type({"id": each[0]}) for each in TYPES]


def list_priorities(asked: Asked) -> Answer:
    """GET /priority."""
    return 200, [asked.site.priority({"id": each[0]}) for each in PRIORITIES]


def list_statuses(asked: Asked) -> Answer:
    """GET /status."""
    return 200, [asked.site.status(number) for number in range(len(STATUSES))]


def list_link_types(_asked: Asked) -> Answer:
    """GET /issueLinkType."""
    return 200, {
        "issueLinkTypes": [{"id": each[0], "name": each[1], "inward": each[2], "outward": each[3]} for each in LINK_TYPES]
    }


def check_permissions(asked: Asked) -> Answer:
    """POST /permissions/check: here everybody may do everything on issues that are there."""
    given = _body(asked).get("projectPermissions") or []
    granted = [
        {"permission": name, "issues": each.get("issues", []), "projects": each.get("projects", [])}
        for each in given
        for name in each.get("permissions", [])
    ]
    return 200, {"projectPermissions": granted, "globalPermissions": _body(asked).get("globalPermissions", [])}


def get_attachment(asked: Asked, identity: str) -> Answer:
    """GET /attachment/{id}."""
    for issue in asked.site.issues.values():
        for each in issue.fields["attachment"]:
            if each["id"] == identity:
                return 200, each
    raise RefusedError(404, "The attachment with the id does not exist")


def server_info(asked: Asked) -> Answer:
    """GET /serverInfo: the one that needs no token."""
    return 200, {
        "baseUrl": asked.site.base_url,
        "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0],
        "deploymentType": "Cloud",
        "buildNumber": 100_000,
        "serverTitle": "Development Jira site",
    }


ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    (method, re.compile(pattern), handler)
    for methods, pattern, handler in (
        ("POST", r"/issue", create_issue),
        ("POST", r"/issue/bulk", create_issues),
        ("POST", r"/issue/bulkfetch", fetch_issues),
        ("POST", r"/issueLink", link_issues),
        ("GET", r"/issueLinkType", list_link_types),
        ("GET", r"/issue/([^/]+)", get_issue),
        ("PUT", r"/issue/([^/]+)", edit_issue),
        ("DELETE", r"/issue/([^/]+)", delete_issue),
        ("GET", r"/issue/([^/]+)/comment", list_comments),
        ("POST", r"/issue/([^/]+)/comment", add_comment),
        ("GET PUT DELETE", r"/issue/([^/]+)/comment/([^/]+)", handle_comment),
        ("GET", r"/issue/([^/]+)/transitions", list_transitions),
        ("POST", r"/issue/([^/]+)/transitions", take_transition),
        ("PUT", r"/issue/([^/]+)/assignee", assign),
        ("GET", r"/issue/([^/]+)/changelog", show_changelog),
        ("GET", r"/issue/([^/]+)/properties", list_properties),
        ("GET PUT DELETE", r"/issue/([^/]+)/properties/([^/]+)", handle_property),
        ("GET POST", r"/search/jql", search),
        ("POST", r"/search/approximate-count", count),
        ("GET", r"/field", list_fields),
        ("GET", r"/myself", myself),
        ("GET", r"/user", get_user),
        ("GET", r"/users/search", list_users),
        ("GET", r"/project/search", search_projects),
        ("GET", r"/project/([^/]+)", get_project),
        ("GET", r"/issuetype", list_types),
        ("GET", r"/priority", list_priorities),
        ("GET", r"/status", list_statuses),
        ("POST", r"/permissions/check", check_permissions),
        ("GET", r"/attachment/([^/]+)", get_attachment),
        ("GET", r"/serverInfo", server_info),
    )
    for method in methods.split()
]
