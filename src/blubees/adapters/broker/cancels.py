"""Cancelled runs on their way to the conduits, in the broker's memory (port CancelBoard). Built by main's processes."""

from collections.abc import Callable

from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker, publish, watch
from blubees.model.ids import RunId, TenantId


class NatsCancelBoard:
    """Port CancelBoard: one subject a run, for longer than a run may take."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def post(self, tenant: TenantId, run: RunId) -> None:
        """See the port."""
        await publish(self._broker, f"cancels.{tenant}.{run}", b"")

    async def watch(self, told: Callable[[TenantId, RunId], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            _, tenant, run = message.subject.split(".")
            told(TenantId(tenant), RunId(run))

        await watch(self._broker, "CANCELS", "cancels.*.*", tell)
