"""Gates of flows in the broker's memory (port GateStore). Built by main/conduit.py."""

import contextlib

import nats.errors

from blubees.adapters.broker.checkpoints import NatsCheckpointStore
from blubees.adapters.broker.link import Broker
from blubees.model.ids import RunId, TenantId


class NatsGateStore:
    """Port GateStore: kept as checkpoints are, in a stream of its own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._kept = NatsCheckpointStore(broker, "GATES")

    async def save(self, tenant: TenantId, name: str, data: bytes, *, after: int) -> int | None:
        """See the port."""
        return await self._kept.save(tenant, RunId(name), data, after=after)

    async def load(self, tenant: TenantId, name: str) -> tuple[int, bytes] | None:
        """See the port."""
        return await self._kept.load(tenant, RunId(name))

    async def note(self, tenant: TenantId, name: str, data: bytes) -> None:
        """See the port."""
        with contextlib.suppress(nats.errors.Error):
            await self._broker.client.publish(f"gates.{tenant}.{name}", data)

    async def drop(self, tenant: TenantId, name: str) -> None:
        """See the port."""
        await self._kept.drop(tenant, RunId(name))
