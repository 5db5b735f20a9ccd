"""Sends each order to the desk that carries it out. Used by main/conduit.py."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from blubees.model.errors import UnavailableError
from blubees.model.order import Clear, Order, Wake
from blubees.ports import Clock

Desk = Callable[[Any], Awaitable[None]]  # each takes its own class of order


def send_to_desks(desks: Mapping[type, Desk], clock: Clock) -> Callable[[Order], Awaitable[None]]:
    """Make what carries out any order. `desks`: class of order → who carries it out, and bears to get one twice."""

    async def carry_out(order: Order) -> None:
        desk = desks.get(type(order))
        if isinstance(order, Wake | Clear) and 0 < order.expires_at_milliseconds < clock.now_milliseconds():
            return  # what can't be done comes again and again: of all copies of it, only the newest ones
        if desk is None:
            raise UnavailableError("No desk here carries out this order.")
        await desk(order)

    return carry_out
