"""Actions on issues: create, edit, move, assign, comment, link and their like. Called by table.py's entries.

Each gives the steps that stand for it, or raises UntranslatableError.
"""

import re
from collections.abc import Mapping
from typing import Any

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.fields import (
    Field,
    account_of,
    copy_value,
    list_references,
    read_reference,
    write_adf,
)
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.operations import clean_document, read_operations

_MARKUP = re.compile(
    r"(?m)(\[~|\{code|\{quote|\{panel|\{color|\{noformat|^h[1-6]\. |^[*#-]+ |\*\w[^*\n]*\w\*|\[[^\]\n]+\|[^\]\n]+\]|^\|\|)"
)
KEY_OF_ISSUE = "issue.key"


def create_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Create an issue."""
    prepare: list[Step] = []
    fields, update = read_operations(build, component.settings, note, prepare)
    return _create(build, note, prepare, fields, update)


def create_subtask(build: Build, component: Component, note: Note) -> list[Step]:
    """Create sub-tasks of the issue: one, or one for each line."""
    settings = component.settings
    prepare: list[Step] = []
    parent = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    base = {"project": {"key": f"{{{{{build.path('issue.project.key')}}}}}"}, "parent": {"key": parent}}
    kind = list_references(settings.get("issueType", settings.get("subtaskType")))
    lines = next(
        (settings[name] for name in ("subtasks", "summaries", "subTasks") if isinstance(settings.get(name), list)), None
    )
    fields, update = read_operations(build, settings, note, prepare)
    if kind:
        fields.setdefault("issuetype", {"id" if kind[0][0] == "ID" else "name": kind[0][1]})
    if "issuetype" not in fields and not all(isinstance(line, dict) and line.get("type") for line in lines or [None]):
        fields["issuetype"] = {"name": "Sub-task"}
        note.approximate("The type of sub-tasks is not named: Sub-task is taken.", "Check the type's name.")
    if lines is None:
        return _create(build, note, prepare, base | fields, update)
    steps: list[Step] = []
    for line in lines:
        text = build.text(line.get("summary", line.get("value")) if isinstance(line, dict) else line, note, steps)
        own = read_text(line.get("type"), 80) if isinstance(line, dict) else ""
        kinds = {"issuetype": {"id" if own.isdecimal() else "name": own}} if own else {}
        steps = [*steps, *_create(build, note, [], base | fields | {"summary": text} | kinds, update)]
    if not steps:
        raise UntranslatableError("It names no sub-tasks in a form that is known.", "Write the steps by hand.")
    return [*prepare, *steps]


def clone_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Create a copy of the issue."""
    prepare: list[Step] = []
    fields, update = read_operations(build, component.settings, note, prepare)
    note.approximate(
        "Summary, description, type, labels and what the rule sets are copied; other fields, links and attachments are not."
    )
    copied = {
        "project": {"key": f"{{{{{build.path('issue.project.key')}}}}}"},
        "issuetype": {"id": f"{{{{{build.path('issue.issuetype.id')}}}}}"},
        "summary": f"{{{{{build.path('issue.summary')}}}}}",
        "description": f"{{{{{build.path('issue.description')}}}}}",
        "labels": f"{{{{{build.path('issue.labels')}}}}}",
    }
    key = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    steps = _create(build, note, prepare, copied | fields, update)
    made = f"{{{{steps.{build.created[-1]}.key}}}}"
    return [*steps, build.step("jira.link_issues", {"type": "Cloners", "inward": made, "outward": key}, wanted="link_clone")]


