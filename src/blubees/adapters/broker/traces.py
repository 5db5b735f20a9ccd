"""How deep the runs were that wrote to issues lately, in the broker's memory (port TraceStore). Built by main/conduit.py."""

import contextlib

import nats.errors

from blubees.adapters.broker.link import Broker
from blubees.adapters.broker.numbered import find_newest
from blubees.model.ids import TenantId


class NatsTraceStore:
    """Port TraceStore: one subject an issue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def note(self, tenant: TenantId, name: str, depth: int) -> None:
        """See the port."""
        with contextlib.suppress(nats.errors.Error):
            await self._broker.client.publish(f"traces.{tenant}.{name}", str(depth).encode())

    async def find(self, tenant: TenantId, name: str) -> int:
        """See the port."""
        text = (await find_newest(self._broker, "TRACES", f"traces.{tenant}.{name}"))[1]
        return int(text) if text.isdigit() else 0
