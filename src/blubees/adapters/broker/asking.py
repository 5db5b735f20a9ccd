"""Questions of conduits over the broker, and the control plane's answers. Used by the desks beside it.

What is asked and answered, and what of it is sealed, is each desk's own: leases.py, parking.py, seen.py, sign_offs.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.model.errors import BluBeesError
from blubees.model.ids import TenantId

ANSWER_SECONDS: Final = 3.0
NOTHING: Final = b""  # an answer that nobody can read: it means unavailable

Seal = Callable[[bytes, tuple[str, ...]], bytes]


async def ask(broker: Broker, subject: str, question: bytes, *, seconds: float = ANSWER_SECONDS) -> bytes:
    """Ask whoever answers; NOTHING when nobody does in time."""
    try:
        return (await broker.client.request(subject, question, timeout=seconds)).data
    except (nats.errors.Error, OSError):
        return NOTHING


async def answer_all(broker: Broker, subject: str, answer: Callable[[TenantId, bytes], Awaitable[bytes]]) -> None:
    """Answer every question from now on, until the broker closes; of several control planes, one answers each.

    They are answered at a time, as many as conduits ask: each of them asks so much and no more.

    Args:
        subject: the first word of it; the second one is the tenant's.
        answer: takes tenant and question; one that it can't read, or is not able to answer now, gets NOTHING.
    """
    answering: set[asyncio.Task[None]] = set()

    async def reply(message: Msg) -> None:
        try:
            found = await answer(TenantId(message.subject.partition(".")[2]), message.data)
        except (BluBeesError, msgspec.DecodeError):
            found = NOTHING
        await message.respond(found)

    async def begin(message: Msg) -> None:
        task = asyncio.create_task(reply(message))
        answering.add(task)
        task.add_done_callback(answering.discard)

    await broker.client.subscribe(f"{subject}.*", queue=subject, cb=begin)
    for _ in range(2):  # then the broker knows that we answer; nats-py's flush overtakes what it has not yet written
        await broker.client.flush()
