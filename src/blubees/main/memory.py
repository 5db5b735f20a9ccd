"""What to do when the brokers have lost their memory: make it anew (control plane), find one's way in it (conduits).

Used by main/control_plane.py and main/conduit.py. Source: docs/decisions/0013-when-all-brokers-die.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from blubees.adapters.broker.link import Broker
from blubees.model.errors import BluBeesError
from blubees.ports import Events

LOOK_SECONDS: Final = 0.25


async def furnish_forever(
    broker: Broker, fill: Callable[[], Awaitable[None]], learn_epoch: Callable[[int], None], events: Events
) -> None:
    """Create streams where there are none, and tell each memory that is met. Until cancelled.

    Args:
        fill: posts what conduits must know.
    """
    known = 0
    while True:
        try:
            if not broker.epoch_of_connection and await broker.lacks_queue():
                await broker.create_streams(fill)
                events("broker_furnished")
            epoch = await broker.read_epoch()
            if epoch != known:
                known = epoch
                learn_epoch(epoch)
        except BluBeesError:
            pass  # it does not answer, or lost its memory again: looked at again
        await asyncio.sleep(LOOK_SECONDS)


async def follow_forever(broker: Broker, find_way: Callable[[], Awaitable[None]], events: Events) -> None:
    """Find one's way in each new memory, until cancelled.

    Args:
        find_way: learns the boards again and shares what it knows itself.
    """
    known = await broker.read_epoch()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            epoch = await broker.read_epoch()
            if epoch == known:
                continue
            events("broker_memory_lost")
            await find_way()
            known = epoch
        except BluBeesError:
            continue  # not there yet
