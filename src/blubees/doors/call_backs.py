"""The door for call backs: POST /call-backs/{tenant}/{token} ends the wait of one step of one run. Built by main/conduit.py.

An unknown tenant, run and token get the same answer. No address of a caller is kept or passed on.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.replies import METHOD, NOT_FOUND, OVER, TOO_MANY, UNAVAILABLE, Reply, send_reply
from blubees.doors.webhooks import QUERY_MAX_BYTES, REFUSALS, WITHHELD_HEADERS, read_headers
from blubees.engine.mail import Mailbox, MailVerdict
from blubees.model.errors import UnavailableError
from blubees.model.ids import TENANT_PATTERN, TenantId

TOKEN_MAX_CHARACTERS: Final = 1_024
_PATH: Final = re.compile(r"/call-backs/([^/]+)/([^/]+)")
_TENANT: Final = re.compile(TENANT_PATTERN)
TAKEN: Final = Reply.of_json(202, b'{"status":"taken"}')


class CallBackDoor:
    """ASGI endpoint."""

    def __init__(
        self,
        find_mailbox: Callable[[TenantId, str], Awaitable[Mailbox | None]],
        deliver: Callable[[TenantId, Mailbox, object], Awaitable[MailVerdict]],
    ) -> None:
        self._find_mailbox, self._deliver = find_mailbox, deliver
        self.refusals: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        try:
            reply = await self._handle(scope, receive)
        except UnavailableError:
            reply = UNAVAILABLE
        await send_reply(send, reply)

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        if scope["method"] not in {"POST", "PUT"}:
            return METHOD
        found = _PATH.fullmatch(scope["path"])
        if (
            found is None
            or not _TENANT.fullmatch(found[1])
            or len(found[2]) > TOKEN_MAX_CHARACTERS
            or len(scope["query_string"]) > QUERY_MAX_BYTES
        ):
            return self._refuse("unknown")
        tenant = TenantId(found[1])
        headers = read_headers(scope)
        body = await read_body(receive, headers)
        parsed = body if isinstance(body, BodyRefusal) else _parse(body, headers)
        if isinstance(parsed, BodyRefusal):
            self.refusals[parsed.value] += 1
            return REFUSALS[parsed]
        mailbox = await self._find_mailbox(tenant, found[2])
        if mailbox is None:
            return self._refuse("unknown")
        document = {
            "body": parsed,
            "headers": {name: value for name, value in headers.items() if name not in WITHHELD_HEADERS},
            "query": dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {},
        }
        verdict = await self._deliver(tenant, mailbox, document)
        if verdict is MailVerdict.FULL:
            return TOO_MANY
        return OVER if verdict is MailVerdict.OVER else TAKEN

    def _refuse(self, reason: str) -> Reply:
        self.refusals[reason] += 1
        return NOT_FOUND


def _parse(body: bytes, headers: dict[str, str]) -> object:
    """A call back may say nothing at all: that it came is enough."""
    if not body:
        return None
    parsed = parse_body(body, headers.get("content-type", ""))
    return parsed if isinstance(parsed, BodyRefusal) else parsed[0]
