"""What the control plane asks conduits to do, since it never sees payload: orders. Delivered at least once, to some conduit.

Made by operations; carried by the port OrderBox; carried out by main/conduit.py's desks, which must bear to get one twice.
An order holds ids and references only.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from blubees.model.flow import TriggerKind
from blubees.model.parking import HashText, PathText
from blubees.model.receipt import Count, FlowText, RunText, TenantText
from blubees.model.reference import Reference
from blubees.model.schedule import CursorText
from blubees.model.sign_off import Notice


class Wake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="wake"):
    """A parked run shall go on.

    Attributes:
        ordinal: of the parking that is over, counted from 1 in each run.
        expires_at_milliseconds: after that another order has taken this one's place: it is dropped; 0: never.
    """

    tenant: TenantText
    run: RunText
    ordinal: Annotated[int, msgspec.Meta(ge=1)]
    expires_at_milliseconds: Count = 0


class Clear(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="clear"):
    """A parked run is over: what it left in the customer's Jira shall be deleted.

    Attributes:
        issue: the id of the issue whose properties they are; empty for app properties.
        parts: how many properties.
        expires_at_milliseconds: as in Wake.
    """

    tenant: TenantText
    run: RunText
    issue: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,20}$")] = ""
    parts: Annotated[int, msgspec.Meta(ge=0, le=64)]
    expires_at_milliseconds: Count = 0


class Fire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="fire"):
    """A flow's schedule or poll is due. Answered by a receipt `Fired`; unanswered, it is sent again.

    Attributes:
        due_milliseconds: the tick; what is started for it is started once, however often the order comes.
        last_milliseconds: the tick before it that was carried out; 0 for none.
        missed: how many ticks before this one were missed and are not fired.
        expires_at_milliseconds: after that another order has taken this one's place: it is dropped.
        cursor: what the last poll left; empty for none.
        is_last_try: when it fails, the ledger shall show it as a failed run.
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    due_milliseconds: Count
    last_milliseconds: Count = 0
    missed: Count = 0
    expires_at_milliseconds: Count
    cursor: CursorText = ""
    is_last_try: bool = False


class Redrive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="redrive"):
    """A run went down with all brokers: its event shall be asked for again, and the run launched again under its id.

    Attributes:
        relaunches: of the launch that is asked for, counted from 1.
        expires_at_milliseconds: after that, the run is told as lost.
        retry_of: the failed run that this one starts anew.
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    run: RunText
    trigger: TriggerKind
    accepted_at_milliseconds: Count
    relaunches: Count
    reference: Reference
    expires_at_milliseconds: Count
    retry_of: RunText | None = None


class DoubtChoice(StrEnum):
    """What an operator says about a call in doubt: nothing, make it again, or go on as if it had been made."""

    NONE = ""
    AGAIN = "again"
    SKIP = "skip"


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="retry"):
    """A failed run shall go on from its failed step, with what it held then.

    Attributes:
        relaunches: of the launch that is asked for.
        choice: what to do with the call that the failed step is in doubt about.
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    run: RunText
    trigger: TriggerKind
    accepted_at_milliseconds: Count
    relaunches: Count
    choice: DoubtChoice = DoubtChoice.NONE


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="notify"):
    """People shall be told of a sign-off, by a comment.

    Attributes:
        question: the hash of the question that it is about; `number`: which of its notices.
    """

    tenant: TenantText
    run: RunText
    path: PathText
    question: HashText
    number: Annotated[int, msgspec.Meta(ge=0, le=10)]
    notice: Notice


Order = Notify | Wake | Clear | Fire | Redrive | Retry
