"""Sign-offs as nouns: what conduit and control plane say to each other about them, and when enough people have answered.

The question itself is payload and stands in none of them: its hash does. Source: docs/decisions/0025-sign-offs.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

from blubees.model.parking import AccountText, Answered, HashText, PathText, SignOffRule, Slot, Wait, WaitEnd
from blubees.model.receipt import RunText, TenantText


class Choice(StrEnum):
    """What a person can answer."""

    APPROVE = "approve"
    REJECT = "reject"


class Notice(StrEnum):
    """What people are told of a sign-off, by a comment."""

    ASK = "ask"
    REMIND = "remind"
    ESCALATE = "escalate"


class SignOffVerdict(StrEnum):
    """What became of an answer. `answered`: otherwise, before; `changed`: it is another question now."""

    COUNTED = "counted"
    ANSWERED = "answered"
    CHANGED = "changed"
    OVER = "over"
    UNKNOWN = "unknown"


class ListSignOffs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="list"):
    """What waits for this person?"""

    tenant: TenantText
    account: AccountText


class ShowSignOff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="show"):
    """Let me open the question for this person; with no account, for writing a notice."""

    tenant: TenantText
    run: RunText
    path: PathText
    account: AccountText = ""


class AnswerSignOff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="answer"):
    """This person answers the question with this hash."""

    tenant: TenantText
    run: RunText
    path: PathText
    account: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9:_-]{1,128}$")]
    choice: Choice
    question: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


SignOffRequest = ListSignOffs | ShowSignOff | AnswerSignOff


class SignOff(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-off that waits, without its question. `approved`: how many have; `answered`: what this person has."""

    run: str
    path: str
    step: str
    flow: str
    issue: str
    parked_at_milliseconds: int
    due_milliseconds: int
    needed: int
    approved: int
    answered: str = ""


class SignOffList(msgspec.Struct, frozen=True, kw_only=True, tag="list"):
    """What waits for a person, the next due first."""

    sign_offs: tuple[SignOff, ...]


class SignOffShown(msgspec.Struct, frozen=True, kw_only=True, tag="shown"):
    """What is needed to open a question, and who has not answered it. Travels sealed; lives in memory only."""

    sign_off: SignOff
    slot: Slot
    ordinal: int
    question: HashText
    pending: tuple[str, ...] = ()


class SignOffDone(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """What became of an answer. `ended`: how the sign-off ended by it, if it did."""

    verdict: SignOffVerdict
    ended: str = ""


SignOffReply = SignOffList | SignOffShown | SignOffDone


def list_askees(rule: SignOffRule, now_milliseconds: int) -> tuple[str, ...]:
    """Who may answer now."""
    is_escalated = 0 < rule.escalate_milliseconds <= now_milliseconds
    return (*rule.approvers, *(each for each in rule.others if each not in rule.approvers)) if is_escalated else rule.approvers


def list_notices(rule: SignOffRule, now_milliseconds: int) -> tuple[tuple[Notice, int], ...]:
    """What people shall be told, and when."""
    found = [(Notice.ASK, now_milliseconds)] if rule.notify else []
    if rule.notify and rule.remind_milliseconds:
        found.append((Notice.REMIND, rule.remind_milliseconds))
    if rule.notify and rule.escalate_milliseconds:
        found.append((Notice.ESCALATE, rule.escalate_milliseconds))
    return tuple(sorted(found, key=lambda each: each[1]))


def decide(wait: Wait, answers: Mapping[str, Choice], at_milliseconds: int) -> Answered | None:
    """How a sign-off ends by these answers, or None when more are needed. One rejection ends it."""
    approved = tuple(account for account, choice in answers.items() if choice is Choice.APPROVE)
    rejected = tuple(account for account, choice in answers.items() if choice is Choice.REJECT)
    if rejected:
        choice, by, others = "rejected", rejected, approved
    elif wait.rule is not None and len(approved) >= wait.rule.needed:
        choice, by, others = "approved", approved, ()
    else:
        return None
    return Answered(
        path=wait.path, end=WaitEnd.ANSWERED, at_milliseconds=at_milliseconds, choice=choice, by=by, otherwise=others
    )