def edit_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Set fields of the issue."""
    prepare: list[Step] = []
    fields, update = read_operations(build, component.settings, note, prepare)
    settings: dict[str, Any] = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"}
    labels = update.pop("labels", [])
    settings |= {"fields": fields} if fields else {}
    for word, setting in (("add", "add_labels"), ("remove", "remove_labels")):
        chosen = [each[word] for each in labels if word in each]
        settings |= {setting: chosen} if chosen else {}
    settings |= {"update": update} if update else {}
    if len(settings) == 1:
        raise UntranslatableError("It sets no field in a form that is known.", "Write the step by hand.")
    return [*prepare, build.step("jira.edit_issue", settings, note, wanted="edit")]


def transition_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Move the issue to another status."""
    settings = component.settings
    prepare: list[Step] = []
    given = settings.get("destinationStatus", settings.get("status", settings.get("toStatus")))
    if isinstance(given, dict) and read_text(given.get("type"), 20).upper() == "COPY":
        to = copy_value(build, Field("status", "", ""), given, note).removesuffix("}}") + ".name}}"
    else:
        kind, text = read_reference(given)
        to = f"status:{text}" if kind == "ID" and text.isdecimal() else build.text(text, note, prepare)
    if not to.strip():
        to = build.text(settings.get("transitionMatch", settings.get("transition")), note, prepare)
    if not to.strip():
        raise UntranslatableError("It names no status in a form that is known.", "Write the step by hand.")
    if read_text(settings.get("transitionMatch")).strip() and not to.startswith("{{"):
        note.approximate("Of several transitions to the status, the first is taken, whatever the rule's pattern.")
    fields, update = read_operations(build, settings, note, prepare)
    if update:
        note.approximate("Operations other than setting a field are not made with the move.", "Add a jira.edit_issue step.")
    made: dict[str, Any] = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}", "to": to} | ({"fields": fields} if fields else {})
    return [*prepare, build.step("jira.transition_issue", made, note, wanted="move")]


def assign_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Assign the issue."""
    settings = component.settings
    prepare: list[Step] = []
    way = read_text(settings.get("assignType", settings.get("method")), 60).upper()
    issue = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    made: dict[str, Any] = {"issue": issue}
    if way in {"UNASSIGNED", "UNASSIGN"}:
        return [build.step("jira.assign_issue", made, note, wanted="unassign")]
    if way == "AUTOMATIC":
        account = "-1"  # Jira's own word for the project's default
    elif way in {"COPY", "COPY_FROM", "COPY_FIELD"} or settings.get("fieldToCopy"):
        source = settings.get("issueToCopy")
        _, field = read_reference(settings.get("fieldToCopy", "assignee"))
        where = {"value": source.get("value") if isinstance(source, dict) else source}
        account = account_of(copy_value(build, Field(field or "assignee", "", "people"), where, note))
    elif way in {"SMART", "SMART_VALUE", "SMARTVALUE"} or (settings.get("smartValue") and not settings.get("assignee")):
        account = account_of(build.text(read_reference(settings.get("smartValue"))[1], note, prepare))
    elif way in {"", "SPECIFY_USER", "USER", "ASSIGNEE"}:
        given = settings.get(
            "assignee", settings.get("accountId", component.value if isinstance(component.value, str) else None)
        )
        account = account_of(build.text(read_reference(given)[1], note, prepare))
    else:
        raise UntranslatableError(
            "It chooses the assignee by turns, load, chance, group or role, which no step does.",
            "Choose by hand: a lookup table of accounts, or a search of each one's open issues.",
        )
    if not account.strip():
        raise UntranslatableError("It names no user in a form that is known.", "Write the step by hand.")
    return [*prepare, build.step("jira.assign_issue", made | {"account_id": account}, note, wanted="assign")]


def comment_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Comment on the issue."""
    settings = component.settings
    prepare: list[Step] = []
    given = settings.get("comment", settings.get("body", component.value if isinstance(component.value, str) else ""))
    if isinstance(given, dict) and given.get("type") == "doc":
        body: Any = clean_document(build, given, note, prepare)
        plain = ""
    else:
        body = plain = build.text(read_reference(given)[1], note, prepare)
    if not body:
        raise UntranslatableError("It has no text in a form that is known.", "Write the step by hand.")
    if _MARKUP.search(plain[:4_000]):
        note.approximate("Wiki markup stands in it: it is shown as typed.", "Write it as plain text or as an ADF document.")
    issue = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    step = _write_comment(build, settings, note, issue, body)
    if settings.get("addCommentOnce") is not True:
        return [*prepare, step]
    seen = build.step("dedupe", {"key": issue, "days": 365, "when_seen": "continue"}, wanted="commented_before")
    note.approximate("It comments once a year on an issue, not once for ever.")
    unseen: dict[str, Any] = {"branches": [{"when": f"{{{{not(steps.{seen['id']}.seen)}}}}", "steps": [*prepare, step]}]}
    return [seen, build.step("choose", {}, wanted="once") | unseen]


