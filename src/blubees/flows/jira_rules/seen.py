"""Which component types of Jira Automation are known to be, since Atlassian documents none. Read by page.py."""

from typing import Final

SEEN: Final = frozenset(
    """
    jira.issue.event.trigger:created jira.issue.event.trigger:updated jira.issue.event.trigger:transitioned
    jira.issue.event.trigger:assigned jira.issue.event.trigger:commented jira.issue.event.trigger:deleted
    jira.issue.event.trigger:link jira.issue.event.trigger:moved jira.issue.event.trigger:worklog jira.issue.field.changed
    jira.jql.scheduled jira.scheduled.trigger jira.manual.trigger.issue jira.incoming.webhook jira.multiple.issue.event
    jira.version.event.trigger:created jira.sprint.event.trigger:started devops.deploy.event.trigger:statechange
    jira.sla.threshold.trigger cmdb.object.trigger
    jira.comparator.condition jira.issue.condition jira.jql.condition jira.user.condition jira.issue.hasAttachments
    jira.issues.related.condition jira.issue.related jira.smart.values.branch
    jira.issue.create jira.issue.create.subtasks jira.issue.edit jira.issue.transition jira.issue.assign jira.issue.clone
    jira.issue.delete jira.issue.comment jira.issue.comment.update jira.issue.delete.comment jira.issue.link
    jira.issue.delete.link jira.lookup.issues jira.issue.refresh.issue jira.worklog.add jira.issue.add.watcher
    jira.set.entity.property jira.work-item.remote-link.add jira.issue.set.security.level jira.issue.archive
    jira.issue.deleteattachment jira.issue.outgoing.email jira.issue.outgoing.webhook jira.create.variable
    jira.create.mapping-variable jira.create.dynamic-mapping-variable codebarrel.action.log jira.version.create
    jira.version.release jira.version.unrelease jira.board.issue.move jira.sprint.create action.send-templated-email
    jira.sd.create.request jira.sd.add.customer jira.auto.approve.action jira.edit.request.type jsm.create.incident
    cmdb.object.create cmdb.object.edit.attributes jira.cmdb.field.edit.attributes
    """.split()  # noqa: SIM905 - one a line would be two pages
)
"""Those who published them had seen ids, and for what is translated values, in exports or read them from Jira's own pages.

All others are by hearsay: their verdicts hold if there are such types.
"""
