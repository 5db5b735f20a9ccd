"""Parked runs as nouns: what a run waits for, and what conduit and control plane say to each other about it. No payload.

The values that later steps read are sealed in the customer's own Jira; the key is in the vault; here are ids, times and hashes.
Source: docs/decisions/0011-parking.md.
"""

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec

from blubees.model.flow import TriggerKind
from blubees.model.receipt import Count, FlowText, RunText, StepText, TenantText

PathText = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_/\[\]]{1,640}$")]
IssueText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,20}$")]
HashText = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")]
AccountText = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9:_-]{0,128}$")]
Ordinal = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class WaitKind(StrEnum):
    """What a run waits for."""

    TIME = "time"
    CALL_BACK = "call_back"
    EVENT = "event"
    SIGN_OFF = "sign_off"
    DOUBT = "doubt"
    CONNECTION = "connection"


class WaitEnd(StrEnum):
    """How a wait ended."""

    DUE = "due"
    CALLED = "called"
    ANSWERED = "answered"


def name_connection(connection: str) -> str:
    """Name what runs wait by that wait for a connection's grant."""
    return hashlib.sha256(f"connection|{connection}".encode()).hexdigest()


class SignOffRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who may answer a sign-off, and how many must.

    Attributes:
        approvers: Jira account ids.
        needed: how many approvals are needed.
        question: hex SHA-256 of the exact question with what it is bound to; the question itself is payload.
        remind: when to remind those who have not answered; 0 for never.
        escalate: when to ask `others` as well; 0 for never.
        others: Jira account ids who may answer from then on.
        notify: whether people are told by comments at the issue that the run is about.
    """

    approvers: tuple[AccountText, ...]
    needed: Annotated[int, msgspec.Meta(ge=1, le=50)] = 1
    question: HashText = ""
    remind_milliseconds: Count = 0
    escalate_milliseconds: Count = 0
    others: tuple[AccountText, ...] = ()
    notify: bool = False


class Wait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that a run waits for.

    Attributes:
        path: of the step, which names the turn of a loop as well (engine/walk.py).
        due_milliseconds: when the wait is over in any case, UTC since 1970.
        name: of its mailbox, a hash (call_back and event only).
        turn: how often something came that was not what is waited for.
        trigger: which kind of Jira event (event only); `issue`: about which issue.
        rule: for a sign-off.
        connection: whose grant is waited for (connection only); `name` is then the hash of that.
    """

    path: PathText
    step: StepText
    kind: WaitKind
    due_milliseconds: Count
    name: HashText = ""
    turn: Count = 0
    trigger: TriggerKind | None = None
    issue: IssueText = ""
    rule: SignOffRule | None = None
    connection: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,63}$")] = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a wait ended.

    Attributes:
        choice: what was answered: a word from the kind's own closed list.
        by: the Jira account ids of those who answered, or empty for an operator; `otherwise`: of those who answered otherwise.
    """

    path: PathText
    end: WaitEnd
    at_milliseconds: Count
    choice: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{0,20}$")] = ""
    by: tuple[AccountText, ...] = ()
    otherwise: tuple[AccountText, ...] = ()


class OpenSlot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="open"):
    """A run is about to be parked for the `ordinal`th time: give me its key.

    Attributes:
        is_empty: it carries no payload.
        issue, parts: where its values will be left, and in how many properties: if it ends before it is parked.
    """

    tenant: TenantText
    run: RunText
    ordinal: Ordinal
    flow: FlowText
    version: Count
    trigger: TriggerKind
    accepted_at_milliseconds: Count
    is_empty: bool = False
    issue: IssueText = ""
    parts: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class ArmSlot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="arm"):
    """Its values are safe in Jira: wake it when one of these waits is over."""

    tenant: TenantText
    run: RunText
    ordinal: Ordinal
    issue: IssueText
    parts: Annotated[int, msgspec.Meta(ge=1, le=64)]
    waits: tuple[Wait, ...]


class TakeSlot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="take"):
    """It is woken: give me its key, and how its waits ended. `epoch`: the memory of the brokers in which it will be queued."""

    tenant: TenantText
    run: RunText
    ordinal: Ordinal
    epoch: Count


class LeaveSlot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="leave"):
    """It is in the queue again, or, with `cleared`, what it had left in Jira is deleted."""

    tenant: TenantText
    run: RunText
    ordinal: Ordinal = 1
    cleared: bool = False


class CallIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="call_in"):
    """Something came into a mailbox: wake its run, if it waits. `run`: whose mailbox it is, where that is known."""

    tenant: TenantText
    name: HashText
    run: Annotated[str, msgspec.Meta(pattern=r"^(r[0-9a-v]{26})?$")] = ""


class FindWaiters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="find"):
    """A Jira event about an issue came: which mailboxes wait for it?"""

    tenant: TenantText
    trigger: TriggerKind
    issue: IssueText


class BorrowKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="key"):
    """Lend me the key of this tenant's call-back addresses."""

    tenant: TenantText


SlotRequest = OpenSlot | ArmSlot | TakeSlot | LeaveSlot | CallIn | FindWaiters | BorrowKey


class Slot(msgspec.Struct, frozen=True, kw_only=True, tag="slot"):
    """A run's place among the parked ones, as a conduit may see it. Travels sealed; lives in memory only.

    Attributes:
        key: 32 bytes: seals the run's values.
        parts: how many properties they are in.
        answers: how its waits ended, as far as they did.
        was_lost: it was woken from here before, in an earlier memory of the brokers: what it did since, nobody knows.
    """

    key: bytes
    flow: str
    version: int
    trigger: TriggerKind
    accepted_at_milliseconds: int
    issue: str = ""
    parts: int = 0
    answers: tuple[Answered, ...] = ()
    was_lost: bool = False

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return f"Slot(flow={self.flow})"


class Waiters(msgspec.Struct, frozen=True, kw_only=True, tag="waiters"):
    """The mailboxes that wait for an event."""

    names: tuple[str, ...] = ()


class LentKey(msgspec.Struct, frozen=True, kw_only=True, tag="lent"):
    """A key, for a minute. Travels sealed; lives in memory only."""

    key: bytes

    def __repr__(self) -> str:
        """Tell nothing of it."""
        return "LentKey()"


SlotAnswer = Slot | Waiters | LentKey


class SlotVerdict(StrEnum):
    """What became of a request that is not answered with a slot."""

    DONE = "done"
    OVER = "over"  # this parking is over already: the run has gone on elsewhere
    REFUSED = "refused"  # the tenant does not allow parking
    UNAVAILABLE = "unavailable"
