"""A real nats-server and a connection of each of its users."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from blubees.adapters.broker.boards import NatsPlanBoard
from blubees.adapters.broker.link import Broker, BrokerAddress, connect_broker
from blubees.main.broker_child import BrokerChild, start_broker
from blubees.model.flow import PublishedFlow
from blubees.ports import TakenRun


@dataclass
class Brokers:
    """A broker with both of its users."""

    child: BrokerChild
    control: Broker
    conduit: Broker


@dataclass
class Taker:
    """Port RunTaker: keeps what it is given."""

    limit: int = 100
    taken: list[TakenRun] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def room(self) -> int:
        return self.limit - len(self.taken)

    def take(self, run: TakenRun) -> None:
        self.taken.append(run)
        self.changed.set()

    async def wait_for_room(self) -> None:
        await asyncio.Event().wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.taken) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def run_brokers(folder: Path) -> AsyncIterator[Brokers]:
    """Start one with its streams; on the way out it is stopped."""
    child = await start_broker(folder, "conduit-password", "control-password")
    control = await connect_broker(BrokerAddress(child.url, "control", "control-password"))
    await control.create_streams()
    conduit = await connect_broker(BrokerAddress(child.url, "conduit", "conduit-password"))
    running = Brokers(child, control, conduit)
    yield running
    await conduit.close()
    await control.close()
    child = running.child
    if child.process.returncode is None:
        child.process.terminate()
    await child.process.wait()
    await child.drain


async def post_plan(board: NatsPlanBoard, plan: PublishedFlow, *, is_withdrawn: bool = False) -> None:
    """Make it the current one of its flow, or none."""
    tenant, flow = plan.tenant, plan.flow.id
    number, _ = await board.find(tenant, flow)
    assert await board.post(tenant, flow, None if is_withdrawn else plan, after=number)


async def replace_broker(brokers: Brokers) -> None:
    """Kill the broker and have another take its place, as the supervisor does; returns when both users are connected."""
    child = brokers.child
    child.process.kill()
    await child.process.wait()
    await child.drain
    brokers.child = await start_broker(child.folder, child.conduit_password, child.control_password, port=child.port)
    before = brokers.control.connection, brokers.conduit.connection
    async with asyncio.timeout(15):
        while before[0] == brokers.control.connection or before[1] == brokers.conduit.connection:  # noqa: ASYNC110 - nats-py
            await asyncio.sleep(0.05)
        while not (brokers.control.is_connected and brokers.conduit.is_connected):  # noqa: ASYNC110 - nats-py
            await asyncio.sleep(0.05)
