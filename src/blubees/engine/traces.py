"""Remembers for a while which issues our runs have written to, and how deep those runs were. Used by engine/tries.py.

Jira says that an event is our own doing (`selfGenerated`), and not which run's. A flow that is started by such events is one
deeper than the run that wrote last. Asked by flows/own_events.py. Source: docs/decisions/0018-loops.md.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure
from blubees.model.ids import TenantId
from blubees.ports import TraceStore

UNKNOWN_DEPTH: Final = 1  # of an event of our own whose run nobody remembers
_ISSUE: Final = re.compile(r"/rest/api/3/issue/([A-Za-z0-9_-]{1,80})(?:[/?]|$)")
_NEW_ISSUE: Final = "/rest/api/3/issue"


class IssueTraces:
    """Notes writes and finds them again.

    Args:
        key: of the keyed hashes under which issues are noted.
        matters: whether a tenant has flows that are started by our own events; for the others nothing is noted.
    """

    def __init__(self, store: TraceStore, key: bytes, matters: Callable[[TenantId], bool]) -> None:
        self._store, self._key, self.matters = store, key, matters

    async def note_before(self, tenant: TenantId, call: Call, depth: int) -> None:
        """A run is about to make this call to Jira."""
        found = _ISSUE.match(call.url) if call.effect is not Effect.READ and self._is_worth_noting(tenant, depth) else None
        if found is not None:
            await self._store.note(tenant, self._name(tenant, found[1]), depth)

    async def note_after(self, tenant: TenantId, call: Call, answer: CallAnswer | Failure, depth: int) -> None:
        """It made the call: a new issue has its id only now."""
        if call.url != _NEW_ISSUE or call.method != "POST" or isinstance(answer, Failure):
            return
        if not self._is_worth_noting(tenant, depth):
            return
        try:
            document: Any = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return
        if isinstance(document, dict) and isinstance(document.get("id"), str):
            await self._store.note(tenant, self._name(tenant, document["id"]), depth)

    async def find_depth(self, tenant: TenantId, event: object) -> int:
        """Give how many runs of ours led to an event that is our own doing. Raises UnavailableError."""
        issue = event.get("issue") if isinstance(event, Mapping) else None
        names = [issue.get(name) for name in ("id", "key")] if isinstance(issue, Mapping) else []
        depths = [await self._store.find(tenant, self._name(tenant, name)) for name in names if isinstance(name, str)]
        return max([UNKNOWN_DEPTH, *depths])

    def _is_worth_noting(self, tenant: TenantId, depth: int) -> bool:
        """Whether it may start a flow: by the depth one did already, though this conduit may not have heard of it."""
        return depth > UNKNOWN_DEPTH or self.matters(tenant)

    def _name(self, tenant: TenantId, issue: str) -> str:
        return hmac.new(self._key, f"{tenant}\0{issue.upper()}".encode(), hashlib.sha256).hexdigest()[:32]
