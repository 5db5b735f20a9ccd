"""Comment on an issue of the tenant's own Jira."""

from dataclasses import dataclass
from typing import Any

from blubees.connectors.adf_text import to_adf
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("jira.add_comment")
@dataclass(frozen=True, slots=True)
class AddComment:
    """Add a comment: gives its `id`. `body` is text or an ADF document."""

    issue: str
    body: Any

    async def perform(self, tools: Tools) -> Outcome:
        """Add it."""
        document = to_adf(self.body)
        if not document.get("content"):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.body", detail="empty")
        made = await ask_jira(tools, "POST", path_to_issue(self.issue, "/comment"), {"body": document}, field="with.issue")
        if isinstance(made, Failure):
            return made
        return Done({"id": made.get("id") if isinstance(made, dict) else None})


EXAMPLES = (
    Example(
        {"issue": "AB-1", "body": "Thanks"},
        Done({"id": "10"}),
        replies=((201, {"id": "10", "body": {}}),),
        asks=("POST", "/rest/api/3/issue/AB-1/comment"),
    ),
    Example({"issue": "AB-1", "body": " "}, FailureCode.SETTING_INVALID),
    Example({"issue": "AB-1", "body": "Thanks"}, FailureCode.CREDENTIAL_REFUSED, replies=((403, {}),)),
)