def link_issues(build: Build, component: Component, note: Note) -> list[Step]:
    """Link the issue to another."""
    settings = component.settings
    prepare: list[Step] = []
    _, kind = read_reference(settings.get("linkType"))
    direction = read_text(settings.get("linkTypeDirection", settings.get("direction")), 20).casefold()
    if kind.startswith(("inward:", "outward:")):
        direction, _, kind = kind.partition(":")
    other = _read_other_issue(build, settings, note, prepare)
    if not kind:
        raise UntranslatableError("It names no link type in a form that is known.", "Write the step by hand.")
    issue = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    ends = {"inward": other, "outward": issue} if direction == "inward" else {"inward": issue, "outward": other}
    return [*prepare, build.step("jira.link_issues", {"type": build.text(kind, note, prepare), **ends}, note, wanted="link")]


def delete_links(build: Build, component: Component, note: Note) -> list[Step]:
    """Delete links of the issue, all or those of some types."""
    settings = component.settings
    given = settings.get("linkTypes", settings.get("linkType"))
    wanted = [text.partition(":")[2] or text for _, text in list_references(given)]
    issue = f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"
    get = build.step("jira.get_issue", {"issue": issue, "fields": ["issuelinks"]}, wanted="get_links")
    inner = build.step(
        "jira.request",
        {"method": "DELETE", "path": "/rest/api/3/issueLink/{link}", "parts": {"link": "{{link.id}}"}},
        note,
        wanted="delete_link",
    )
    steps: list[Step] = [inner]
    if wanted:
        literals = [text.replace('"', "") for text in wanted]
        holds = ", ".join(f'equals(link.type.{"id" if each.isdecimal() else "name"}, "{each}")' for each in literals)
        when = f"{{{{or({holds})}}}}" if len(literals) > 1 else f"{{{{{holds}}}}}"
        steps = [build.step("choose", {}, wanted="is_meant") | {"branches": [{"when": when, "steps": [inner]}]}]
    if settings.get("issue") or settings.get("issues"):
        note.approximate("It deletes the links of these types to whatever issue.")
    loop: dict[str, Any] = {"branches": [{"steps": steps}]}
    return [
        get,
        build.step("each", {"items": f"{{{{steps.{get['id']}.issuelinks}}}}", "name": "link"}, wanted="each_link") | loop,
    ]


