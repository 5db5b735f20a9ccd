"""Checkpoints of runs in the broker's memory (port CheckpointStore). Built by main/conduit.py."""

import contextlib
from typing import Final

import nats.errors

from blubees.adapters.broker.link import Broker
from blubees.adapters.broker.numbered import find_newest, put_after
from blubees.model.ids import RunId, TenantId

SAVE_SECONDS: Final = 2.0
_SOON: Final = {"Nats-TTL": "30s"}  # longer than a conduit that lost its run may go on believing in it


class NatsCheckpointStore:
    """Port CheckpointStore: one subject a run, which keeps its newest message."""

    def __init__(self, broker: Broker, stream: str = "CHECKPOINTS") -> None:
        self._broker, self._stream, self._prefix = broker, stream, stream.lower()

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        """See the port."""
        return await put_after(self._broker, f"{self._prefix}.{tenant}.{run}", sealed, after=after, seconds=SAVE_SECONDS)

    async def load(self, tenant: TenantId, run: RunId) -> tuple[int, bytes] | None:
        """See the port."""
        number, sealed = await find_newest(self._broker, self._stream, f"{self._prefix}.{tenant}.{run}")
        return (number, sealed) if sealed else None

    async def epoch(self) -> int:
        """See the port."""
        return await self._broker.read_epoch()

    async def drop(self, tenant: TenantId, run: RunId) -> None:
        """See the port. Not waited for: what is not dropped goes with its age.

        An empty message that soon goes by itself takes the checkpoint's place: purging a subject costs the broker eight times
        as much, and whoever still believes to have the run finds it taken.
        """
        with contextlib.suppress(nats.errors.Error):
            await self._broker.client.publish(f"{self._prefix}.{tenant}.{run}", b"", headers=_SOON)
