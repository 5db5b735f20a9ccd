"""Runs that an operator has cancelled, as a conduit knows them from the board. Asked by engine/work.py before each call."""

from collections import OrderedDict
from typing import Final

from blubees.model.ids import RunId, TenantId

RUNS_HELD: Final = 10_000


class CancelledRuns:
    """Holds the newest ones; an older one has ended by now."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[TenantId, RunId], None] = OrderedDict()

    def learn(self, tenant: TenantId, run: RunId) -> None:
        """The board told of one."""
        self._runs[tenant, run] = None
        if len(self._runs) > RUNS_HELD:
            self._runs.popitem(last=False)

    def has(self, tenant: TenantId, run: RunId) -> bool:
        """Whether it was cancelled."""
        return (tenant, run) in self._runs
