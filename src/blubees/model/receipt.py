"""What stays of a run: typed, without a value of the payload. Made by engine/receipt.py; kept by operations/ledger.py.

This is the declassification boundary: whatever leaves a conduit towards the control plane is one of these, and a message
that is not exactly one of them is refused and counted. Source: docs/decisions/0003-what-a-receipt-may-hold.md.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from blubees.model.call import Effect
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import TriggerKind
from blubees.model.ids import FLOW_PATTERN, RUN_PATTERN, STEP_PATTERN, TENANT_PATTERN
from blubees.model.reference import Reference
from blubees.model.schedule import CursorText
from blubees.model.shape import Shape

TenantText = Annotated[str, msgspec.Meta(pattern=TENANT_PATTERN)]
FlowText = Annotated[str, msgspec.Meta(pattern=FLOW_PATTERN)]
RunText = Annotated[str, msgspec.Meta(pattern=RUN_PATTERN)]
StepText = Annotated[str, msgspec.Meta(pattern=STEP_PATTERN)]
WithinText = Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9_]{0,62}/){0,5}$")]
FailedStepText = Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9_]{0,62}(/[a-z][a-z0-9_]{0,62}){0,5})?\Z")]
KindText = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
ATTEMPTS_MAX = 10  # as many as a step may have; model/flow.py
REQUEST_ID_PATTERN = r"^[A-Za-z0-9._:=/+-]{1,64}$"
RequestIdText = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9._:=/+-]{1,64})?$")]


STEPS_MAX = 500  # in one receipt: flows that perform flows could fill it with more


class RunOutcome(StrEnum):
    """How a run ended; `accepted` and `parked`: it has not."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class StopReason(StrEnum):
    """Why a run was stopped, where its flow's steps did not say so.

    `already_running`, `too_many_waiting`, `restarted`: its flow's `runs` (another run was under way, too many waited already, a
    later one came). `loop`: too many runs of ours led to it, one after the other, or too many about the same issue came.
    `cancelled`: an operator said so.
    """

    ALREADY_RUNNING = "already_running"
    TOO_MANY_WAITING = "too_many_waiting"
    RESTARTED = "restarted"
    LOOP = "loop"
    CANCELLED = "cancelled"


class StepOutcome(StrEnum):
    """How a step ended; `would`: it was not performed: it changes something, in a dry run, or waits, in a trial."""

    DONE = "done"
    WOULD = "would"
    STOPPED = "stopped"
    FAILED = "failed"


class Trial(StrEnum):
    """What a run is that a person started to look at. A dry run makes no call but reads."""

    TEST = "test"
    DRY_RUN = "dry_run"


class WebMethod(StrEnum):
    """Methods of HTTP: a closed list, since a flow may take a method from the payload."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OTHER = "other"


class WouldCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A call that a dry run did not make. In a loop: the first one; `count` says how many there would have been at least."""

    method: WebMethod
    effect: Effect
    count: Count = 1


class Attempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One try of a step that did not go well at once.

    Attributes:
        offset_microseconds: start, counted from the run's start.
        waited_microseconds: how long the run waited before it.
        code: how it failed; None when it did not.
        request_id: the third party's id of a refused request: a reference to ask them with (docs/decisions/0003).
    """

    offset_microseconds: Count = 0
    duration_microseconds: Count = 0
    waited_microseconds: Count = 0
    code: FailureCode | None = None
    http_status: Status = 0
    request_id: RequestIdText = ""


class StepReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stays of one step.

    Attributes:
        within: the `run_flow` steps that it stands in, each with a slash after it; empty for a step of the run's own flow.
        offset_microseconds: start, counted from the run's start.
        duration_microseconds: how long it took.
        branch: for blocks, which branch was entered (from 0); -1 for none.
        http_status: of the third party's answer; 0 for none.
        request_bytes, answer_bytes: sizes on the wire of what was sent and received.
        attempts: how often it was tried.
        history: its tries, when one of them failed (in a loop: of the first turn in which one did).
        times: how often it was performed (in a loop); durations and sizes are sums then, the failure is the first.
        would: the call that a dry run did not make.
        input: the shape of the settings that it was given; of steps that failed.
        output: the shape of what it gave, or of the answer that refused its request; of runs in which something failed.
    """

    step: StepText
    kind: KindText
    outcome: StepOutcome
    within: WithinText = ""
    offset_microseconds: Count = 0
    duration_microseconds: Count = 0
    branch: Annotated[int, msgspec.Meta(ge=-1, le=1000)] = -1
    http_status: Status = 0
    request_bytes: Count = 0
    answer_bytes: Count = 0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=2**53)] = 1
    times: Annotated[int, msgspec.Meta(ge=1, le=2**53)] = 1
    failure: Failure | None = None
    history: Annotated[tuple[Attempt, ...], msgspec.Meta(max_length=ATTEMPTS_MAX)] = ()
    would: WouldCall | None = None
    input: Shape = ()
    output: Shape = ()


class RunReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="run"):
    """What stays of one run: ids, times (milliseconds since 1970, UTC), sizes, outcome classes.

    Attributes:
        relaunches: how often it was launched again before: the end of a later launch takes the place of an earlier one's.
        trial: what it is, when a person started it to look at it.
        retry_of: the failed run that this one starts anew.
        kept_until_milliseconds: until when a failed run can go on from its failed step, if the brokers live so long; 0: not.
        event: the shape of the event; of runs in which something failed.
        names: checksum of the names that shapes have numbers of (engine/names.py).
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    run: RunText
    trigger: TriggerKind
    outcome: RunOutcome
    accepted_at_milliseconds: Count
    started_at_milliseconds: Count
    duration_microseconds: Count
    payload_bytes: Count
    deliveries: Count = 1
    relaunches: Count = 0
    steps: tuple[StepReceipt, ...] = ()
    failed_step: FailedStepText = ""
    failure: Failure | None = None
    reason: StopReason | None = None
    trial: Trial | None = None
    retry_of: RunText | None = None
    kept_until_milliseconds: Count = 0
    event: Shape = ()
    names: Count = 0


class RunAccepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="accepted"):
    """The broker has a run: it will end, or be missed.

    Attributes:
        epoch: which memory of the brokers it is in (ports.RunQueue.epoch).
        relaunches: as in RunReceipt.
        retry_of: the failed run that this one starts anew.
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    run: RunText
    trigger: TriggerKind
    accepted_at_milliseconds: Count
    epoch: Count
    reference: Reference = Reference()
    relaunches: Count = 0
    retry_of: RunText | None = None


class LicenceState(StrEnum):
    """The site's licence as the newest invocation token says it."""

    ACTIVE = "active"
    TRIAL = "trial"
    INACTIVE = "inactive"
    ABSENT = "absent"


STRAGGLING_MILLISECONDS: Final = 60_000
"""How long events of an installation may still come after its goodbye."""


class TenantSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="tenant"):
    """A verified invocation told us of a site, or that something about it changed. Platform metadata, no payload."""

    tenant: TenantText
    environment_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9:/_.-]{1,200}$")]
    environment_type: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{1,20}$")]
    cloud_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]
    installation_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9:/_.-]{1,200}$")]
    licence: LicenceState
    seen_at_milliseconds: Count
    uninstalled: bool = False


class Fired(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="fired"):
    """A conduit's answer to the order `Fire`: all runs of this tick are safe in the broker, or why they are not.

    Attributes:
        runs: how many were started by this order; those that were started before are not counted.
        cursor: where the next poll goes on; empty when it stays. A reference, declared in the flow by its author.
        is_last_try: as in the order.
        failure: why nothing was started, or not all; none when all is well.
    """

    tenant: TenantText
    flow: FlowText
    version: Count
    due_milliseconds: Count
    runs: Count = 0
    cursor: CursorText = ""
    is_last_try: bool = False
    failure: Failure | None = None


Receipt = RunReceipt | RunAccepted | TenantSeen | Fired
