"""Get a property of an issue of the tenant's own Jira."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("jira.get_property")
@dataclass(frozen=True, slots=True)
class GetProperty:
    """Get an issue property: gives `key` and `value`; a property that is not there has the value null."""

    issue: str
    key: Annotated[str, Meta(min_length=1, max_length=255)]

    async def perform(self, tools: Tools) -> Outcome:
        """Ask for it."""
        path = path_to_issue(self.issue, f"/properties/{quote(self.key, safe='')}")
        found = await ask_jira(tools, "GET", path, field="with.issue")
        if isinstance(found, Failure):
            missing = found.code is FailureCode.NOT_FOUND
            return Done({"key": self.key, "value": None}) if missing else found
        return Done({"key": self.key, "value": found.get("value") if isinstance(found, dict) else None})


EXAMPLES = (
    Example(
        {"issue": "AB-1", "key": "seen"},
        Done({"key": "seen", "value": 1}),
        replies=((200, {"key": "seen", "value": 1}),),
        asks=("GET", "/rest/api/3/issue/AB-1/properties/seen"),
    ),
    Example({"issue": "AB-1", "key": "gone"}, Done({"key": "gone", "value": None}), replies=((404, {}),)),
    Example({"issue": "AB-1", "key": "seen"}, FailureCode.CREDENTIAL_REFUSED, replies=((401, {}),)),
)