def delete_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Delete the issue."""
    _ = component
    settings = {
        "method": "DELETE",
        "path": "/rest/api/3/issue/{issue}",
        "parts": {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"},
    }
    return [build.step("jira.request", settings | {"query": {"deleteSubtasks": "true"}}, note, wanted="delete")]


def look_up_issues(build: Build, component: Component, note: Note) -> list[Step]:
    """Search issues, read as lookupIssues."""
    settings = component.settings
    prepare: list[Step] = []
    _, query = read_reference(
        settings.get("query", settings.get("jql", component.value if isinstance(component.value, str) else ""))
    )
    jql = build.text(query, note, prepare)
    if not jql.strip():
        raise UntranslatableError("It has no JQL.", "Write the step by hand.")
    step = build.step("jira.search_issues", {"jql": jql, "fields": ["*all"], "limit": 100}, note, wanted="lookup_issues")
    _, name = read_reference(settings.get("name", "lookupIssues"))
    build.aliases[name or "lookupIssues"] = build.aliases["lookupIssues"] = f"steps.{step['id']}.issues"
    return [*prepare, step]


def fetch_again(build: Build, component: Component, note: Note) -> list[Step]:
    """Ask for the issue again: later smart values read the new one."""
    if component.settings.get("delayMs"):
        note.approximate("It asks at once, without the rule's delay.", "Put a wait step before it.")
    step = build.step("jira.get_issue", {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"}, note, wanted="issue_again")
    build.aliases["issue"] = f"steps.{step['id']}"
    build.watched -= {"issue"}
    return [step]


def _create(build: Build, note: Note, prepare: list[Step], fields: dict[str, Any], update: dict[str, Any]) -> list[Step]:
    fields = dict(fields)
    project, kind = fields.pop("project", None), fields.pop("issuetype", None)
    settings: dict[str, Any] = {
        "project": _name_of(project) or f"{{{{{build.path('issue.project.key')}}}}}",
        "type": _name_of(kind) or f"{{{{{build.path('issue.issuetype.name')}}}}}",
        "summary": fields.pop("summary", "") or "(no summary)",
    }
    description = fields.pop("description", None)
    settings |= {"description": description} if description is not None else {}
    for name, operations in update.items():
        added = [each["add"] for each in operations if "add" in each]
        fields.setdefault(name, added)
    settings |= {"fields": fields} if fields else {}
    step = build.step("jira.create_issue", settings, note, wanted="create")
    build.created.append(step["id"])
    build.aliases["createdIssue"] = f"steps.{step['id']}"
    return [*prepare, step]


def _name_of(reference: object) -> str:
    """Whatever names a project or a type: both kinds of step take ids and names alike."""
    if isinstance(reference, dict):
        return next((read_text(reference[word]) for word in ("key", "id", "name") if reference.get(word)), "")
    return read_text(reference)


def _write_comment(build: Build, settings: Mapping[str, Any], note: Note, issue: str, body: Any) -> Step:  # noqa: ANN401 - text or ADF
    visibility = settings.get("commentVisibility")
    is_internal = (
        settings.get("publicComment") is False and settings.get("internal", True) is not False and "publicComment" in settings
    )
    if not visibility and not is_internal:
        return build.step("jira.add_comment", {"issue": issue, "body": body}, note, wanted="comment")
    document = body if isinstance(body, dict) else write_adf(body)
    json: dict[str, Any] = {"body": document}
    if isinstance(visibility, dict) and visibility.get("value"):
        kind = read_text(visibility.get("type"), 20).casefold()
        word = "identifier" if kind == "group" else "value"
        json["visibility"] = {"type": "group" if kind == "group" else "role", word: read_text(visibility.get("value"), 200)}
    elif visibility:
        raise UntranslatableError(
            "It is for some people only, who are not named in a form that is known.", "Write the step by hand."
        )
    else:
        json["properties"] = [{"key": "sd.public.comment", "value": {"internal": True}}]
        note.approximate("In a service project it is internal, as in Jira; elsewhere that makes no difference.")
    request = {"method": "POST", "path": "/rest/api/3/issue/{issue}/comment", "parts": {"issue": issue}, "json": json}
    return build.step("jira.request", request, note, wanted="comment")


def _read_other_issue(build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step]) -> str:
    given = settings.get("issue", settings.get("issueToLink", settings.get("linkedIssue", settings.get("destinationIssue"))))
    kind, text = read_reference(given)
    plain = text.casefold().replace(" ", "")
    if plain in {"trigger", "triggerissue"} and kind != "SMART":
        return f"{{{{{build.path('triggerIssue.key')}}}}}"
    if plain in {"created", "create", "mostrecentlycreated", "createdissue"} and kind != "SMART":
        if not build.created:
            raise UntranslatableError("No step before it creates an issue.", "Name the other issue by hand.")
        return f"{{{{steps.{build.created[-1]}.key}}}}"
    if not text:
        raise UntranslatableError("It does not name the other issue in a form that is known.", "Write the step by hand.")
    return build.text(text, note, prepare)
