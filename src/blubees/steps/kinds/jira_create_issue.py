"""Create an issue in the tenant's own Jira."""

from dataclasses import dataclass, field
from typing import Any

from blubees.connectors.adf_text import to_adf
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("jira.create_issue")
@dataclass(frozen=True, slots=True)
class CreateIssue:
    """Create an issue: gives `id` and `key`. `description` is text or an ADF document; `fields` are further Jira fields.

    `project` is a key or an id, `type` a name or an id.
    """

    project: str
    type: str
    summary: str
    description: Any = None
    fields: dict[str, Any] = field(default_factory=dict)

    async def perform(self, tools: Tools) -> Outcome:
        """Create it."""
        fields = {
            **self.fields,
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
    Example({"project": "XX", "type": "Task", "summary": "Look"}, FailureCode.REQUEST_REFUSED, replies=((400, {}),)),
)
