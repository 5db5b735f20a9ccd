"""An event as it came through a door, and what the intake says of it. Made in doors; read by flows/intake.py."""

from enum import StrEnum
from typing import Any

import msgspec

from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import TenantId
from blubees.model.reference import Reference


class RawEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event, authenticated, parsed, not yet matched.

    Attributes:
        trigger: what kind of event it is.
        body: the bytes as they came; travels sealed with the run.
        document: the body parsed; JSON-like.
        headers: of a webhook, names lower-cased, without authorization, cookie and signature headers; else empty.
        query: of a webhook; else empty.
        delivery: what identifies this delivery for deduplication, in the sender's terms; empty when the sender has none.
        reference: what allows asking its source for it again.
        depth: how many runs of ours, one after the other, led to it, as far as that is known.
        is_own: whether Jira says that it is our own app's doing: it starts only flows that want such events.
        hook: the one flow that the event is for: the webhook token's, the schedule's; None for Jira events.
    """

    tenant: TenantId
    trigger: TriggerKind
    body: bytes
    document: Any
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    delivery: str = ""
    received_at_milliseconds: int = 0
    reference: Reference = Reference()
    hook: PublishedFlow | None = None
    depth: int = 0
    is_own: bool = False


class Verdict(StrEnum):
    """What became of an event at the intake."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    UNMATCHED = "unmatched"
    ANSWERED = "answered"
    FULL = "full"
    UNAVAILABLE = "unavailable"
    LOOP = "loop"


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The intake's answer to a door.

    Attributes:
        runs: how many runs were queued; `run`: its id, when it is one.
        status, headers, body: the flow's own answer (verdict `answered` only).
        retry_after_seconds: for `full` and `unavailable`.
    """

    verdict: Verdict
    runs: int = 0
    run: str = ""
    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    retry_after_seconds: int = 0
