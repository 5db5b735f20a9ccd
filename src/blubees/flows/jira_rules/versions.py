"""Versions of a project: created, released, and released no more. Called by table.py's entries."""

from typing import Any

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component
from blubees.flows.jira_rules.fields import read_reference
from blubees.flows.jira_rules.note import Note


def create_version(build: Build, component: Component, note: Note) -> list[Step]:
    """Create a version of a project."""
    settings = component.settings
    prepare: list[Step] = []
    name = build.text(read_reference(settings.get("versionName", settings.get("name")))[1], note, prepare)
    _, project = read_reference(settings.get("project"))
    if not name:
        raise UntranslatableError("It names no version in a form that is known.", "Write the step by hand.")
    json: dict[str, Any] = {"name": name}
    json["projectId"] = int(project) if project.isdecimal() else f"{{{{{build.path('issue.project.id')}}}}}"
    for theirs in ("startDate", "releaseDate", "description"):
        text = build.text(read_reference(settings.get(theirs))[1], note, prepare)
        json |= {theirs: text} if text else {}
    made = {"method": "POST", "path": "/rest/api/3/version", "json": json}
    return [*prepare, build.step("jira.request", made, note, wanted="create_version")]


def change_version(*, is_released: bool) -> Any:  # noqa: ANN401 - a translator of table.py
    """Release a version, or take that back: where the rule names it by its id."""

    def change(build: Build, component: Component, note: Note) -> list[Step]:
        settings = component.settings
        kind, text = read_reference(settings.get("version", settings.get("versionId")))
        prepare: list[Step] = []
        if kind == "SMART" and text == "{{version.id}}":
            text = "{{" + build.path("version.id") + "}}"
        elif not text.isdecimal():
            prepare = _find_version(build, component, note, is_released=is_released)
            text = f"{{{{steps.{prepare[-1]['id']}.body.values.first.id}}}}"
        json: dict[str, Any] = {"released": is_released}
        given = build.text(read_reference(settings.get("releaseDate"))[1], note, prepare) if is_released else ""
        json |= {"releaseDate": given or "{{now.jqlDate}}"} if is_released else {}
        made = {"method": "PUT", "path": "/rest/api/3/version/{version}", "parts": {"version": text}, "json": json}
        return [*prepare, build.step("jira.request", made, note, wanted="release" if is_released else "unrelease")]

    return change


def _find_version(build: Build, component: Component, note: Note, *, is_released: bool) -> list[Step]:
    """Search for the version that a rule names, or for the next one that is not released."""
    settings = component.settings
    prepare: list[Step] = []
    _, name = read_reference(settings.get("versionName"))
    written = build.text(name, note, prepare).strip()
    if not written and not is_released:
        raise UntranslatableError(
            "It chooses a version in a way that no request has.",
            "Find the version by a jira.request step, and change it by another.",
        )
    kind, project = read_reference(settings.get("project"))
    if kind in {"", "COPY"} or not project:
        project = f"{{{{{build.path('issue.project.id')}}}}}"
    query = {"query": written} if written else {"status": "unreleased", "orderBy": "sequence"}
    note.approximate(
        "The version is found by a search of the project's versions: the first whose name or description has the text."
        if written
        else "The next version is the first of the project's that is not released, in their order.",
        "Look at the search once.",
    )
    path, parts = "/rest/api/3/project/{project}/version", {"project": build.text(project, note, prepare)}
    search = {"method": "GET", "path": path, "parts": parts, "query": {**query, "maxResults": "1"}}
    return [*prepare, build.step("jira.request", search, note, wanted="find_version")]
