"""Search issues of the tenant's own Jira."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from blubees.model.call import Effect
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.named_fields import list_ids

PAGE = 100  # issues asked for at a time


@step_kind("jira.search_issues")
@dataclass(frozen=True, slots=True)
class SearchIssues:
    """Search by JQL, following pages up to `limit` issues (1 to 1,000). Gives `issues` and `is_last`.

    `fields` names the ones wanted, by name or id.
    """

    jql: str
    fields: list[str] = field(default_factory=lambda: ["summary", "status"])
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50

    async def perform(self, tools: Tools) -> Outcome:
        """Ask page after page."""
        fields = await list_ids(tools, self.fields)
        if isinstance(fields, Failure):
            return fields
        issues: list[Any] = []
        token: str | None = None
        while True:
            body = {"jql": self.jql, "fields": fields, "maxResults": min(PAGE, self.limit - len(issues))}
            page = await ask_jira(
                tools,
                "POST",
                "/rest/api/3/search/jql",
                body | ({"nextPageToken": token} if token else {}),
                field="with.jql",
                effect=Effect.READ,
            )
            if isinstance(page, Failure):
                return page
            if not isinstance(page, dict) or not isinstance(page.get("issues"), list):
                return Failure(code=FailureCode.ANSWER_UNREADABLE)
            issues += page["issues"]
            token = page.get("nextPageToken")
            if not token or not page["issues"] or len(issues) >= self.limit:
                return Done({"issues": issues[: self.limit], "is_last": not token and len(issues) <= self.limit})


EXAMPLES = (
    Example(
        {"jql": "project = AB", "limit": 3},
        Done({"issues": [{"id": "1"}, {"id": "2"}], "is_last": True}),
        replies=((200, {"issues": [{"id": "1"}], "nextPageToken": "x"}), (200, {"issues": [{"id": "2"}], "isLast": True})),
        asks=("POST", "/rest/api/3/search/jql"),
    ),
    Example({"jql": "nonsense ="}, FailureCode.REQUEST_REFUSED, replies=((400, {"errorMessages": ["…"]}),)),
)
