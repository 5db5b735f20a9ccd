"""Notices loops that no header tells of: the same flow about the same issue, again and again. Called by flows/intake.py.

A third party that is called by a flow and writes to Jira starts the flow again, and Jira does not say whose doing that was.
What can be seen is how often. Counted in each conduit. Source: docs/decisions/0018-loops.md.
"""

from collections import OrderedDict
from typing import Any, Final

from blubees.model.event import RawEvent
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.ports import Clock

BURST: Final = 60.0  # runs of one flow about one issue at once
PER_MINUTE: Final = 10.0  # and from then on
ISSUES_REMEMBERED: Final = 20_000
_JIRA: Final = frozenset({TriggerKind.ISSUE_CREATED, TriggerKind.ISSUE_UPDATED, TriggerKind.ISSUE_COMMENTED})


class LoopWatch:
    """A bucket for each flow and issue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[TenantId, FlowId, str], tuple[float, float]] = OrderedDict()

    def allows(self, event: RawEvent, flow: FlowId) -> bool:
        """Count a run that the event starts; False when there were too many about its issue."""
        issue = _find_issue(event)
        if not issue:
            return True
        key = (event.tenant, flow, issue)
        now = self._clock.monotonic_seconds()
        left, since = self._buckets.pop(key, (BURST, now))
        left = min(BURST, left + (now - since) * PER_MINUTE / 60)
        self._buckets[key] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > ISSUES_REMEMBERED:
            self._buckets.popitem(last=False)
        return left >= 1


def _find_issue(event: RawEvent) -> str:
    if event.trigger not in _JIRA or not isinstance(event.document, dict):
        return ""
    issue: Any = event.document.get("issue")
    return str(issue.get("id", ""))[:100] if isinstance(issue, dict) else ""
