"""What the control plane does again and again, by itself. Used by operations that purge or go on with something."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from blubees.model.errors import UnavailableError
from blubees.ports import Events

HOUR_SECONDS: Final = 3_600.0
AGAIN_SECONDS: Final = 60.0


async def do_hourly(work: Callable[[], Awaitable[object]], events: Events, sooner: asyncio.Event | None = None) -> None:
    """Do it now and every hour, until cancelled; also when `sooner` is set, and within a minute where the database was away."""
    wanted = sooner or asyncio.Event()
    while True:
        wanted.clear()
        wait_seconds = HOUR_SECONDS
        try:
            await work()
        except UnavailableError:
            events("database_unavailable")
            wait_seconds = AGAIN_SECONDS
        try:
            await asyncio.wait_for(wanted.wait(), wait_seconds)
        except TimeoutError:
            continue


async def do_while_due(work: Callable[[], Awaitable[int]], events: Events, *, at_once: int, seconds: float) -> None:
    """Do what is due, again and again, until cancelled: with a pause, but after a full round, for there may be more.

    Args:
        work: gives how many were due, `at_once` at most. Raises UnavailableError: the database is away.
    """
    while True:
        try:
            count = await work()
        except UnavailableError:
            events("database_unavailable")
            count = 0
        if count < at_once:
            await asyncio.sleep(seconds)
