"""How a process of ours comes to the brokers. Used by main/conduit.py and main/control_plane.py."""

import asyncio
from typing import Final

from blubees.adapters.broker.link import Broker, BrokerAddress, connect_broker
from blubees.main.settings import ProcessStart
from blubees.model.errors import UnavailableError

TRIES: Final = 5
PAUSE_SECONDS: Final = 0.5


async def connect(start: ProcessStart) -> Broker:
    """Connect as the process was told; brokers that start at the same time are waited for a little.

    Raises:
        UnavailableError: none answers, or it does not know us.
    """
    address = BrokerAddress(
        start.broker_url,
        start.broker_user,
        start.broker_password,
        seed=start.broker_seed,
        authority=start.broker_authority,
        replicas=start.broker_nodes,
    )
    for _ in range(TRIES if start.broker_nodes > 1 else 0):
        try:
            return await connect_broker(address)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)
    return await connect_broker(address)
