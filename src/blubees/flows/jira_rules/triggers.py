"""Triggers of a rule as ours: which event, and what must hold of it. Called by table.py's entries.

What Jira does not tell an app comes by a webhook that the site's administrator makes; the report says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blubees.flows.jira_rules.build import Build, Step
from blubees.flows.jira_rules.export import Rule, read_project, read_text
from blubees.flows.jira_rules.fields import list_references
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.report import NeededConnection
from blubees.flows.jira_rules.schedule import write_schedule
from blubees.flows.jira_rules.smart import join, write_literal

CREATED: Final = "jira.issue_created"
UPDATED: Final = "jira.issue_updated"
COMMENTED: Final = "jira.issue_commented"
_EVENTS: Final = {
    "created": CREATED,
    "updated": UPDATED,
    "commented": COMMENTED,
    "assigned": UPDATED,
    "transitioned": UPDATED,
    "generic": UPDATED,
    "resolved": UPDATED,
    "closed": UPDATED,
    "reopened": UPDATED,
    "moved": UPDATED,
    "workstarted": UPDATED,
    "workstopped": UPDATED,
    "comment_edited": COMMENTED,
}
SIGNED: Final = NeededConnection(
    name="jira-webhook",
    kind="signing_secret",
    needs="The secret of the webhook that you make in Jira (Settings, System, WebHooks), for the path that publishing prints.",
)


@dataclass(slots=True)
class Start:
    """How a flow starts.

    Attributes:
        trigger: as the document has it, without `where`.
        holds: what must hold of the event.
        steps: what comes before the rule's own components.
        aliases: what stands for Jira's roots.
        inputs: what is given by hand.
        items: the list whose items the components are done for, called `issue`; empty for none.
        is_event: whether Jira's own event brings the issue, with few of its fields.
        suffix: of the flow's id, where a rule becomes several flows.
    """

    trigger: dict[str, Any]
    holds: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    items: str = ""
    is_event: bool = False
    suffix: str = ""


def start_created(build: Build, rule: Rule, note: Note) -> list[Start]:
    """An issue was created."""
    return [_start_event(build, rule, note, CREATED)]


def start_updated(build: Build, rule: Rule, note: Note) -> list[Start]:
    """An issue was changed."""
    return [_start_event(build, rule, note, UPDATED)]


def start_commented(build: Build, rule: Rule, note: Note) -> list[Start]:
    """An issue was commented."""
    if rule.trigger.settings.get("commentType") not in (None, "", "all", "ALL"):
        note.approximate("All comments start it, whether internal or public.", "Add a condition on the comment.")
    return [_start_event(build, rule, note, COMMENTED)]


def start_assigned(build: Build, rule: Rule, note: Note) -> list[Start]:
    """An issue was assigned."""
    return [_start_event(build, rule, note, UPDATED, "exists(changelog.assignee)")]


def start_transitioned(build: Build, rule: Rule, note: Note) -> list[Start]:
    """An issue was moved from some statuses to others; without any, from any to any."""
    holds = ["exists(changelog.status)"]
    for side, word in (("from", "fromStatus"), ("to", "toStatus")):
        wanted = list_references(rule.trigger.settings.get(word))
        compared = [
            f"equals(changelog.status.{side if kind == 'ID' or text.isdecimal() else side + 'String'}, {literal})"
            for kind, text in wanted
            if (literal := write_literal(text)) is not None
        ]
        holds += [join(compared, "or")] if compared else []
    return [_start_event(build, rule, note, UPDATED, *holds)]


def start_field_changed(build: Build, rule: Rule, note: Note) -> list[Start]:
    """One of some fields was changed."""
    settings = rule.trigger.settings
    compared = []
    for kind, text in list_references(settings.get("fields")):
        by_id = kind not in {"NAME", "FIELDNAME"} and (text.startswith("customfield_") or kind in {"ID", "FIELDID"})
        literal = write_literal(text)
        if literal:
            compared.append(f"trigger.changelog.items.{'fieldId' if by_id else 'field'}.contains({literal})")
            if not by_id:
                compared.append(f"trigger.changelog.items.fieldId.contains({write_literal(text.lower())})")
    change = read_text(settings.get("changeType"), 40).upper()
    if change not in {"", "ANY_CHANGE", "ANY"}:
        note.approximate(
            "Any change of the fields starts it, whether a value was added or deleted.", "Add a condition on fieldChange."
        )
    if isinstance(settings.get("actions"), list) and settings["actions"]:
        note.approximate("Any operation that changes the fields starts it, but not the creation of an issue.")
    holds = [join(compared, "or")] if compared else ["exists(trigger.changelog.items)"]
    return [_start_event(build, rule, note, UPDATED, *holds)]


def start_changelog(field_name: str, side: str = "") -> Any:  # noqa: ANN401 - a translator of table.py
    """An update whose history names a field: links, moves, attachments."""

    def start(build: Build, rule: Rule, note: Note) -> list[Start]:
        note.approximate(
            "It starts by an update of the issue whose history tells of it.",
            "Try it once: not every such change comes as an update.",
        )
        path = f"changelog.{field_name}{f'.{side}' if side else ''}"
        if field_name == "Link":
            note.approximate("Of the other issue, the history's text tells only.")
        return [_start_event(build, rule, note, UPDATED, f"exists({path})")]

    return start


def start_many(build: Build, rule: Rule, note: Note) -> list[Start]:
    """Several events: a flow for each of ours."""
    settings = rule.trigger.settings
    given: list[Any] = next(
        (
            settings[name]
            for name in ("events", "eventTypes", "issueEvents", "eventKeys")
            if isinstance(settings.get(name), list)
        ),
        [],
    )
    kinds: dict[str, None] = {}
    for each in given:
        words = {read_text(word, 80) for word in each.values()} if isinstance(each, dict) else {read_text(each, 80)}
        found = [event for word in words for event in _read_events(word)]
        kinds.update(dict.fromkeys(found))
        if not found:
            note.approximate("One of its events has no counterpart and is left out.", "See which events the rule has in Jira.")
    if not kinds:
        kinds = dict.fromkeys((CREATED, UPDATED))
        note.approximate("Its events are not in a form that is known: it starts by creation and by change.")
    if len(kinds) > 1:
        note.approximate(f"A flow has one trigger: it becomes {len(kinds)} flows.")
    starts = [_start_event(build, rule, note, kind) for kind in kinds]
    for start in starts:
        start.suffix = start.trigger["on"].rpartition("_")[2] if len(kinds) > 1 else ""
    return starts


def start_schedule(build: Build, rule: Rule, note: Note) -> list[Start]:
    """By the clock, for each issue that a search finds, or for none."""
    settings = rule.trigger.settings
    trigger: dict[str, Any] = {"on": "schedule", **write_schedule(settings, note)}
    searches = read_text(settings.get("executionMode"), 20).casefold() not in {"nosearch", "none"}
    jql = read_text(settings.get("jql")).strip() if searches else ""
    if not jql:
        return [Start(trigger)]
    prepare: list[Step] = []
    query = build.text(jql, note, prepare)
    trigger["jql"] = _limit_search(query, rule)
    if settings.get("onlyUpdatedIssues") is True:
        note.approximate("It also takes issues that have not changed since it ran last.", "Let the JQL leave out what is done.")
    if settings.get("processIssuesInBulk") is True:
        return [Start(trigger | {"for_each": "result"})]
    return [Start(trigger | {"for_each": "issue"})]


def start_webhook(build: Build, rule: Rule, note: Note) -> list[Start]:
    """A third party sends something; perhaps it names issues, or a search finds them."""
    settings = rule.trigger.settings
    note.ask("Give the sender the path that publishing prints: Jira's own address does not lead here.")
    mode = read_text(settings.get("searchOrProvide", settings.get("executionMode")), 20).casefold()
    jql = read_text(settings.get("jql")).strip()
    start = Start({"on": "webhook"})
    if mode == "provide" or (not mode and not jql and settings.get("issueKeys")):
        note.approximate("The issues that the sender names are asked for by a search of their keys.")
        keys = '{{#webhookData.issues}}"{{.}}"{{^last}}, {{/}}{{/}}'
        jql, mode = f"key in ({keys})", "search"
    if jql and mode not in {"none", "nosearch"}:
        prepare: list[Step] = []
        query = _limit_search(build.text(jql, note, prepare), rule)
        search = build.step("jira.search_issues", {"jql": query, "fields": ["*all"], "limit": 1_000}, wanted="find_issues")
        start.steps, start.items = [*prepare, search], f"{{{{steps.{search['id']}.issues}}}}"
    return [start]


def start_by_hand(build: Build, rule: Rule, note: Note) -> list[Start]:
    """A person starts it at an issue."""
    note.approximate("It is started by its name with an issue's key, not from the issue's own menu.")
    if any(rule.trigger.settings.get(name) for name in ("groups", "restrictedToGroups", "groupRestriction")):
        note.approximate("Whoever may run flows by hand may start it, whatever group they are in.")
    inputs: dict[str, Any] = {"issue_key": {"type": "text", "required": True}}
    prompts = rule.trigger.settings.get("inputPrompts", rule.trigger.settings.get("userInputs"))
    for prompt in prompts if isinstance(prompts, list) else ():
        if isinstance(prompt, dict):
            name = read_text(prompt.get("variableName", prompt.get("name")), 60)
            own = re.sub(r"[^A-Za-z0-9_]", "_", build.clean(name, note)).strip("_")
            if own and own[0].isalpha() and len(inputs) < 50:  # noqa: PLR2004 - the most that a flow takes
                inputs[own] = _write_input(prompt)
    get = build.step("jira.get_issue", {"issue": "{{inputs.issue_key}}"}, wanted="the_issue")
    alias = f"steps.{get['id']}"
    return [Start({"on": "manual"}, steps=[get], aliases={"issue": alias, "triggerIssue": alias}, inputs=inputs)]


def start_by_jira_webhook(event: str, **aliases: str) -> Any:  # noqa: ANN401 - a translator of table.py
    """What Jira tells by an administrator's webhook only: sprints, versions, work logs, deleted issues."""

    def start(build: Build, rule: Rule, note: Note) -> list[Start]:
        note.approximate(
            f"It starts by a webhook of Jira's ({event}), which an administrator makes.",
            f"Make the webhook in Jira for {event}.",
        )
        name = build.connect(SIGNED, note)
        signature = {"scheme": "hmac_sha256", "connection": name, "header": "X-Hub-Signature", "prefix": "sha256="}
        made = Start({"on": "webhook", "signature": signature}, aliases=dict(aliases))
        made.holds = [f'equals(webhookData.webhookEvent, "{event}")']
        projects = _list_projects(rule) if "issue" in aliases else ()
        made.holds += _limit_event(projects, f"{aliases.get('issue', '')}.fields.project.id")
        return [made]

    return start


