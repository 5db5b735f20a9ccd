"""Wait until something calls back, or happens in Jira."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import TriggerKind
from blubees.model.parking import Answered, WaitEnd, WaitKind
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import BranchRule, EnterNamed, Example, Outcome, Park, Tools, step_kind

DAYS_DEFAULT: Final = 30.0
DAYS_MAX: Final = 90.0
_CALL_BACK: Final = "call_back"


@step_kind("wait_for", branches=BranchRule.NAMED, names=("arrived", "timeout"), waits=True)
@dataclass(frozen=True, slots=True)
class WaitFor:
    """Park the run until somebody calls back, or until something happens to an issue; or until the time is over.

    With `event: call_back` (or none), whoever has the address `{{callBacks.<id>}}`, given to a third party by an earlier step,
    ends the wait by a POST to it. With `jira.issue_updated`, `jira.issue_commented` or `jira.issue_created`, an event about
    `issue` (an id or key; the run's own issue when left out). What came is read as `event`: by `where`, which must hold for the
    wait to end, and later as `{{steps.<id>.event.…}}`. A call back has `body`, `headers` and `query`. After `days` + `hours` +
    `minutes` (30 days when none is given, 90 at most) the time is over. Branches: `arrived` and `timeout`. Gives `event`
    and `timed_out`.
    """

    event: Literal["call_back", "jira.issue_created", "jira.issue_updated", "jira.issue_commented"] = "call_back"
    issue: str = ""
    where: Any = True
    days: Annotated[float, Meta(ge=0, le=90)] = 0
    hours: Annotated[float, Meta(ge=0, le=2_160)] = 0
    minutes: Annotated[float, Meta(ge=0, le=129_600)] = 0

    async def perform(self, tools: Tools) -> Outcome:
        """Park, or see whether what came is what was waited for."""
        if tools.answer is not None and tools.answer.end is WaitEnd.DUE:
            return EnterNamed("timeout", {"event": None, "timed_out": True})
        if tools.event is not None and self.where not in (False, None, "", [], "false"):
            return EnterNamed("arrived", {"event": tools.event, "timed_out": False})
        issue = "" if self.event == _CALL_BACK else await self._find_issue(tools)
        if isinstance(issue, Failure):
            return issue
        minutes = self.minutes + 60 * self.hours + 1_440 * self.days or 1_440 * DAYS_DEFAULT
        if minutes > 1_440 * DAYS_MAX:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.days", detail="longer_than_90_days")
        due = tools.now_milliseconds() + int(minutes * 60_000)
        if self.event == _CALL_BACK:
            return Park(WaitKind.CALL_BACK, due)
        return Park(WaitKind.EVENT, due, trigger=TriggerKind(self.event), issue=issue)

    async def _find_issue(self, tools: Tools) -> str | Failure:
        """Give the issue's id: that is what events are known by."""
        named = self.issue or tools.issue
        if not named:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.issue", detail="no_issue")
        if named.isdecimal():
            return named
        found = await ask_jira(tools, "GET", path_to_issue(named), query=(("fields", "id"),), field="with.issue")
        if isinstance(found, Failure):
            return found
        identity = found.get("id") if isinstance(found, dict) else None
        if isinstance(identity, str) and identity.isdecimal():
            return identity
        return Failure(code=FailureCode.ANSWER_UNREADABLE, field="with.issue")


_NOW: Final = 1_795_000_000_000
EXAMPLES = (
    Example({"hours": 2}, Park(WaitKind.CALL_BACK, _NOW + 7_200_000)),
    Example(
        {"event": "jira.issue_commented", "issue": "AB-1", "days": 1},
        Park(WaitKind.EVENT, _NOW + 86_400_000, trigger=TriggerKind.ISSUE_COMMENTED, issue="10001"),
        replies=((200, {"id": "10001"}),),
        asks=("GET", "/rest/api/3/issue/AB-1"),
    ),
    Example({"event": "jira.issue_commented", "issue": "AB-9"}, FailureCode.NOT_FOUND, replies=((404, {}),)),
    Example({"event": "jira.issue_updated"}, FailureCode.SETTING_INVALID),
    Example({"days": 90, "minutes": 1}, FailureCode.SETTING_INVALID),
    Example(
        {"hours": 2},
        EnterNamed("timeout", {"event": None, "timed_out": True}),
        answer=Answered(path="a", end=WaitEnd.DUE, at_milliseconds=_NOW),
    ),
)
