"""A real nats-server and a connection of each of its users."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from blubees.adapters.broker.link import Broker, BrokerAddress, connect_broker
from blubees.main.broker_child import BrokerChild, start_broker


@dataclass
class Brokers:
    """A broker with both of its users."""

    child: BrokerChild
    control: Broker
    conduit: Broker


@asynccontextmanager
async def run_brokers(folder: Path) -> AsyncIterator[Brokers]:
    """Start one with its streams; on the way out it is stopped."""
    child = await start_broker(folder, "conduit-password", "control-password")
    control = await connect_broker(BrokerAddress(child.url, "control", "control-password"))
    await control.create_streams()
    conduit = await connect_broker(BrokerAddress(child.url, "conduit", "conduit-password"))
    yield Brokers(child, control, conduit)
    await conduit.close()
    await control.close()
    if child.process.returncode is None:
        child.process.terminate()
    await child.process.wait()
    await child.drain
