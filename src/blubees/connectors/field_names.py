"""Asks a Jira site for the names of its fields, and remembers them for some minutes, in memory. One for each conduit.

Called by the engine where a smart value names a field as people know it, and by the jira kinds that set or ask for fields.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import orjson

from blubees.connectors.meanings import find_meaning, read_retry_after
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.ids import TenantId
from blubees.ports import Clock

KEPT_MILLISECONDS: Final = 600_000
TENANTS_KEPT: Final = 1_000
FIELDS_MAX: Final = 10_000  # Jira recommends 1,200 custom fields; sites with some thousands are known
ANSWER_MAX_BYTES: Final = 16_777_216
DETAIL: Final = "field_names"
_PATH: Final = "/rest/api/3/field"
_OK: Final = 200


class JiraLine(Protocol):
    """What is used of connectors/caller.py."""

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        ...


class FieldDirectory:
    """The names of fields of all tenants, as far as they were asked for lately."""

    def __init__(self, open_line: Callable[[TenantId], JiraLine], clock: Clock) -> None:
        self._open_line, self._clock = open_line, clock
        self._known: OrderedDict[TenantId, tuple[int, FieldNames]] = OrderedDict()
        self._asking: dict[TenantId, asyncio.Task[FieldNames | Failure]] = {}

    async def of(self, tenant: TenantId) -> FieldNames | Failure:
        """Give the names of a site's fields, at most ten minutes old; a failure says `field_names` as its detail."""
        known = self._known.get(tenant)
        if known is not None and self._clock.now_milliseconds() - known[0] < KEPT_MILLISECONDS:
            return known[1]
        task = self._asking.get(tenant)
        if task is None:  # those who come meanwhile wait for the same answer
            task = self._asking[tenant] = asyncio.create_task(self._ask(tenant))
            task.add_done_callback(lambda _done: self._asking.pop(tenant, None))
        return await asyncio.shield(task)

    async def _ask(self, tenant: TenantId) -> FieldNames | Failure:
        call = Call(method="GET", url=_PATH, effect=Effect.READ, answer_limit_bytes=ANSWER_MAX_BYTES)
        answer = await self._open_line(tenant).call_jira(call)
        if isinstance(answer, Failure):
            return answer
        if answer.status != _OK:
            return Failure(
                code=find_meaning(answer.status, answer.headers),
                http_status=answer.status,
                retry_after_seconds=read_retry_after(answer.headers),
                detail=DETAIL,
            )
        names = read_names(answer.body)
        if names is None:
            return Failure(code=FailureCode.ANSWER_UNREADABLE, detail=DETAIL)
        self._known[tenant] = (self._clock.now_milliseconds(), names)
        self._known.move_to_end(tenant)
        if len(self._known) > TENANTS_KEPT:
            self._known.popitem(last=False)
        return names


LookUp = Callable[[TenantId], Awaitable[FieldNames | Failure]]
"""FieldDirectory.of."""


def read_names(body: bytes) -> FieldNames | None:
    """Read Jira's list of fields; None when it is none."""
    try:
        listed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(listed, list):
        return None
    by_name: dict[str, tuple[str, ...]] = {}
    pairs = [
        (each["id"], each["name"])
        for each in listed[:FIELDS_MAX]
        if isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("name"), str)
    ]
    for identity, name in pairs:
        folded = name.strip().casefold()
        by_name[folded] = (*by_name.get(folded, ()), identity)
    return FieldNames(frozenset(identity for identity, _ in pairs), by_name)
