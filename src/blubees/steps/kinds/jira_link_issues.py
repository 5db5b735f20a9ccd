"""Link two issues of the tenant's own Jira."""

from dataclasses import dataclass

from blubees.model.call import Effect
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("jira.link_issues")
@dataclass(frozen=True, slots=True)
class LinkIssues:
    """Link two issues by a link type's name, such as Blocks, or its id: afterwards `inward` blocks `outward`.

    The names are those of Jira's REST API: the issue given as `inward` shows the type's outward words (blocks), the one given
    as `outward` its inward words (is blocked by). Source: developer.atlassian.com/cloud/jira/platform/issue-linking-model.
    """

    type: str
    inward: str
    outward: str

    async def perform(self, tools: Tools) -> Outcome:
        """Link them."""
        kind = {"id" if self.type.isdecimal() else "name": self.type}
        body = {"type": kind, "inwardIssue": {"key": self.inward}, "outwardIssue": {"key": self.outward}}
        done = await ask_jira(tools, "POST", "/rest/api/3/issueLink", body, field="with", effect=Effect.IDEMPOTENT)
        return done if isinstance(done, Failure) else Done({"inward": self.inward, "outward": self.outward})


EXAMPLES = (
    Example(
        {"type": "Blocks", "inward": "AB-1", "outward": "AB-2"},
        Done({"inward": "AB-1", "outward": "AB-2"}),
        replies=((201, None),),
        asks=("POST", "/rest/api/3/issueLink"),
    ),
    Example({"type": "Blocks", "inward": "AB-1", "outward": "AB-9"}, FailureCode.NOT_FOUND, replies=((404, {}),)),
)
