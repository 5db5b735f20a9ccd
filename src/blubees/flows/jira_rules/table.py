"""The component types of Jira Automation: one entry a type, which says how it is translated. Called by walk.py and page.py.

A new type is a line here, an example in tests/flows/jira_rules/examples.py, and nothing else.
Source: type ids as they stand in exports and in the public API's answers (seen.py), others by hearsay: none is documented.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.flows.jira_rules import (
    actions,
    actions_more,
    attachments,
    branches,
    conditions,
    requests,
    triggers,
    versions,
)
from blubees.flows.jira_rules.build import UntranslatableError
from blubees.flows.jira_rules.report import Verdict

Translate = Callable[..., Any]
_BY_HAND: Final = "Write the part by hand, or leave the rule in Jira."


@dataclass(frozen=True, slots=True)
class Entry:
    """One component type.

    Attributes:
        becomes: what stands for it, in words; for those without a translation, why.
        translate: gives what stands for it, as the kind of component wants it; None: nothing does.
        to_do: what the reader can do instead.
        nearly: what stands for it always differs a little.
    """

    type: str
    becomes: str
    translate: Translate | None = None
    to_do: str = _BY_HAND
    nearly: bool = False

    @property
    def verdict(self) -> Verdict:
        """What its components get at best: some settings make an approximation of a translation."""
        if self.translate is None:
            return Verdict.NOT_TRANSLATABLE
        return Verdict.APPROXIMATED if self.nearly else Verdict.TRANSLATED

    def need(self) -> Translate:
        """Give `translate`. Raises UntranslatableError where there is none."""
        if self.translate is None:
            raise UntranslatableError(f"{self.becomes[0].upper()}{self.becomes[1:]}.", self.to_do)
        return self.translate


def _list(*entries: Entry) -> dict[str, Entry]:
    return {entry.type: entry for entry in entries}


def _none(reason: str, *types: str, to_do: str = _BY_HAND) -> tuple[Entry, ...]:
    return tuple(Entry(each, reason, None, to_do) for each in types)


def _same(becomes: str, translate: Translate, *types: str) -> tuple[Entry, ...]:
    return tuple(Entry(each, becomes, translate) for each in types)


def _near(becomes: str, translate: Translate, *types: str) -> tuple[Entry, ...]:
    return tuple(Entry(each, becomes, translate, nearly=True) for each in types)


_SLA: Final = "service levels send apps no event"
_DEVOPS: Final = "development tools send Jira Automation their events, and apps none"
_ASSETS: Final = "Assets has no part in what BluBees may ask for"
_SERVICE: Final = "service requests have no part in what BluBees may ask for"

TRIGGERS: Final = _list(
    *_same("the trigger jira.issue_created", triggers.start_created, "jira.issue.event.trigger:created"),
    *_same("the trigger jira.issue_updated", triggers.start_updated, "jira.issue.event.trigger:updated"),
    *_same(
        "the trigger jira.issue_updated, where the status changed",
        triggers.start_transitioned,
        "jira.issue.event.trigger:transitioned",
    ),
    *_same(
        "the trigger jira.issue_updated, where the assignee changed",
        triggers.start_assigned,
        "jira.issue.event.trigger:assigned",
    ),
    *_same("the trigger jira.issue_commented", triggers.start_commented, "jira.issue.event.trigger:commented"),
    *_near(
        "the trigger webhook, fed by a webhook of Jira's",
        triggers.start_by_jira_webhook("jira:issue_deleted", issue="webhookData.issue", triggerIssue="webhookData.issue"),
        "jira.issue.event.trigger:deleted",
    ),
    *_same(
        "the trigger jira.issue_updated, where one of the fields changed",
        triggers.start_field_changed,
        "jira.issue.field.changed",
    ),
    *_near(
        "the trigger jira.issue_updated, where a link was added",
        triggers.start_changelog("Link", "to"),
        "jira.issue.linked",
        "jira.issue.event.trigger:link",
        "jira.issue.event.trigger:linked",
    ),
    *_near(
        "the trigger jira.issue_updated, where a link was removed",
        triggers.start_changelog("Link", "from"),
        "jira.issue.link.deleted",
    ),
    *_near(
        "the trigger jira.issue_updated, where the project changed",
        triggers.start_changelog("project"),
        "jira.issue.moved",
        "jira.issue.event.trigger:moved",
    ),
    *_near(
        "the trigger jira.issue_updated, where an attachment was added",
        triggers.start_changelog("Attachment", "to"),
        "jira.issue.attachment.added",
    ),
    *_near("a flow for each of the events created, updated and commented", triggers.start_many, "jira.multiple.issue.event"),
    *_near(
        "the trigger manual, with the issue's key as input",
        triggers.start_by_hand,
        "jira.manual.trigger",
        "jira.manual.trigger.issue",
        "jira.manual.trigger.issue.action",
    ),
    *_same(
        "the trigger schedule", triggers.start_schedule, "jira.jql.scheduled", "jira.issue.scheduled", "jira.scheduled.trigger"
    ),
    *_same("the trigger webhook", triggers.start_webhook, "jira.incoming.webhook"),
    *(
        entry
        for word, event in (("created", "sprint_created"), ("started", "sprint_started"), ("completed", "sprint_closed"))
        for entry in _near(
            "the trigger webhook, fed by a webhook of Jira's",
            triggers.start_by_jira_webhook(event, sprint="webhookData.sprint"),
            f"jira.sprint.event:{word}",
            f"jira.sprint.event.trigger:{word}",
        )
    ),
    *(
        entry
        for word in ("created", "updated", "released", "unreleased")
        for entry in _near(
            "the trigger webhook, fed by a webhook of Jira's",
            triggers.start_by_jira_webhook(f"jira:version_{word}", version="webhookData.version"),
            f"jira.version.event:{word}",
            f"jira.version.event.trigger:{word}",
        )
    ),
    *_near(
        "the trigger webhook, fed by a webhook of Jira's",
        triggers.start_by_jira_webhook("worklog_created", worklog="webhookData.worklog"),
        "jira.issue.event.trigger:worklog",
        "jira.worklog.event:created",
    ),
    *_none("changes of properties send apps no event", "jira.issue.property.updated"),
    *_none("archiving exists in Data Center only", "jira.issue.archived", "jira.issue.restored"),
    *_none(
        _SLA,
        "jira.sla.breach",
        "jira.sla.threshold",
        "jira.sla.threshold.trigger",
        to_do='Use a schedule with a JQL such as "Time to resolution" = breached().',
    ),
    *_none(
        "forms send apps no event",
        "jira.form.submitted",
        "jira.proforma.form.submitted",
        to_do="Start by jira.issue_updated instead.",
    ),
    *_none(
        _DEVOPS,
        "devops.deploy.event.trigger:statechange",
        "devops.branch.created",
        "devops.commit.created",
        "devops.pullrequest.created",
        "devops.pullrequest.merged",
        "devops.pullrequest.declined",
        "devops.build.status.changed",
        "devops.deployment.status.changed",
        "devops.vulnerability.found",
        to_do="Have the tool send a webhook to a flow with the trigger webhook.",
    ),
    *_none(_ASSETS, "cmdb.object.trigger", "jira.assets.object.trigger"),
    *_none("alerts send apps no event", "jira.alert.event", to_do="Have the tool that alerts send a webhook."),
)
CONDITIONS: Final = _list(
    *_same("a condition", conditions.compare, "jira.comparator.condition"),
    *_same("a condition on the field", conditions.compare_field, "jira.issue.condition"),
    *_near("a search for the issue, and a condition on what it finds", conditions.match_jql, "jira.jql.condition"),
    *_same("a condition on account ids", conditions.compare_user, "jira.user.condition"),
    *_same(
        "a condition on the issue's attachments",
        conditions.has_attachments,
        "jira.issue.hasAttachments",
        "jira.issue.attachment.condition",
    ),
    *_near(
        "a search for related issues, and a condition on what it finds",
        conditions.compare_related,
        "jira.issues.related.condition",
    ),
    *_none("forms have no part in what BluBees may ask for", "jira.forms.condition", "jira.proforma.form.condition"),
    *_none(_ASSETS, "cmdb.object.condition", "jira.assets.condition"),
)
BRANCHES: Final = _list(
    *_same("a search and each", branches.branch_over_issues, "jira.issue.related"),
    *_same(
        "each",
        branches.branch_over_values,
        "jira.smart.values.branch",
        "jira.smart.value.branch",
        "jira.advanced.branch",
        "automation.advanced.branch",
    ),
)
ACTIONS: Final = _list(
    *_same("jira.create_issue", actions.create_issue, "jira.issue.create"),
    *_same(
        "jira.create_issue with a parent",
        actions.create_subtask,
        "jira.issue.create.subtasks",
        "jira.issue.create.subtask",
    ),
    *_same("jira.edit_issue", actions.edit_issue, "jira.issue.edit"),
    *_same("jira.transition_issue", actions.transition_issue, "jira.issue.transition"),
    *_same("jira.assign_issue", actions.assign_issue, "jira.issue.assign"),
    *_near("jira.create_issue and jira.link_issues", actions.clone_issue, "jira.issue.clone"),
    *_same("jira.request, which deletes it", actions.delete_issue, "jira.issue.delete"),
    *_same("jira.add_comment", actions.comment_issue, "jira.issue.comment"),
    *_same("jira.link_issues", actions.link_issues, "jira.issue.link"),
    *_same(
        "each over the issue's links, and jira.request, which deletes them",
        actions.delete_links,
        "jira.issue.delete.link",
        "jira.issue.deletelink",
    ),
    *_same("jira.search_issues", actions.look_up_issues, "jira.lookup.issues", "jira.issue.lookup"),
    *_same("jira.get_issue", actions.fetch_again, "jira.issue.refresh.issue", "jira.issue.refetch"),
    *_same("jira.request, which logs it", actions_more.log_work, "jira.worklog.add", "jira.issue.log.work"),
    *_same(
        "jira.request, which adds or removes them",
        actions_more.change_watchers,
        "jira.issue.add.watcher",
        "jira.issue.watchers",
    ),
    *_same("jira.set_property", actions_more.set_property, "jira.set.entity.property", "jira.issue.entity.property"),
    *_same("jira.request, which adds it", attachments.add_web_link, "jira.work-item.remote-link.add"),
    *_same("jira.edit_issue", attachments.set_security_level, "jira.issue.set.security.level"),
    *_near("jira.request, which archives it", attachments.archive_issue, "jira.issue.archive"),
    *_near("jira.request, which has Jira notify its users", actions_more.send_email, "jira.issue.outgoing.email"),
    *_same("http", requests.send_request, "jira.issue.outgoing.webhook", "jira.issue.webhook", "jira.issue.web.request"),
    *_near("http to Slack's API", actions_more.send_slack, "jira.issue.slack.message", "slack.notification"),
    *_same("set", actions_more.create_variable, "jira.create.variable"),
    *_same(
        "set, and lookup where it is read",
        actions_more.create_table,
        "jira.create.mapping-variable",
        "jira.create.lookup.table",
        "jira.lookup.table",
    ),
    *_near("set, whose text a watched trial shows", actions_more.write_log, "codebarrel.action.log", "jira.issue.log"),
    *_same("wait", actions_more.wait, "jira.delay", "automation.delay", "codebarrel.action.delay"),
    *_same("jira.request, which creates it", versions.create_version, "jira.version.create"),
    *_same("jira.request, which releases it", versions.change_version(is_released=True), "jira.version.release"),
    *_same("jira.request, which takes its release back", versions.change_version(is_released=False), "jira.version.unrelease"),
    *_same("jira.request, which deletes it", attachments.delete_comment, "jira.issue.delete.comment"),
    *_same("jira.request, which changes its text", attachments.edit_comment, "jira.issue.comment.update"),
    *_same(
        "each over the issue's attachments, and jira.request, which deletes them",
        attachments.delete_attachments,
        "jira.issue.deleteattachment",
        "jira.issue.delete.attachment",
    ),
    *_none(
        _SERVICE,
        "jira.sd.create.request",
        "jira.sd.add.customer",
        "jira.auto.approve.action",
        "jira.edit.request.type",
        "jsm.create.incident",
        "jira.issue.servicedesk.request.create",
        "jira.issue.servicedesk.customer.add",
        to_do="Use jira.create_issue, where the request type may be left out.",
    ),
    *_none(
        "its address is itself a secret, and a connection can't keep an address",
        "com.codebarrel.automation.rulecomponent.jira.action.msteams",
        "msteams.notification",
        "jira.issue.msteams",
        "googlechat.notification",
        to_do="Call the service's API by an http step with a connection.",
    ),
    *_none(
        "agents of Rovo can't be asked from outside Jira Automation",
        "jira.rovo.agent",
        "rovo.agent.invoke",
        "automation.rovo.agent",
    ),
    *_none("such events exist in Data Center only", "jira.issue.publish.event"),
    *_none("boards have an API of their own, which no step reaches", "jira.board.issue.move", "jira.sprint.create"),
    *_none(
        "its table is made of a list while the rule runs, and tables are fixed here",
        "jira.create.dynamic-mapping-variable",
        to_do="Read the list's items by a section, or by an each step.",
    ),
    *_none(
        "it goes to addresses, and there is no mail server here",
        "action.send-templated-email",
        to_do="Call a mail service by an http step with a connection.",
    ),
    *_none(
        "it sends short messages by a service of its own",
        "jira.issue.twilio",
        to_do="Call the service by an http step with a connection.",
    ),
    *_none(
        "it runs Groovy, and no step runs code",
        "codebarrel.action.groovy",
        "com.onresolve.jira.groovy.groovyrunner:execute-script-issue-action",
    ),
    *_none(
        _ASSETS,
        "cmdb.object.create",
        "cmdb.object.edit.attributes",
        "jira.cmdb.field.edit.attributes",
        "cmdb.object.edit",
        "cmdb.lookup.objects",
    ),
)
CONTAINER: Final = "jira.condition.container.block"
IF_BLOCKS: Final = frozenset({"jira.condition.if.block", "jira.condition.else.block", "jira.condition.else.if.block"})
GROUP: Final = "automation.orchestration.fragment"
PREFIXES: Final = {
    "devops.": _DEVOPS,
    "cmdb.": _ASSETS,
    "jira.assets.": _ASSETS,
    "jira.cmdb.": _ASSETS,
    "jira.sd.": _SERVICE,
    "jsm.": _SERVICE,
    "security.": _DEVOPS,
    "focus.": "focus areas have no part in what BluBees may ask for",
    "jira.sla.": _SLA,
    "com.onresolve.": "it runs Groovy, and no step runs code",
    "com.innovalog.": "it belongs to another app",
    "com.": "it belongs to another app",
    "confluence.": "Confluence has no part in what BluBees may ask for",
    "jira.issue.servicedesk.": _SERVICE,
}


def find_entry(table: Mapping[str, Entry], name: str) -> Entry:
    """Find how a type is translated; one that nobody knows is an entry too, without a translation."""
    known = table.get(name)
    if known is not None:
        return known
    reason = next((why for start, why in PREFIXES.items() if name.startswith(start)), "this type is not known here")
    return Entry(name, reason)
