"""The database: runs that wait, and sign-offs (control plane only)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.parking import (
    Answered,
    ArmSlot,
    Wait,
)
from blubees.model.sign_off import AnswerSignOff, Choice, Notice


class ParkedStatus(StrEnum):
    """Where a parked run is.

    `open`: its values are being left in Jira. `waiting`: parked. `waking`: a wait is over, and a conduit was asked to put it
    back into the queue. `running`: it is there. `done`: it has ended; the key is destroyed. `cleared`: Jira has nothing of it.
    """

    OPEN = "open"
    WAITING = "waiting"
    WAKING = "waking"
    RUNNING = "running"
    DONE = "done"
    CLEARED = "cleared"


class ParkedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A parked run as it is kept.

    Attributes:
        sealed_key: its key, sealed under the tenant's; empty once it is destroyed.
        woken_in: the memory of the brokers (RunQueue.epoch) in which it was first woken from this parking; 0: not yet.
    """

    tenant: TenantId
    run: RunId
    ordinal: int
    status: ParkedStatus
    flow: FlowId
    version: int
    trigger: TriggerKind
    accepted_at_milliseconds: int
    issue: str = ""
    parts: int = 0
    key_version: int = 0
    sealed_key: bytes = b""
    changed_at_milliseconds: int = 0
    woken_in: int = 0


class WaitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One wait of a parked run, and how it ended, if it did."""

    tenant: TenantId
    run: RunId
    wait: Wait
    answer: Answered | None = None


class Ends(NamedTuple):
    """What ending waits came to: how many had not ended yet, and the runs that are to be woken now."""

    ended: int
    woken: Sequence[ParkedRow]


class ParkedStore(Protocol):
    """Parked runs and what they wait for."""

    async def open(self, row: ParkedRow) -> ParkedRow | None:
        """Make a slot, or give the one that is there to a later parking; None when this parking is over already.

        Raises:
            ConflictError: the tenant's key that its key is sealed under is no more.
        """
        ...

    async def arm(self, request: ArmSlot, at_milliseconds: int) -> tuple[bool, ParkedRow | None]:
        """Have it wait; False when this parking is over already. With the row when a wait has ended meanwhile: it is woken."""
        ...

    async def load(self, tenant: TenantId, run: RunId) -> ParkedRow | None:
        """One."""
        ...

    async def take(self, tenant: TenantId, run: RunId, ordinal: int, epoch: int) -> tuple[ParkedRow, Sequence[Answered]] | None:
        """One that is woken from this parking, with how its waits have ended, as far as they have; None: it is not.

        The first time, `epoch` is kept as `woken_in`.
        """
        ...

    async def list_waits(self, tenant: TenantId, run: RunId) -> Sequence[WaitRow]:
        """All of one run."""
        ...

    async def list_waiting(self, tenant: TenantId, *, limit: int) -> Sequence[tuple[ParkedRow, WaitRow]]:
        """What waits and is not answered, the next due first."""
        ...

    async def end(self, tenant: TenantId, answers: Sequence[tuple[RunId, Answered]], at_milliseconds: int) -> Ends:
        """End waits, and have their runs be woken, in one transaction: those that had not ended already."""
        ...

    async def move(
        self,
        tenant: TenantId,
        run: RunId,
        before: ParkedStatus,
        after: ParkedStatus,
        at_milliseconds: int,
        *,
        since: int = 0,
        ordinal: int = 0,
    ) -> ParkedRow | None:
        """Change the status when it is `before` (since then, and of that parking, if one is given); None when it is not."""
        ...

    async def find_mailbox(self, tenant: TenantId, name: str) -> tuple[ParkedRow, WaitRow] | None:
        """The wait that a mailbox belongs to."""
        ...

    async def list_named(self, tenant: TenantId, name: str, *, limit: int) -> Sequence[tuple[RunId, str]]:
        """The runs, and paths in them, that wait by this name and have no answer yet."""
        ...

    async def find_waiters(self, tenant: TenantId, trigger: TriggerKind, issue: str, *, limit: int) -> Sequence[str]:
        """The mailboxes of this tenant's runs that wait for such an event about this issue."""
        ...

    async def list_listening(self) -> Sequence[TenantId]:
        """Tenants that have runs which wait for events."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[WaitRow]:
        """Waits that are due and not answered, of runs that wait. Of all tenants: the control plane's own."""
        ...

    async def list_stale(
        self,
        status: ParkedStatus,
        age_milliseconds: int,
        now_milliseconds: int,
        *,
        limit: int,
        is_installed: bool | None = None,
    ) -> Sequence[ParkedRow]:
        """Runs that have had this status for longer, or, by a clock that was ahead, since a time as far in the future.

        Of all tenants; or of those that are installed, or are not.
        """
        ...

    async def finish(self, tenant: TenantId, runs: Sequence[RunId] | None, at_milliseconds: int) -> Sequence[ParkedRow]:
        """Of these runs (None: of all), end those that are kept here: their keys are destroyed. Gives them as they were."""
        ...

    async def forget(self, tenant: TenantId, run: RunId) -> None:
        """Delete what is kept of one run."""
        ...


class OpenSignOff(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-off that waits: its run, its wait, who has answered what, and whether it is over."""

    row: ParkedRow
    wait: Wait
    answers: Mapping[str, Choice]
    is_over: bool = False


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """After an answer: which choice of this person counts (the first), and how the sign-off ended, if it did."""

    choice: Choice
    ended: Answered | None = None


class DueNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people shall be told of a sign-off now: the `number`th thing, and when the one after it is due."""

    tenant: TenantId
    run: RunId
    path: str
    question: str
    number: int
    notice: Notice
    next_milliseconds: int


class SignOffStore(Protocol):
    """Sign-offs and what people answered. Rows come and go with the waits in ParkedStore."""

    async def list_open(self, tenant: TenantId, *, limit: int) -> Sequence[OpenSignOff]:
        """What waits, the next due first."""
        ...

    async def load(self, tenant: TenantId, run: RunId, path: str) -> OpenSignOff | None:
        """One, over or not."""
        ...

    async def answer(self, given: AnswerSignOff, at_milliseconds: int) -> Tally | None:
        """Count an answer and, when it is the last that was needed, end the wait, in one step.

        None: there is no such wait, it is over, or it is for another question.
        """
        ...

    async def list_due_notices(self, now_milliseconds: int, *, limit: int) -> Sequence[DueNotice]:
        """What people shall be told now. Of all tenants."""
        ...

    async def note_notice(self, sent: DueNotice) -> None:
        """It was sent."""
        ...

    async def list_unwoken(self, *, limit: int) -> Sequence[tuple[TenantId, RunId]]:
        """Runs that are still parked although a wait of theirs has ended. Of all tenants."""
        ...
