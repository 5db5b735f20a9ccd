"""Launches runs: seals them into the broker's memory. Called by flows/intake.py.

A tenant's first runs of each second ride in the prompt lane, the rest in the bulk lane: however much one tenant sends, it
stands in its own way only. Source: docs/decisions/0006-fairness-between-tenants.md.
"""

import asyncio
import contextlib
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from blubees.engine.message import RUN_MAX_BYTES, RunMessage, seal_run
from blubees.engine.pace import Pace
from blubees.model.errors import UnavailableError
from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import RunAccepted
from blubees.model.reference import Reference
from blubees.ports import Clock, Lane, Put, RunQueue
from blubees.vault.seal import Sealer

PROMPT_BURST: Final = 40.0  # runs
PROMPT_PER_SECOND: Final = 20.0  # runs a second and conduit
BULK_AT_A_TIME: Final = 16  # puts of one conduit: whoever sends more waits for its own, and prompt callers for none of them
TENANTS_REMEMBERED: Final = 10_000  # a forgotten tenant starts with a full allowance


NO_REFERENCE: Final = Reference()


_AT_ONCE: Final = contextlib.nullcontext()


class LaneChooser:
    """A token bucket for each tenant: prompt while there are tokens, bulk when there are none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[TenantId, tuple[float, float]] = OrderedDict()

    def choose(self, tenant: TenantId) -> Lane:
        """Choose the lane of the tenant's next run."""
        now = self._clock.monotonic_seconds()
        tokens, since = self._buckets.pop(tenant, (PROMPT_BURST, now))
        tokens = min(PROMPT_BURST, tokens + (now - since) * PROMPT_PER_SECOND)
        lane = Lane.PROMPT if tokens >= 1 else Lane.BULK
        self._buckets[tenant] = (tokens - 1 if lane is Lane.PROMPT else tokens, now)
        if len(self._buckets) > TENANTS_REMEMBERED:
            self._buckets.popitem(last=False)
        return lane


class Launcher:
    """Puts runs into the queue.

    Args:
        accepted: told of every run that the broker has confirmed.
        pace: shared with who performs the runs.
    """

    def __init__(
        self,
        queue: RunQueue,
        sealer: Sealer,
        delivery_key: bytes,
        clock: Clock,
        accepted: Callable[[RunAccepted], None],
        pace: Pace | None = None,
    ) -> None:
        self._accepted = accepted
        self._pace = pace or Pace(clock)
        self._queue = queue
        self._sealer = sealer
        self._delivery_key = delivery_key
        self._lanes = LaneChooser(clock)
        self._bulk_turn = asyncio.Semaphore(BULK_AT_A_TIME)

    async def launch(self, message: RunMessage, *, delivery: str, reference: Reference = NO_REFERENCE) -> Put:
        """Launch a run.

        Args:
            delivery: the sender's id of the delivery, or empty: the same one starts a flow once a day.
            reference: what allows asking the event's source for it again.

        Raises:
            UnavailableError: the broker did not confirm, or lost its memory meanwhile.
        """
        sealed = seal_run(message, self._sealer)
        if len(sealed) > RUN_MAX_BYTES:
            return Put.FULL
        marker = self.hash_delivery(message.tenant, message.flow, delivery)
        lane = await self.choose_lane(message.tenant)
        if lane is None:
            return Put.FULL
        epoch = await self._queue.epoch()
        async with self._bulk_turn if lane is Lane.BULK else _AT_ONCE:
            put = await self._queue.put(message.tenant, lane, sealed, delivery=marker)
        if await self._queue.epoch() != epoch:  # which of the two memories has it, nobody knows: nothing is promised
            raise UnavailableError("The brokers have lost their memory while the run was put into it.", retry_after_seconds=2)
        if put is Put.QUEUED:
            self._accepted(describe_accepted(message, epoch, msgspec.structs.replace(reference, delivery=marker)))
        return put

    async def choose_lane(self, tenant: TenantId) -> Lane | None:
        """Choose the lane of a tenant's next piece of work; in the bulk lane, wait for time for it. None: there was none."""
        self._pace.note(tenant)
        lane = self._lanes.choose(tenant)
        return None if lane is Lane.BULK and not await self._pace.wait() else lane

    async def claim(self, tenant: TenantId, flow: FlowId, delivery: str) -> bool:
        """Whether this delivery is new to the flow, for runs that start without the queue. No id: always new."""
        return not delivery or await self._queue.claim(self.hash_delivery(tenant, flow, delivery))

    def hash_delivery(self, tenant: TenantId, flow: FlowId, delivery: str) -> str:
        """Give the keyed hash of a delivery, as it stands in references: it can be compared, and not read back."""
        if not delivery:
            return ""
        text = f"{tenant}\x00{flow}\x00{delivery}".encode()
        return hmac.new(self._delivery_key, text, hashlib.sha256).hexdigest()[:32]


def describe_accepted(message: RunMessage, epoch: int, reference: Reference) -> RunAccepted:
    """Write what tells the ledger of a run that the broker has."""
    return RunAccepted(
        tenant=message.tenant,
        flow=message.flow,
        version=message.version,
        run=message.run,
        trigger=message.trigger,
        accepted_at_milliseconds=message.accepted_at_milliseconds,
        epoch=epoch,
        reference=reference,
        relaunches=message.relaunches,
        retry_of=message.retry_of or None,
    )
