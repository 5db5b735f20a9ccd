"""Set a property of an issue in the tenant's own Jira."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue, write_json
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind

VALUE_MAX_CHARACTERS = 32_768  # Jira's own limit


@step_kind("jira.set_property")
@dataclass(frozen=True, slots=True)
class SetProperty:
    """Set an issue property to any JSON value of at most 32,768 characters. Other apps and users can read it."""

    issue: str
    key: Annotated[str, Meta(min_length=1, max_length=255)]
    value: Any

    async def perform(self, tools: Tools) -> Outcome:
        """Set it."""
        content = write_json(self.value)
        if isinstance(content, Failure) or len(content.decode()) > VALUE_MAX_CHARACTERS:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.value", detail="too_long")
        path = path_to_issue(self.issue, f"/properties/{quote(self.key, safe='')}")
        done = await ask_jira(tools, "PUT", path, self.value, field="with.key")
        return done if isinstance(done, Failure) else Done({"issue": self.issue, "key": self.key})


EXAMPLES = (
    Example(
        {"issue": "AB-1", "key": "seen", "value": {"by": "us"}},
        Done({"issue": "AB-1", "key": "seen"}),
        replies=((201, None),),
        asks=("PUT", "/rest/api/3/issue/AB-1/properties/seen"),
    ),
    Example({"issue": "AB-1", "key": "seen", "value": "x" * 40_000}, FailureCode.SETTING_INVALID),
    Example({"issue": "AB-9", "key": "seen", "value": 1}, FailureCode.NOT_FOUND, replies=((404, {}),)),
)
