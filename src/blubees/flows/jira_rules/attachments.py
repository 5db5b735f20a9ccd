"""What hangs on an issue: comments, attachments, links to pages; and putting an issue away. Called by table.py's entries."""

from collections.abc import Mapping
from typing import Any

from blubees.flows.jira_rules.actions import KEY_OF_ISSUE
from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.fields import read_reference, write_adf
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.smart import write_literal


def delete_comment(build: Build, component: Component, note: Note) -> list[Step]:
    """Delete a comment."""
    prepare: list[Step] = []
    parts = _name_comment(build, component.settings, note, prepare)
    made = {"method": "DELETE", "path": "/rest/api/3/issue/{issue}/comment/{comment}", "parts": parts}
    return [*prepare, build.step("jira.request", made, note, wanted="delete_comment")]


def edit_comment(build: Build, component: Component, note: Note) -> list[Step]:
    """Put another text into a comment."""
    settings = component.settings
    prepare: list[Step] = []
    parts = _name_comment(build, settings, note, prepare)
    text = build.text(settings.get("comment"), note, prepare)
    if not text.strip():
        raise UntranslatableError("It has no text in a form that is known.", "Write the step by hand.")
    if settings.get("editVisibility") is True:
        note.approximate("Who may see the comment stays as it is.", "Add `visibility` to the step's json.")
    made = {
        "method": "PUT",
        "path": "/rest/api/3/issue/{issue}/comment/{comment}",
        "parts": parts,
        "json": {"body": write_adf(text)},
    }
    return [*prepare, build.step("jira.request", made, note, wanted="edit_comment")]


def delete_attachments(build: Build, component: Component, note: Note) -> list[Step]:
    """Delete the issue's attachments, all or those whose names match."""
    settings = component.settings
    pattern = build.clean(next((read_text(settings[name]) for name in ("regex", "filter") if settings.get(name)), ""), note)
    literal = write_literal(f"(^(?:{pattern})$)")
    if literal is None or "{{" in pattern:
        raise UntranslatableError("Its pattern has parts that can't be written here.", "Write an each step with a choose step.")
    issue = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}", "fields": ["attachment"]}
    get = build.step("jira.get_issue", issue, wanted="get_attachments")
    made = {"method": "DELETE", "path": "/rest/api/3/attachment/{attachment}", "parts": {"attachment": "{{attachment.id}}"}}
    steps: list[Step] = [build.step("jira.request", made, note, wanted="delete_attachment")]
    if pattern:
        holds = f"exists(attachment.filename.match({literal}))"
        when = f"{{{{not({holds})}}}}" if "not" in read_text(settings.get("matches"), 40).casefold() else f"{{{{{holds}}}}}"
        steps = [build.step("choose", {}, wanted="is_meant") | {"branches": [{"when": when, "steps": steps}]}]
    else:
        note.approximate("All attachments of the issue are deleted.")
    loop: dict[str, Any] = {"branches": [{"steps": steps}]}
    items = f"{{{{steps.{get['id']}.attachment}}}}"
    return [get, build.step("each", {"items": items, "name": "attachment"}, wanted="each_attachment") | loop]


def add_web_link(build: Build, component: Component, note: Note) -> list[Step]:
    """Link the issue to a page."""
    settings = component.settings
    prepare: list[Step] = []
    url, title = (build.text(read_reference(settings.get(name))[1], note, prepare).strip() for name in ("url", "title"))
    if not url:
        raise UntranslatableError("It names no page in a form that is known.", "Write the step by hand.")
    json = {"object": {"url": url, "title": title or url}}
    return [*prepare, _request(build, note, "POST", "remotelink", json, wanted="web_link")]


def set_security_level(build: Build, component: Component, note: Note) -> list[Step]:
    """Set who may see the issue."""
    prepare: list[Step] = []
    kind, level = read_reference(component.settings.get("securityLevel"))
    written = build.text(level, note, prepare).strip()
    if not written:
        raise UntranslatableError("It names no security level in a form that is known.", "Write the step by hand.")
    settings = {
        "issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}",
        "fields": {"security": {"id" if kind == "ID" else "name": written}},
    }
    return [*prepare, build.step("jira.edit_issue", settings, note, wanted="security")]


def archive_issue(build: Build, component: Component, note: Note) -> list[Step]:
    """Put the issue away."""
    _ = component
    note.approximate("Jira lets archive in the plans that have it, and may refuse it the app.")
    json = {"issueIdsOrKeys": [f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"]}
    made = {"method": "PUT", "path": "/rest/api/3/issue/archive", "json": json}
    return [build.step("jira.request", made, note, wanted="archive")]


def _name_comment(build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step]) -> dict[str, str]:
    """Name the issue and the comment: one that a smart value gives, else the one that started the rule."""
    kind, given = read_reference(settings.get("commentId"))
    comment = build.text(given, note, prepare).strip() if kind in {"SMART", "FREE", "ID"} else ""
    if not comment:
        note.approximate("It is the comment that started the run.")
        comment = "{{comment.id}}"
    return {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}", "comment": comment}


def _request(build: Build, note: Note, method: str, rest: str, json: object, *, wanted: str) -> Step:
    parts = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"}
    made = {"method": method, "path": f"/rest/api/3/issue/{{issue}}/{rest}", "parts": parts, "json": json}
    return build.step("jira.request", made, note, wanted=wanted)
