"""Reads requests that come with a ticket: POST /…/{tenant}/{flow}. Used by doors/manual_runs.py and doors/live.py."""

import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.replies import METHOD, NOT_FOUND, Reply
from blubees.doors.webhooks import REFUSALS, read_headers
from blubees.model.ids import FLOW_PATTERN, TENANT_PATTERN, FlowId, TenantId

SCHEME: Final = "Ticket "
_PATH: Final = re.compile(r"/[a-z]+/([^/]+)/([^/]+)")
_TENANT, _FLOW = re.compile(TENANT_PATTERN), re.compile(FLOW_PATTERN)


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """What it asks for. `document`: its body, parsed."""

    tenant: TenantId
    flow: FlowId
    ticket: str
    document: object


async def read_ticket_request(scope: MutableMapping[str, Any], receive: Any) -> TicketRequest | Reply:  # noqa: ANN401 - ASGI
    """Read one; what is wrong with a ticket is not told."""
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
    return TicketRequest(TenantId(found[1]), FlowId(found[2]), given.removeprefix(SCHEME), parsed[0])
