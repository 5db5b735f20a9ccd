"""The door for trials: POST /live/{tenant}/{flow} with a ticket and an event; answers with what happens, as it happens (SSE).

What is wrong with a ticket is not told. A reader that takes nothing for 10 s is dropped. Built by main/conduit.py.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from blubees.doors.replies import NOT_FOUND, STREAM_START, UNAVAILABLE, Reply, refuse_inputs, reply_to, send_reply
from blubees.doors.ticket_requests import read_ticket_request
from blubees.flows.live import Live
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission
from blubees.model.failures import Failure
from blubees.model.ids import FlowId, TenantId

SEND_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 10.0
STILL_HERE: Final = b": still here\n\n"

Start = Callable[[TenantId, FlowId, str, object], Awaitable[Live | Admission | Failure | None]]


class LiveDoor:
    """ASGI endpoint."""

    def __init__(self, start: Start) -> None:
        self._start = start

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        found = await self._handle(scope, receive)
        if isinstance(found, Reply):
            await send_reply(send, found)
            return
        leaving = asyncio.create_task(_wait_until_gone(receive))
        leaving.add_done_callback(lambda _: found.leave())
        try:
            await _send_all(found, send)
        finally:
            leaving.cancel()
            found.leave()

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply | Live:  # noqa: ANN401 - ASGI
        asked = await read_ticket_request(scope, receive)
        if isinstance(asked, Reply):
            return asked
        try:
            done = await self._start(asked.tenant, asked.flow, asked.ticket, asked.document)
        except UnavailableError:
            return UNAVAILABLE
        if done is None:
            return NOT_FOUND
        if isinstance(done, Failure):
            return refuse_inputs(done)
        return reply_to(done) if isinstance(done, Admission) else done


async def _wait_until_gone(receive: Any) -> None:  # noqa: ANN401 - ASGI
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_all(live: Live, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Send what there is until it has ended; wait for a slow reader 10 s, and buffer no more than LiveStream does."""
    with contextlib.suppress(TimeoutError):
        await send(STREAM_START)
        reading = asyncio.create_task(live.stream.read())
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=QUIET_SECONDS)
                chunk = reading.result() if done else STILL_HERE
                if not chunk:
                    break
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if done:
                    reading = asyncio.create_task(live.stream.read())
        finally:
            reading.cancel()
        last = b"event: dropped\ndata: {}\n\n" if live.stream.is_dropped else b""
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": last, "more_body": False})
