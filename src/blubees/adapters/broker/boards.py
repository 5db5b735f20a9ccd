"""Boards in the broker's memory: published flows, app tokens, tenants' settings. Built by main's processes.

Ports PlanBoard, TokenBoard, SettingsBoard.
"""

from collections.abc import Callable

import msgspec
from nats.aio.msg import Msg

from blubees.adapters.broker.link import CONFIRM_SECONDS, Broker, publish, watch
from blubees.adapters.broker.numbered import find_newest, put_after
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, TenantId
from blubees.model.settings import TenantSettings


class NatsPlanBoard:
    """Port PlanBoard: one subject a flow, which keeps its newest versions; an empty message withdraws it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(PublishedFlow)

    async def find(self, tenant: TenantId, flow: FlowId) -> tuple[int, PublishedFlow | None]:
        """See the port."""
        number, data = await find_newest(self._broker, "PLANS", f"plans.{tenant}.{flow}")
        return number, self._decoder.decode(data) if data else None

    async def post(self, tenant: TenantId, flow: FlowId, plan: PublishedFlow | None, *, after: int) -> bool:
        """See the port."""
        data = b"" if plan is None else self._encoder.encode(plan)
        return await put_after(self._broker, f"plans.{tenant}.{flow}", data, after=after, seconds=CONFIRM_SECONDS) is not None

    async def watch(self, changed: Callable[[TenantId, FlowId, PublishedFlow | None], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            _, tenant, flow = message.subject.split(".")
            plan = self._decoder.decode(message.data) if message.data else None
            changed(TenantId(tenant), FlowId(flow), plan)

        await watch(self._broker, "PLANS", "plans.*.*", tell)

    async def post_past(self, plan: PublishedFlow) -> None:
        """See the port."""
        await publish(self._broker, f"versions.{plan.tenant}.{plan.flow.id}.{plan.version}", self._encoder.encode(plan))

    async def watch_past(self, told: Callable[[PublishedFlow], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            told(self._decoder.decode(message.data))

        await watch(self._broker, "VERSIONS", "versions.*.*.*", tell)


class NatsTokenBoard:
    """Port TokenBoard."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def post(self, tenant: TenantId, sealed: bytes) -> None:
        """See the port."""
        await publish(self._broker, f"tokens.{tenant}", sealed)

    async def watch(self, changed: Callable[[TenantId, bytes], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            changed(TenantId(message.subject.partition(".")[2]), message.data)

        await watch(self._broker, "TOKENS", "tokens.*", tell)


class NatsSettingsBoard:
    """Port SettingsBoard."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(TenantSettings)

    async def find(self, tenant: TenantId) -> int:
        """See the port."""
        return (await find_newest(self._broker, "SETTINGS", f"settings.{tenant}"))[0]

    async def post(self, settings: TenantSettings, *, after: int) -> bool:
        """See the port."""
        subject, data = f"settings.{settings.tenant}", self._encoder.encode(settings)
        return await put_after(self._broker, subject, data, after=after, seconds=CONFIRM_SECONDS) is not None

    async def watch(self, changed: Callable[[TenantSettings], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            changed(self._decoder.decode(message.data))

        await watch(self._broker, "SETTINGS", "settings.*", tell)
