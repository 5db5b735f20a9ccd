"""Assign an issue of the tenant's own Jira."""

from dataclasses import dataclass

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("jira.assign_issue")
@dataclass(frozen=True, slots=True)
class AssignIssue:
    """Assign an issue to an account id; without one it is unassigned."""

    issue: str
    account_id: str | None = None

    async def perform(self, tools: Tools) -> Outcome:
        """Assign it."""
        body = {"accountId": self.account_id or None}
        done = await ask_jira(tools, "PUT", path_to_issue(self.issue, "/assignee"), body, field="with.account_id")
        return done if isinstance(done, Failure) else Done({"issue": self.issue})


EXAMPLES = (
    Example(
        {"issue": "AB-1", "account_id": "5b10"},
        Done({"issue": "AB-1"}),
        replies=((204, None),),
        asks=("PUT", "/rest/api/3/issue/AB-1/assignee"),
    ),
    Example({"issue": "AB-1", "account_id": "5b10"}, FailureCode.REQUEST_REFUSED, replies=((400, {}),)),
)
