"""Which issues are related to the one that a rule is about, as JQL. Called by branches.py and conditions.py."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import read_text
from blubees.flows.jira_rules.note import Note

CHILDREN: Final = frozenset(
    {
        "subtasks",
        "subtask",
        "sub-tasks",
        "sub_tasks",
        "children",
        "stories",
        "storiesinepic",
        "issuesinepic",
        "epicissues",
        "child",
    }
)
PARENT: Final = frozenset({"parent", "epic", "epicparent", "parentepic"})
LINKED: Final = frozenset({"linked", "linkedissues", "links", "link"})
CREATED_LAST: Final = frozenset({"created", "create", "mostrecentlycreated", "createdissue", "lastcreated"})
CREATED_ALL: Final = frozenset({"allcreated", "createdissues", "created_all", "all_created"})
TRIGGER: Final = frozenset({"trigger", "triggerissue", "current", "currentissue"})


def read_relation_type(settings: Mapping[str, Any]) -> str:
    """The relation's name in small letters."""
    given = settings.get("relatedType", settings.get("type", settings.get("relation")))
    text = read_text(given.get("value") if isinstance(given, dict) else given, 60)
    return text.casefold().replace(" ", "").replace("_", "") or ("jql" if read_text(settings.get("jql")).strip() else "")


def read_relation(build: Build, settings: Mapping[str, Any], note: Note, prepare: list[Step]) -> str:
    """Write a relation that a search can find as JQL.

    Raises:
        UntranslatableError: it is another one.
    """
    kind = read_relation_type(settings)
    key = f"{{{{{build.path('issue.key')}}}}}"
    if kind in CHILDREN:
        return f"parent = {key}"
    if kind in LINKED:
        return _write_links(key, settings, build, note, prepare)
    if kind in PARENT:
        note.approximate("Without a parent, nothing is found.")
        return f'key = "{{{{{build.path("issue.parent.key")}|{key_of_none()}}}}}"'
    if kind == "jql":
        query = build.text(settings.get("relatedJql") or settings.get("jql"), note, prepare)
        if query.strip():
            return query
    raise UntranslatableError(
        "It looks for related issues in a way that has no search.",
        "Write a search by hand, with jira.search_issues and each.",
    )


def key_of_none() -> str:
    """A key that no issue has, so that the search stays one."""
    return '"NONE-0"'


def _write_links(key: str, settings: Mapping[str, Any], build: Build, note: Note, prepare: list[Step]) -> str:
    given = settings.get("linkTypes", settings.get("linkType"))
    names = (
        [read_text(each.get("value", each.get("name")) if isinstance(each, dict) else each, 200) for each in given]
        if isinstance(given, list)
        else [read_text(given, 200)]
    )
    kept = []
    for name in filter(None, names):
        plain = build.text(name.partition(":")[2] or name if name.startswith(("inward:", "outward:")) else name, note, prepare)
        if plain.isdecimal():
            note.approximate(
                "A link type is given by its id, and JQL knows names only: links of all types are taken.",
                "Name the link type in the JQL.",
            )
            return f"issue in linkedIssues({key})"
        kept.append(plain.replace("\\", "").replace('"', ""))
    return " OR ".join(f'issue in linkedIssues({key}, "{each}")' for each in kept) or f"issue in linkedIssues({key})"
