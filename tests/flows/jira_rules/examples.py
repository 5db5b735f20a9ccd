"""An example of each component type of Jira Automation, in the shapes of real exports: type, value, and the verdict that it gets.

A type without an example fails test_types.py.
"""

from typing import Any

SAME, NEAR, NONE = "translated", "approximated", "not_translatable"
ARI = "ari:cloud:jira:11111111-2222-3333-4444-555555555555:project/10001"
SCOPE = {"eventFilters": [ARI]}


def _field(name: str, kind: str, value: object, word: str = "SET", by: str = "ID") -> dict[str, Any]:
    return {"field": {"type": by, "value": name}, "fieldType": kind, "type": word, "value": value}


WEBHOOK_TRIGGER = {"webhookToken": "420669f416dd87c9e049c55bd0faadd1d7e818b4", "searchOrProvide": "none", "jql": ""}
SCHEDULE = {"schedule": {"cronExpression": "0 0 2 ? * MON-FRI", "method": "CRON", "rate": 0, "rateInterval": 0, "rRule": None}}

TRIGGERS: list[tuple[str, Any, str]] = [
    ("jira.issue.event.trigger:created", SCOPE | {"eventKey": "jira:issue_created", "issueEvent": "issue_created"}, SAME),
    ("jira.issue.event.trigger:updated", SCOPE, SAME),
    (
        "jira.issue.event.trigger:transitioned",
        SCOPE | {"fromStatus": [{"type": "NAME", "value": "To Do"}], "toStatus": [{"type": "ID", "value": "10002"}]},
        SAME,
    ),
    ("jira.issue.event.trigger:assigned", SCOPE, SAME),
    ("jira.issue.event.trigger:commented", SCOPE | {"commentType": "all"}, SAME),
    ("jira.issue.event.trigger:deleted", SCOPE, NEAR),
    (
        "jira.issue.field.changed",
        SCOPE
        | {
            "changeType": "ANY_CHANGE",
            "fields": [{"value": "customfield_10010", "type": "ID"}, {"value": "Region", "type": "fieldName"}],
            "actions": [],
        },
        SAME,
    ),
    ("jira.issue.linked", {"linkTypes": ["10000"]}, NEAR),
    ("jira.issue.event.trigger:link", {"linkTypes": []}, NEAR),
    ("jira.issue.event.trigger:linked", {}, NEAR),
    ("jira.issue.link.deleted", {}, NEAR),
    ("jira.issue.moved", {}, NEAR),
    ("jira.issue.event.trigger:moved", {}, NEAR),
    ("jira.issue.attachment.added", {}, NEAR),
    (
        "jira.multiple.issue.event",
        {
            "events": [
                {"key": "jira:issue_created", "event": "issue_created"},
                {"key": "jira:issue_updated", "event": "issue_assigned"},
            ]
        },
        NEAR,
    ),
    ("jira.manual.trigger", {"groups": []}, NEAR),
    ("jira.manual.trigger.issue", {"groups": ["admins"]}, NEAR),
    (
        "jira.manual.trigger.issue.action",
        {"inputPrompts": [{"variableName": "why", "displayName": "Why?", "inputType": "TEXT", "required": True}]},
        NEAR,
    ),
    (
        "jira.jql.scheduled",
        SCHEDULE
        | {
            "timezone": "Europe/Berlin",
            "jql": "project = OPS ORDER BY created",
            "executionMode": "jql",
            "onlyUpdatedIssues": False,
        },
        SAME,
    ),
    (
        "jira.issue.scheduled",
        SCHEDULE | {"timezone": "UTC", "jql": "", "executionMode": "nosearch"},
        SAME,
    ),
    (
        "jira.scheduled.trigger",
        SCHEDULE | {"timezone": "UTC", "jql": "", "executionMode": "nosearch"},
        SAME,
    ),
    ("jira.incoming.webhook", WEBHOOK_TRIGGER, SAME),
    *((f"jira.sprint.event:{word}", {}, NEAR) for word in ("created", "started", "completed")),
    *((f"jira.sprint.event.trigger:{word}", {"boardId": 7}, NEAR) for word in ("created", "started", "completed")),
    *((f"jira.version.event:{word}", {}, NEAR) for word in ("created", "updated", "released", "unreleased")),
    *((f"jira.version.event.trigger:{word}", {}, NEAR) for word in ("created", "updated", "released", "unreleased")),
    ("jira.issue.event.trigger:worklog", {"actions": []}, NEAR),
    ("jira.worklog.event:created", {}, NEAR),
    *((name, {}, NONE) for name in ("jira.issue.property.updated", "jira.issue.archived", "jira.issue.restored")),
    *(
        (name, {}, NONE)
        for name in (
            "jira.sla.breach",
            "jira.sla.threshold",
            "jira.sla.threshold.trigger",
            "jira.form.submitted",
            "jira.proforma.form.submitted",
        )
    ),
    ("devops.deploy.event.trigger:statechange", {}, NONE),
    *(
        (f"devops.{name}", {}, NONE)
        for name in ("branch.created", "commit.created", "pullrequest.created", "pullrequest.merged", "pullrequest.declined")
    ),
    *((f"devops.{name}", {}, NONE) for name in ("build.status.changed", "deployment.status.changed", "vulnerability.found")),
    *((name, {}, NONE) for name in ("cmdb.object.trigger", "jira.assets.object.trigger", "jira.alert.event")),
]
_BUG = {"selectedField": {"type": "ID", "value": "issuetype"}, "selectedFieldType": "issuetype", "comparison": "EQUALS"}
CONDITIONS: list[tuple[str, Any, str]] = [
    (
        "jira.comparator.condition",
        {"first": "{{issue.summary.toLowerCase()}}", "second": "urgent", "operator": "CONTAINS"},
        SAME,
    ),
    ("jira.issue.condition", _BUG | {"compareValue": {"type": "ID", "value": "10004", "multiValue": False}}, SAME),
    ("jira.jql.condition", "project = OPS AND labels = late ORDER BY created", NEAR),
    (
        "jira.user.condition",
        {
            "conditions": [
                {"field": "initiator", "check": "IS_NOT", "criteria": [{"type": "ID", "value": "5b10a2844c20165700ede21g"}]}
            ],
            "operator": "OR",
        },
        SAME,
    ),
    ("jira.issue.hasAttachments", False, SAME),
    ("jira.issue.attachment.condition", {"condition": "EXISTS"}, SAME),
    (
        "jira.issues.related.condition",
        {"relatedType": "linked", "linkTypes": ["blocks"], "operator": "present", "relatedJql": "", "compareJql": ""},
        NEAR,
    ),
    *(
        (name, {}, NONE)
        for name in ("jira.forms.condition", "jira.proforma.form.condition", "cmdb.object.condition", "jira.assets.condition")
    ),
]
BRANCHES: list[tuple[str, Any, str]] = [
    (
        "jira.issue.related",
        {"relatedType": "subtasks", "jql": "", "linkTypes": [], "onlyUpdatedIssues": False, "compareValue": 0},
        SAME,
    ),
    (
        "jira.smart.values.branch",
        {
            "query": {"type": "SMART", "value": "{{issue.customfield_10651}}"},
            "name": {"type": "FREE", "value": "member"},
            "type": "SMART",
        },
        SAME,
    ),
    (
        "jira.smart.value.branch",
        {"smartValue": {"type": "SMART", "value": "{{issue.components}}"}, "variableName": "part"},
        SAME,
    ),
    ("jira.advanced.branch", {"smartValue": "{{issue.labels}}", "variableName": "Each Label"}, SAME),
    ("automation.advanced.branch", {"smartValue": "issue.labels", "variableName": "one"}, SAME),
]
_CREATE = [
    _field("project", "project", {"type": "ID", "value": "10001"}),
    _field("issuetype", "issuetype", {"type": "NAME", "value": "Task"}),
    _field("summary", "summary", "After {{issue.key}}"),
    _field("customfield_10020", "com.atlassian.jira.plugin.system.customfieldtypes:select", {"type": "NAME", "value": "L2"}),
]
_SUBTASK = [
    _field("summary", "summary", "Part of {{issue.key}}"),
    _field("issuetype", "issuetype", {"type": "ID", "value": "10005"}),
]
_HEADERS = [
    {"name": "Authorization", "value": "Bearer abcdefgh12345678", "headerSecure": True},
    {"name": "Content-Type", "value": "application/json"},
]
_MAIL = {
    "to": [{"type": "COPY", "value": "reporter"}],
    "cc": [],
    "bcc": [],
    "subject": "{{issue.key}}",
    "body": "<p>Hello</p>",
    "mimeType": "text/html",
}
ACTIONS: list[tuple[str, Any, str]] = [
    ("jira.issue.create", {"operations": _CREATE, "sendNotifications": False}, SAME),
    (
        "jira.issue.create.subtasks",
        {"subtasks": [{"id": "1", "type": "10003", "summary": "Part of {{issue.key}}"}, {"type": "Sub-task", "summary": "b"}]},
        SAME,
    ),
    ("jira.issue.create.subtask", {"operations": _SUBTASK}, SAME),
    (
        "jira.issue.edit",
        {
            "operations": [
                _field("priority", "priority", {"type": "ID", "value": "2"}),
                _field("labels", "labels", ["seen"], "ADD"),
            ],
            "advancedFields": None,
        },
        SAME,
    ),
    (
        "jira.issue.transition",
        {"operations": [], "destinationStatus": {"type": "ID", "value": "10002"}, "transitionMatch": ""},
        SAME,
    ),
    (
        "jira.issue.assign",
        {"assignType": "SPECIFY_USER", "assignee": {"type": "ID", "value": "5b10a2844c20165700ede21g"}},
        SAME,
    ),
    ("jira.issue.clone", {"operations": []}, NEAR),
    ("jira.issue.delete", {}, SAME),
    (
        "jira.issue.comment",
        {
            "comment": "Seen, {{issue.reporter.displayName}}",
            "publicComment": True,
            "commentVisibility": None,
            "addCommentOnce": False,
        },
        SAME,
    ),
    ("jira.issue.link", {"linkType": "outward:10003", "issue": {"type": "COPY", "value": "trigger"}}, SAME),
    ("jira.issue.delete.link", {"linkTypes": ["outward:10003"]}, SAME),
    ("jira.issue.deletelink", {"linkTypes": ["inward:10003"]}, SAME),
    *(
        (
            name,
            {
                "name": {"type": "FREE", "value": "lookupIssues"},
                "type": "JQL",
                "query": {"type": "SMART", "value": "parent = {{issue.key}}"},
                "lazy": False,
            },
            SAME,
        )
        for name in ("jira.lookup.issues", "jira.issue.lookup")
    ),
    ("jira.issue.refresh.issue", {"delayMs": None}, SAME),
    ("jira.issue.refetch", {}, SAME),
    (
        "jira.worklog.add",
        {
            "timeSpent": "1h",
            "dateStarted": {"type": "SMART", "value": "{{now}}"},
            "description": "by {{initiator.accountId}}",
            "adjustEstimate": "ADJUST_AUTOMATICALLY",
            "remainingEstimateValue": None,
            "visibility": None,
        },
        SAME,
    ),
    ("jira.issue.log.work", {"timeSpent": "1h", "comment": "by {{initiator.accountId}}", "startDate": "{{now}}"}, SAME),
    (
        "jira.issue.add.watcher",
        {
            "watchers": [{"type": "ID", "value": "5b10a2844c20165700ede21g"}, {"type": "COPY", "value": "reporter"}],
            "removeWatchers": [],
            "removeAll": False,
        },
        SAME,
    ),
    ("jira.issue.watchers", {"removeWatchers": [{"type": "ID", "value": "5b10a2844c20165700ede21g"}]}, SAME),
    (
        "jira.set.entity.property",
        {"entityType": "ISSUE", "entity": None, "key": "seen", "value": '{"by": "us"}'},
        SAME,
    ),
    ("jira.work-item.remote-link.add", {"url": "https://wiki.example.com/{{issue.key}}", "title": "Page"}, SAME),
    (
        "jira.issue.set.security.level",
        {"issueSecurityScheme": {"type": "ID", "value": "10000"}, "securityLevel": {"type": "ID", "value": "10001"}},
        SAME,
    ),
    ("jira.issue.archive", {}, NEAR),
    (
        "jira.issue.entity.property",
        {"entityType": "issue", "propertyKey": "seen", "propertyValue": '{"by": "us", "key": "{{issue.key}}"}'},
        SAME,
    ),
    ("jira.issue.outgoing.email", _MAIL, NEAR),
    (
        "jira.issue.outgoing.webhook",
        {
            "url": "https://api.example.com/v1/notes?kind=a",
            "headers": _HEADERS,
            "method": "POST",
            "contentType": "custom",
            "customBody": '{"key": "{{issue.key}}"}',
            "responseEnabled": True,
        },
        SAME,
    ),
    (
        "jira.issue.webhook",
        {"url": "https://api.example.com/{{issue.key}}", "method": "GET", "contentType": "empty", "responseEnabled": True},
        SAME,
    ),
    (
        "jira.issue.web.request",
        {"url": "https://api.example.com/in", "method": "PUT", "contentType": "empty", "responseEnabled": True},
        SAME,
    ),
    (
        "jira.issue.slack.message",
        {
            "webhookUrl": "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc",
            "channel": "#ops",
            "message": "{{issue.key}}",
        },
        NEAR,
    ),
    ("slack.notification", {"channel": "#ops", "message": "{{issue.url}}"}, NEAR),
    (
        "jira.create.variable",
        {
            "name": {"type": "FREE", "value": "team"},
            "type": "SMART",
            "query": {"type": "SMART", "value": "{{issue.project.key}}-team"},
            "lazy": False,
        },
        SAME,
    ),
    *(
        (name, {"name": {"type": "FREE", "value": "owners"}, "mappings": [{"key": "OPS", "value": "ann"}]}, SAME)
        for name in ("jira.create.mapping-variable", "jira.create.lookup.table", "jira.lookup.table")
    ),
    *((name, "Seen {{issue.key}}", NEAR) for name in ("codebarrel.action.log", "jira.issue.log")),
    *(
        (name, {"delay": {"value": 5, "unit": "MINUTES"}}, SAME)
        for name in ("jira.delay", "automation.delay", "codebarrel.action.delay")
    ),
    ("jira.version.create", {"versionName": "{{now.jqlDate}}", "project": {"type": "ID", "value": "10001"}}, SAME),
    ("jira.version.release", {"version": {"type": "ID", "value": "10100"}}, SAME),
    ("jira.version.unrelease", {"version": {"type": "ID", "value": "10100"}}, SAME),
    ("jira.issue.delete.comment", {"commentId": {"type": "SMART", "value": "{{comment.id}}"}}, SAME),
    (
        "jira.issue.comment.update",
        {"commentId": {"type": "SMART", "value": "{{issue.comments.last.id}}"}, "comment": "Seen", "editVisibility": False},
        SAME,
    ),
    ("jira.issue.deleteattachment", {"regex": r".*\.exe", "matches": "matches"}, SAME),
    ("jira.issue.delete.attachment", {"regex": "report.*", "matches": "not_matches"}, SAME),
    *(
        (name, {}, NONE)
        for name in (
            "jira.sd.create.request",
            "jira.sd.add.customer",
            "jira.auto.approve.action",
            "jira.edit.request.type",
            "jsm.create.incident",
            "com.codebarrel.automation.rulecomponent.jira.action.msteams",
            "jira.issue.servicedesk.request.create",
            "jira.issue.servicedesk.customer.add",
            "msteams.notification",
            "jira.issue.msteams",
        )
    ),
    *(
        (name, {}, NONE)
        for name in (
            "googlechat.notification",
            "jira.rovo.agent",
            "rovo.agent.invoke",
            "automation.rovo.agent",
            "jira.board.issue.move",
            "jira.sprint.create",
            "jira.create.dynamic-mapping-variable",
            "action.send-templated-email",
        )
    ),
    *((name, {}, NONE) for name in ("jira.issue.publish.event", "jira.issue.twilio", "codebarrel.action.groovy")),
    *(
        (name, {}, NONE)
        for name in (
            "com.onresolve.jira.groovy.groovyrunner:execute-script-issue-action",
            "cmdb.object.create",
            "cmdb.object.edit.attributes",
            "jira.cmdb.field.edit.attributes",
            "cmdb.object.edit",
            "cmdb.lookup.objects",
        )
    ),
]


def component(kind: str, type_: str, value: object, **more: object) -> dict[str, Any]:
    """A component as exports write it."""
    return {
        "id": "1",
        "component": kind,
        "type": type_,
        "schemaVersion": 1,
        "value": value,
        "children": [],
        "conditions": [],
        **more,
    }


def rule(trigger: object, *components: dict[str, Any], **more: object) -> dict[str, Any]:
    """A rule as exports write it."""
    return {
        "id": 913,
        "name": "A rule",
        "state": "ENABLED",
        "description": "What it is for",
        "canOtherRuleTrigger": False,
        "notifyOnError": "FIRSTERROR",
        "authorAccountId": "557058:0",
        "actor": {"type": "ACCOUNT_ID", "actor": "557058:0"},
        "trigger": trigger,
        "components": list(components),
        "labels": [],
        **more,
    }


CREATED = component("TRIGGER", "jira.issue.event.trigger:created", {"eventFilters": []})
COMMENTED = component("TRIGGER", "jira.issue.event.trigger:commented", {})
COMMENT = component("ACTION", "jira.issue.comment", {"comment": "Seen {{issue.key}}"})
