"""The door for runs that are started by hand: POST /runs/{tenant}/{flow} with a ticket. Built by main/conduit.py.

What is wrong with a ticket is not told; what is wrong with an input is, by its name and type.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.replies import METHOD, NOT_FOUND, Reply, refuse_inputs, reply_to, send_reply, tell_run
from blubees.doors.webhooks import REFUSALS, read_headers
from blubees.model.event import Admission, Verdict
from blubees.model.failures import Failure
from blubees.model.ids import FLOW_PATTERN, TENANT_PATTERN, FlowId, TenantId

_PATH: Final = re.compile(r"/runs/([^/]+)/([^/]+)")
_TENANT, _FLOW = re.compile(TENANT_PATTERN), re.compile(FLOW_PATTERN)
SCHEME: Final = "Ticket "

Start = Callable[[TenantId, FlowId, str, object], Awaitable[Admission | Failure | None]]


class ManualRunsDoor:
    """ASGI endpoint."""

    def __init__(self, start: Start) -> None:
        self._start = start

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        await send_reply(send, await self._handle(scope, receive))

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        if scope["method"] != "POST":
            return METHOD
        found, headers = _PATH.fullmatch(scope["path"]), read_headers(scope)
        given = headers.get("authorization", "")
        if found is None or not _TENANT.fullmatch(found[1]) or not _FLOW.fullmatch(found[2]) or not given.startswith(SCHEME):
            return NOT_FOUND
        body = await read_body(receive, headers)
        if isinstance(body, BodyRefusal):
            return REFUSALS[body]
        parsed = parse_body(body, headers.get("content-type", ""))
        if isinstance(parsed, BodyRefusal):
            return REFUSALS[parsed]
        done = await self._start(TenantId(found[1]), FlowId(found[2]), given.removeprefix(SCHEME), parsed[0])
        if done is None:
            return NOT_FOUND
        if isinstance(done, Failure):
            return refuse_inputs(done)
        return tell_run(done) if done.verdict is Verdict.QUEUED else reply_to(done)
