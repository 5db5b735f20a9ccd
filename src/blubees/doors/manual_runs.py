"""The door for runs that are started by hand: POST /runs/{tenant}/{flow} with a ticket. Built by main/conduit.py.

What is wrong with a ticket is not told; what is wrong with an input is, by its name and type.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from blubees.doors.replies import NOT_FOUND, Reply, refuse_inputs, reply_to, send_reply, tell_run
from blubees.doors.ticket_requests import read_ticket_request
from blubees.model.event import Admission, Verdict
from blubees.model.failures import Failure
from blubees.model.ids import FlowId, TenantId

Start = Callable[[TenantId, FlowId, str, object], Awaitable[Admission | Failure | None]]


class ManualRunsDoor:
    """ASGI endpoint."""

    def __init__(self, start: Start) -> None:
        self._start = start

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        await send_reply(send, await self._handle(scope, receive))

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        asked = await read_ticket_request(scope, receive)
        if isinstance(asked, Reply):
            return asked
        done = await self._start(asked.tenant, asked.flow, asked.ticket, asked.document)
        if done is None:
            return NOT_FOUND
        if isinstance(done, Failure):
            return refuse_inputs(done)
        return tell_run(done) if done.verdict is Verdict.QUEUED else reply_to(done)
