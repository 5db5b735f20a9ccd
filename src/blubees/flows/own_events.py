"""Jira events that are our own doing: they start only flows that say so. Stands between the door and the intake.

Called by doors/forge_events.py. Source: docs/decisions/0018-loops.md.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from blubees.engine.traces import IssueTraces
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission, RawEvent, Verdict

RETRY_SECONDS: Final = 2
_UNMATCHED: Final = Admission(verdict=Verdict.UNMATCHED)


class OwnEvents:
    """Tells our own events from those of people and other apps.

    Args:
        admit_other: takes what people and other apps did.
        admit_own: takes our own, with the depth of the run that did it.
    """

    def __init__(
        self,
        admit_other: Callable[[RawEvent], Awaitable[Admission]],
        admit_own: Callable[[RawEvent], Awaitable[Admission]],
        traces: IssueTraces,
    ) -> None:
        self._admit_other, self._admit_own, self._traces = admit_other, admit_own, traces

    async def admit(self, event: RawEvent) -> Admission:
        """Admit an event; one of our own that no flow of the tenant wants costs nothing more."""
        if not event.is_own:
            return await self._admit_other(event)
        if not self._traces.matters(event.tenant):
            return _UNMATCHED
        try:
            depth = await self._traces.find_depth(event.tenant, event.document)
        except UnavailableError:
            return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=RETRY_SECONDS)
        return await self._admit_own(msgspec.structs.replace(event, depth=depth))