def _start_event(build: Build, rule: Rule, note: Note, on: str, *holds: str) -> Start:
    """An event that Jira tells the app of."""
    _ = build, note
    trigger: dict[str, Any] = {"on": on} | ({"from_flows": True} if rule.raw.get("canOtherRuleTrigger") is True else {})
    return Start(trigger, holds=[*_limit_event(_list_projects(rule), "issue.project.id"), *holds], is_event=True)


def _limit_event(projects: tuple[str, ...], path: str) -> list[str]:
    return [join([f'equals({path}, "{each}")' for each in projects], "or")] if projects else []


def _limit_search(jql: str, rule: Rule) -> str:
    projects = _list_projects(rule)
    if not projects:
        return jql
    order = re.search(r"(?is)\border\s+by\b[^\"']*\Z", jql)
    head, tail = (jql[: order.start()].strip(), f" {order[0].strip()}") if order else (jql, "")
    limit = f"project in ({', '.join(projects)})"
    return f"({head}) AND {limit}{tail}" if head else f"{limit}{tail}"


def _list_projects(rule: Rule) -> tuple[str, ...]:
    filters = rule.trigger.settings.get("eventFilters")
    found = tuple(filter(None, map(read_project, filters))) if isinstance(filters, list) else ()
    return found or rule.projects


def _read_events(word: str) -> list[str]:
    plain = word.casefold().rpartition(":")[2].removeprefix("jira").strip("_. ").removeprefix("issue_")
    if word.casefold() == "jira:issue_updated":
        return [UPDATED]
    return [_EVENTS[plain]] if plain in _EVENTS else []


def _write_input(prompt: Mapping[str, Any]) -> dict[str, Any]:
    kind = read_text(prompt.get("inputType", prompt.get("type")), 40).casefold()
    found: dict[str, Any] = {
        "type": "number" if "number" in kind else "boolean" if "bool" in kind or "check" in kind else "text"
    }
    return found | ({"required": True} if prompt.get("required") is True else {})
