"""A run on its way through the broker: sealed, with tenant, flow and run bound to it. Used by launch, work and the intake.

The key lives in the memory of conduits only. What stands in clear beside the sealed part are the two ids that are needed
to open it. Source: docs/decisions/0002-processes-and-broker.md.
"""

from typing import Any, Final

import msgspec

from blubees.model.errors import TamperedError
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import RunReceipt, StepReceipt
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
        receipt: the run's, once it has ended.
    """

    done: dict[str, Any] = {}
    entered: dict[str, int] = {}
    variables: dict[str, Any] = {}
    receipts: tuple[StepReceipt, ...] = ()
    attempting: tuple[str, ...] = ()
    receipt: RunReceipt | None = None


class RunMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything that a conduit needs to perform a run, or to go on with it.

    Attributes:
        body: the event as JSON bytes, or empty.
        relaunches: how often it was launched again.
        state: how far it is.
        gate: where it stands to other runs of its flow, once that is worked out: a keyed hash (engine/gate.py).
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
    state: RunState = RunState()
    gate: str = ""
    error_of: str = ""
    depth: int = 0


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
