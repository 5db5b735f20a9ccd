"""Ask people, and wait for their answers."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.model.parking import Answered, SignOffRule, WaitEnd, WaitKind
from blubees.steps.contract import BranchRule, EnterNamed, Example, Outcome, Park, Tools, step_kind

DAYS_DEFAULT: Final = 7.0
DAYS_MAX: Final = 90
APPROVERS_MAX: Final = 50
HOUR_MILLISECONDS: Final = 3_600_000
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_FAILURES: Final = {"rejected": FailureCode.SIGN_OFF_REJECTED, "expired": FailureCode.SIGN_OFF_EXPIRED}


@step_kind("sign_off", branches=BranchRule.NAMED, names=("approved", "rejected", "expired"), waits=True)
@dataclass(frozen=True, slots=True)
class SignOff:
    """Ask people a question and park the run until `needed` of them approve, one rejects, or the time is over.

    `approvers` (and `escalate_to`) are 1 to 50 Jira account ids: a list, or a text with commas. Each answers once, and can't
    change it. The time is `days` + `hours` + `minutes` (7 days when none is given, 90 at most). With `notify: comment` (else
    `none`) and a run that is about an issue, the question stands in a comment that mentions them; `remind_hours` after that,
    those who have not answered are mentioned again; `escalate_hours` after it, `escalate_to` may answer as well and are
    mentioned. Branches: `approved`, `rejected`, `expired`; without the branch, a rejection and an end of the time fail the
    step. Gives `answer`, `approved_by`, `rejected_by` (account ids) and `at`.
    """

    question: Annotated[str, Meta(min_length=1, max_length=10_000)]
    approvers: list[str] | str
    needed: Annotated[int, Meta(ge=1, le=50)] = 1
    days: Annotated[float, Meta(ge=0, le=90)] = 0
    hours: Annotated[float, Meta(ge=0, le=2_160)] = 0
    minutes: Annotated[float, Meta(ge=0, le=129_600)] = 0
    notify: Literal["comment", "none"] = "comment"
    remind_hours: Annotated[float, Meta(ge=0, le=2_160)] = 0
    escalate_to: list[str] | str = field(default_factory=list)
    escalate_hours: Annotated[float, Meta(ge=0, le=2_160)] = 0

    async def perform(self, tools: Tools) -> Outcome:
        """Park, or go on as was answered."""
        if tools.answer is not None:
            return _go_on(tools.answer, tools)
        approvers, others = _read_accounts(self.approvers), _read_accounts(self.escalate_to)
        if approvers is None or not 1 <= len(approvers) <= APPROVERS_MAX:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.approvers", detail="not_account_ids")
        if others is None or len(others) > APPROVERS_MAX or bool(others) != bool(self.escalate_hours):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.escalate_to", detail="not_with_escalate_hours")
        if self.needed > len(approvers):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.needed", detail="more_than_approvers")
        minutes = self.minutes + 60 * self.hours + 1_440 * self.days or 1_440 * DAYS_DEFAULT
        if minutes > 1_440 * DAYS_MAX:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.days", detail="longer_than_90_days")
        if not self.question.strip():
            return Failure(code=FailureCode.SETTING_INVALID, field="with.question", detail="empty")
        now = tools.now_milliseconds()
        rule = SignOffRule(
            approvers=approvers,
            needed=self.needed,
            remind_milliseconds=_add_hours(now, self.remind_hours),
            escalate_milliseconds=_add_hours(now, self.escalate_hours),
            others=others,
            notify=self.notify == "comment" and bool(tools.issue),
        )
        return Park(WaitKind.SIGN_OFF, now + int(minutes * 60_000), rule=rule, note=self.question)


def _go_on(answer: Answered, tools: Tools) -> Outcome:
    name = "expired" if answer.end is WaitEnd.DUE else answer.choice
    if name in _FAILURES and not tools.has_branch(name):
        return Failure(code=_FAILURES[name])
    approved, rejected = (answer.by, answer.otherwise) if name == "approved" else (answer.otherwise, answer.by)
    return EnterNamed(
        name,
        {
            "answer": name,
            "approved_by": list(approved),
            "rejected_by": list(rejected),
            "at": f"{datetime.fromtimestamp(answer.at_milliseconds / 1_000, UTC):%Y-%m-%dT%H:%M:%S}Z",
        },
    )


def _read_accounts(given: list[str] | str) -> tuple[str, ...] | None:
    """Give the account ids, each once; None when one is no account id."""
    parts = given.replace(",", " ").split() if isinstance(given, str) else [each.strip() for each in given]
    return tuple(dict.fromkeys(parts)) if all(_ACCOUNT.fullmatch(each) for each in parts) else None


def _add_hours(now: int, hours: float) -> int:
    return now + int(hours * HOUR_MILLISECONDS) if hours else 0


_NOW: Final = 1_795_000_000_000  # Wednesday, 18 November 2026, 11:06:40 UTC: the clock of examples
_DAY: Final = 86_400_000


def _result(answer: str, approved: list[str], rejected: list[str]) -> dict[str, object]:
    return {"answer": answer, "approved_by": approved, "rejected_by": rejected, "at": "2026-11-18T11:06:40Z"}


def _answered(choice: str, *by: str) -> Answered:
    return Answered(path="a", end=WaitEnd.ANSWERED, at_milliseconds=_NOW, choice=choice, by=by)


EXAMPLES = (
    Example(
        {"question": "Ship it?", "approvers": ["5b10:a", "5b10:b"], "needed": 2},
        Park(WaitKind.SIGN_OFF, _NOW + 7 * _DAY, rule=SignOffRule(approvers=("5b10:a", "5b10:b"), needed=2), note="Ship it?"),
    ),
    Example(
        {"question": "?", "approvers": "a, b a", "days": 2, "remind_hours": 24, "escalate_to": ["c"], "escalate_hours": 36},
        Park(
            WaitKind.SIGN_OFF,
            _NOW + 2 * _DAY,
            rule=SignOffRule(
                approvers=("a", "b"),
                remind_milliseconds=_NOW + _DAY,
                escalate_milliseconds=_NOW + _DAY + _DAY // 2,
                others=("c",),
                notify=True,
            ),
            note="?",
        ),
        issue="10001",
    ),
    Example(
        {"question": "?", "approvers": ["a"]},
        EnterNamed("approved", _result("approved", ["a"], [])),
        answer=_answered("approved", "a"),
    ),
    Example(
        {"question": "?", "approvers": ["a"]},
        EnterNamed("rejected", _result("rejected", [], ["a"])),
        answer=_answered("rejected", "a"),
        named=("rejected",),
    ),
    Example({"question": "?", "approvers": ["a"]}, FailureCode.SIGN_OFF_REJECTED, answer=_answered("rejected", "a")),
    Example(
        {"question": "?", "approvers": ["a"]},
        EnterNamed("expired", _result("expired", [], [])),
        answer=Answered(path="a", end=WaitEnd.DUE, at_milliseconds=_NOW),
        named=("expired",),
    ),
    Example(
        {"question": "?", "approvers": ["a"]},
        FailureCode.SIGN_OFF_EXPIRED,
        answer=Answered(path="a", end=WaitEnd.DUE, at_milliseconds=_NOW),
    ),
    Example({"question": "?", "approvers": ["Mia Krystof!"]}, FailureCode.SETTING_INVALID),
    Example({"question": "?", "approvers": []}, FailureCode.SETTING_INVALID),
    Example({"question": "?", "approvers": ["a"], "needed": 2}, FailureCode.SETTING_INVALID),
    Example({"question": "?", "approvers": ["a"], "escalate_hours": 2}, FailureCode.SETTING_INVALID),
    Example({"question": " ", "approvers": ["a"]}, FailureCode.SETTING_INVALID),
)
