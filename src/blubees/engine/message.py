"""A run on its way through the broker: sealed, with tenant, flow and run bound to it. Used by launch, work and the intake.

The key lives in the memory of conduits only. What stands in clear beside the sealed part are the two ids that are needed
to open it. Source: docs/decisions/0002-processes-and-broker.md.
"""

import zlib
from typing import Any, Final

import msgspec

from blubees.model.errors import TamperedError
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import Redrive, Retry
from blubees.model.parking import Answered, Wait
from blubees.model.receipt import RunReceipt, StepReceipt, Trial
from blubees.vault.seal import Sealer

RUN_MAX_BYTES: Final = 8_388_608  # the broker's largest message; docs/decisions/0004-size-limits.md


class RunState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a run is: what another conduit needs, besides the run's message, to go on with it.

    Attributes:
        done: results of steps that are done, by path (engine/walk.py); null where no later step reads it.
        entered: which branch or turn a block is in, by path.
        variables: what `set` steps gave, by path, as far as a later step reads it.
        receipts: of the steps that are done.
        attempting: paths of the steps whose unsafe call was begun and is under way.
        waits: what the run waits for, by path; `notes` what whoever answers must see; `answers` how waits ended.
        heard: the number of the last thing that came which a waiting step has looked at, by path.
        parked: how often the run was parked.
        started_at_milliseconds: when it was first begun.
        settled: of a run that was lost: paths of the unsafe calls of which it is decided that they are made.
        receipt: the run's, once it has ended.
    """

    done: dict[str, Any] = {}
    entered: dict[str, int] = {}
    variables: dict[str, Any] = {}
    receipts: tuple[StepReceipt, ...] = ()
    attempting: tuple[str, ...] = ()
    waits: dict[str, Wait] = {}
    notes: dict[str, Any] = {}
    answers: dict[str, Answered] = {}
    heard: dict[str, int] = {}
    parked: int = 0
    started_at_milliseconds: int = 0
    settled: tuple[str, ...] = ()
    receipt: RunReceipt | None = None


class RunMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything that a conduit needs to perform a run, or to go on with it.

    Attributes:
        body: the event as JSON bytes, or empty.
        relaunches: how often it was launched again; `retries` of them from its failed step.
        retry_of: the failed run that this one starts anew; empty for none.
        scope: of a run that was parked, in place of the body: what smart values still read of the event.
        body_bytes: the size of the body that it came with, once that is gone.
        issue: the id of the issue that it is about, once the body is gone; empty for none.
        is_redriven: launched again since it was lost: what it did before, nobody knows.
        state: how far it is.
        gate: where it stands to other runs of its flow, once that is worked out: a keyed hash (engine/gate.py).
        trial: what it is, when a person started it to look at it; such a run is performed where it was started.
        error_of: the failed run because of which this one was started; empty for none.
        depth: how many runs of ours led to it, one after the other (engine/depth.py).
    """

    run: RunId
    tenant: TenantId
    flow: FlowId
    version: int
    trigger: TriggerKind
    accepted_at_milliseconds: int
    body: bytes
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    relaunches: int = 0
    retries: int = 0
    retry_of: str = ""
    scope: dict[str, Any] | None = None
    body_bytes: int = 0
    issue: str = ""
    is_redriven: bool = False
    state: RunState = RunState()
    gate: str = ""
    error_of: str = ""
    depth: int = 0
    trial: Trial | None = None


def write_ordered(order: Redrive | Retry) -> RunMessage:
    """Write the message of a run that an order launches again; its event is still to be asked for."""
    return RunMessage(
        run=RunId(order.run),
        tenant=TenantId(order.tenant),
        flow=FlowId(order.flow),
        version=order.version,
        trigger=order.trigger,
        accepted_at_milliseconds=order.accepted_at_milliseconds,
        body=b"",
        relaunches=order.relaunches,
        is_redriven=isinstance(order, Redrive),
        retry_of=(order.retry_of or "") if isinstance(order, Redrive) else "",
    )


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(RunMessage)
_STATE_DECODER = msgspec.msgpack.Decoder(RunState)


def seal_run(message: RunMessage, sealer: Sealer) -> bytes:
    """Seal a run: one length byte, the flow id, the run id, then the sealed message."""
    flow = message.flow.encode()
    head = bytes((len(flow),)) + flow + message.run.encode()
    return head + sealer.seal(_ENCODER.encode(message), ("run", message.tenant, message.flow, message.run))


def open_run(tenant: TenantId, sealed: bytes, sealer: Sealer) -> RunMessage:
    """Open a run that came through the broker under this tenant's subject.

    Raises:
        TamperedError: it was not sealed with our key for this tenant, flow and run.
    """
    size = sealed[0] if sealed else 0
    head = sealed[1 : 1 + size + 27]
    if len(head) != size + 27:
        raise TamperedError
    flow, run = head[:size].decode("ascii", "replace"), head[size:].decode("ascii", "replace")
    plain = sealer.unseal(sealed[1 + size + 27 :], ("run", tenant, flow, run))
    return _DECODER.decode(plain)


def seal_state(message: RunMessage, state: RunState, sealer: Sealer) -> bytes:
    """Seal how far a run is, for its checkpoint."""
    return sealer.seal(_ENCODER.encode(state), ("checkpoint", message.tenant, message.flow, message.run))


def open_state(message: RunMessage, sealed: bytes, sealer: Sealer) -> RunState:
    """Open a run's checkpoint. Raises TamperedError: it is not this run's."""
    return _STATE_DECODER.decode(sealer.unseal(sealed, ("checkpoint", message.tenant, message.flow, message.run)))


def seal_carried(message: RunMessage, packed: bytes, sealer: Sealer) -> bytes:
    """Seal a parked run under its own key. The parking's number is bound to it, so that no older one can take its place."""
    return sealer.seal(packed, _bind_carried(message.tenant, message.flow, message.run, message.state.parked))


def open_carried(tenant: TenantId, flow: FlowId, run: RunId, ordinal: int, sealed: bytes, sealer: Sealer) -> RunMessage:
    """Open what seal_carried() made. Raises TamperedError: it is not this parking of this run."""
    return _DECODER.decode(unpack_carried(sealer.unseal(sealed, _bind_carried(tenant, flow, run, ordinal))))


def pack_carried(message: RunMessage) -> bytes:
    """Write a parked run as small as is cheap."""
    return zlib.compress(_ENCODER.encode(message), 1)


def unpack_carried(packed: bytes) -> bytes:
    """Undo it. It was sealed by us, so its size is known to be ours."""
    return zlib.decompress(packed)


def _bind_carried(tenant: TenantId, flow: FlowId, run: RunId, ordinal: int) -> tuple[str, ...]:
    return ("parked", tenant, flow, run, str(ordinal))


def seal_replay(message: RunMessage, sealer: Sealer) -> bytes:
    """Seal what a failed run held."""
    return sealer.seal(_ENCODER.encode(message), ("replay", message.tenant, message.run))


def open_replay(tenant: TenantId, run: RunId, sealed: bytes, sealer: Sealer) -> RunMessage:
    """Open it. Raises TamperedError: it is not this run's."""
    return _DECODER.decode(sealer.unseal(sealed, ("replay", tenant, run)))
