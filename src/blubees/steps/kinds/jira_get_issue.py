"""Get an issue of the tenant's own Jira."""

from dataclasses import dataclass, field

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.named_fields import list_ids


@step_kind("jira.get_issue")
@dataclass(frozen=True, slots=True)
class GetIssue:
    """Get an issue by key or id: `key`, `id`, `fields`. `fields` names the ones wanted, by name or id; none means all."""

    issue: str
    fields: list[str] = field(default_factory=list)

    async def perform(self, tools: Tools) -> Outcome:
        """Ask for it."""
        fields = await list_ids(tools, self.fields)
        if isinstance(fields, Failure):
            return fields
        query = (("fields", ",".join(fields)),) if fields else ()
        found = await ask_jira(tools, "GET", path_to_issue(self.issue), query=query, field="with.issue")
        return found if isinstance(found, Failure) else Done(found)


EXAMPLES = (
    Example(
        {"issue": "AB-1"},
        Done({"id": "1", "key": "AB-1", "fields": {}}),
        replies=((200, {"id": "1", "key": "AB-1", "fields": {}}),),
        asks=("GET", "/rest/api/3/issue/AB-1"),
    ),
    Example(
        {"issue": "AB-1", "fields": ["summary", "Go-live date"]},
        Done({"id": "1", "key": "AB-1", "fields": {"customfield_10043": "2026-12-01"}}),
        replies=((200, {"id": "1", "key": "AB-1", "fields": {"customfield_10043": "2026-12-01"}}),),
        asks=("GET", "/rest/api/3/issue/AB-1"),
        field_names={"go-live date": ("customfield_10043",)},
    ),
    Example({"issue": "../AB-1"}, FailureCode.NOT_FOUND, replies=((404, {}),), asks=("GET", "/rest/api/3/issue/..%2FAB-1")),
)
