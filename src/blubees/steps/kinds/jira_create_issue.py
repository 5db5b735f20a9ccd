"""Create an issue in the tenant's own Jira."""

from dataclasses import dataclass, field
from typing import Any

from blubees.connectors.adf_text import to_adf
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.named_fields import write_ids


@step_kind("jira.create_issue")
@dataclass(frozen=True, slots=True)
class CreateIssue:
    """Create an issue: gives `id` and `key`. `description` is text or an ADF document; `fields` are further Jira fields.

    A field is named by its name or its id; where several have the name, only the id will do.
    `project` is a key or an id, `type` a name or an id.
    """

    project: str
    type: str
    summary: str
    description: Any = None
    fields: dict[str, Any] = field(default_factory=dict)

    async def perform(self, tools: Tools) -> Outcome:
        """Create it."""
        given = await write_ids(tools, self.fields)
        if isinstance(given, Failure):
            return given
        fields = {
            **given,
            "project": {"id" if self.project.isdecimal() else "key": self.project},
            "issuetype": {"id" if self.type.isdecimal() else "name": self.type},
            "summary": self.summary,
        }
        if self.description is not None:
            fields["description"] = to_adf(self.description)
        made = await ask_jira(tools, "POST", "/rest/api/3/issue", {"fields": fields}, field="with.fields")
        return made if isinstance(made, Failure) else Done(made)


EXAMPLES = (
    Example(
        {"project": "AB", "type": "Task", "summary": "Look", "description": "at this"},
        Done({"id": "2", "key": "AB-2"}),
        replies=((201, {"id": "2", "key": "AB-2"}),),
        asks=("POST", "/rest/api/3/issue"),
    ),
    Example(
        {"project": "AB", "type": "Task", "summary": "Look", "fields": {"Severity": {"value": "High"}}},
        Done({"id": "3", "key": "AB-3"}),
        replies=((201, {"id": "3", "key": "AB-3"}),),
        asks=("POST", "/rest/api/3/issue"),
        field_names={"severity": ("customfield_10041",)},
    ),
    Example(
        {"project": "AB", "type": "Task", "summary": "Look", "fields": {"Team": "a"}},
        FailureCode.SETTING_INVALID,
        field_names={"team": ("customfield_1", "customfield_2")},
    ),
    Example({"project": "XX", "type": "Task", "summary": "Look"}, FailureCode.REQUEST_REFUSED, replies=((400, {}),)),
)
