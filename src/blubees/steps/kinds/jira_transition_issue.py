"""Move an issue to another status in the tenant's own Jira."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.named_fields import write_ids


@step_kind("jira.transition_issue")
@dataclass(frozen=True, slots=True)
class TransitionIssue:
    """Move an issue: `to` is a status, a transition's name or its id, whatever its case, or `status:` and a status's id.

    `fields` go with it, named by their names or ids.
    """

    issue: str
    to: str
    fields: dict[str, Any] = field(default_factory=dict)

    async def perform(self, tools: Tools) -> Outcome:
        """Find the transition, then take it."""
        path = path_to_issue(self.issue, "/transitions")
        fields = await write_ids(tools, self.fields)
        if isinstance(fields, Failure):
            return fields
        listed = await ask_jira(tools, "GET", path, field="with.issue")
        if isinstance(listed, Failure):
            return listed
        chosen = self._choose(listed.get("transitions", []) if isinstance(listed, dict) else [])
        if chosen is None:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.to", detail="no_such_transition")
        body: dict[str, Any] = {"transition": {"id": chosen}} | ({"fields": fields} if fields else {})
        done = await ask_jira(tools, "POST", path, body, field="with.fields")
        return done if isinstance(done, Failure) else Done({"issue": self.issue, "transition": chosen})

    def _choose(self, transitions: list[Any]) -> str | None:
        wanted = self.to.strip().casefold()
        known = [each for each in transitions if isinstance(each, dict) and isinstance(each.get("id"), str)]
        readers: tuple[Callable[[dict[str, Any]], object], ...] = (
            lambda each: (each.get("to") or {}).get("name", ""),
            lambda each: each.get("name", ""),
            lambda each: each["id"],
            lambda each: f"status:{(each.get('to') or {}).get('id', '')}",
        )
        for named in readers:
            chosen = next((each["id"] for each in known if str(named(each)).casefold() == wanted), None)
            if chosen is not None:
                return str(chosen)
        return None


_LISTED = {"transitions": [{"id": "31", "name": "Finish", "to": {"id": "10002", "name": "Done"}}]}
EXAMPLES = (
    Example(
        {"issue": "AB-1", "to": "done"},
        Done({"issue": "AB-1", "transition": "31"}),
        replies=((200, _LISTED), (204, None)),
        asks=("GET", "/rest/api/3/issue/AB-1/transitions"),
    ),
    Example(
        {"issue": "AB-1", "to": "status:10002"},
        Done({"issue": "AB-1", "transition": "31"}),
        replies=((200, _LISTED), (204, None)),
    ),
    Example({"issue": "AB-1", "to": "Elsewhere"}, FailureCode.SETTING_INVALID, replies=((200, _LISTED),)),
    Example({"issue": "AB-9", "to": "Done"}, FailureCode.NOT_FOUND, replies=((404, {}),)),
)
