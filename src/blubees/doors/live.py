"""The door for trials: POST /live/{tenant}/{flow} with a ticket and an event; answers with what happens, as it happens (SSE).

What is wrong with a ticket is not told. A reader that takes nothing for 10 s is dropped. Built by main/conduit.py.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.manual_runs import SCHEME
from blubees.doors.replies import METHOD, NOT_FOUND, STREAM_START, UNAVAILABLE, Reply, refuse_inputs, reply_to, send_reply
from blubees.doors.webhooks import REFUSALS, read_headers
from blubees.flows.live import Live
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission
from blubees.model.failures import Failure
from blubees.model.ids import FLOW_PATTERN, TENANT_PATTERN, FlowId, TenantId

SEND_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 10.0
STILL_HERE: Final = b": still here\n\n"
_PATH: Final = re.compile(r"/live/([^/]+)/([^/]+)")
_TENANT, _FLOW = re.compile(TENANT_PATTERN), re.compile(FLOW_PATTERN)

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
        if scope["method"] != "POST":
            return METHOD
        found, headers = _PATH.fullmatch(scope["path"]), read_headers(scope)
        given = headers.get("authorization", "")
        if found is None or not _TENANT.fullmatch(found[1]) or not _FLOW.fullmatch(found[2]) or not given.startswith(SCHEME):
            return NOT_FOUND
        body = await read_body(receive, headers)
        parsed = body if isinstance(body, BodyRefusal) else parse_body(body, headers.get("content-type", ""))
        if isinstance(parsed, BodyRefusal):
            return REFUSALS[parsed]
        try:
            done = await self._start(TenantId(found[1]), FlowId(found[2]), given.removeprefix(SCHEME), parsed[0])
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
