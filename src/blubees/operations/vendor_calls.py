"""Performs actions of connectors for the control plane itself: to test a connection, to register a webhook and take it back.

Used by connection_tests.py and registrations.py. Runs do not come here: what they call is payload, and stays in conduits. What
comes back here is looked at for its meaning, and for the id of a registration.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.catalogue import find_hooks
from blubees.model.call import Call, CallAnswer
from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.connector import Connector
from blubees.model.failures import Failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import Clock


class VendorLine(Protocol):
    """What calls are made with."""

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's own Jira as the app: the control plane has no token for that, so it is refused."""
        ...


OpenLease = Callable[[TenantId, ConnectionName, Sequence[Use], str], Awaitable[Lease | LeaseRefusal]]


class VaultDesk:
    """Port LeaseDesk, for the control plane: it has the vault itself.

    Attributes:
        open_lease: opens a lease and notes its use; main sets it once there is one.
    """

    def __init__(self) -> None:
        async def refuse(_t: TenantId, _n: ConnectionName, _uses: Sequence[Use], _refused: str) -> Lease | LeaseRefusal:
            return LeaseRefusal.UNAVAILABLE

        self.open_lease: OpenLease = refuse

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        """See the port."""
        return await self.open_lease(tenant, name, [use], refused)


class _Tools:
    """What performing an action needs."""

    def __init__(self, line: VendorLine, clock: Clock, use: Use) -> None:
        self._line, self._clock, self._use = line, clock, use

    async def call(self, call: Call) -> CallAnswer | Failure:
        return await self._line.call(msgspec.structs.replace(call, use=self._use))

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        return await self._line.call_jira(call)

    def now_milliseconds(self) -> int:
        return self._clock.now_milliseconds()


class VendorCalls:
    """Performs actions."""

    def __init__(self, open_line: Callable[[TenantId], VendorLine], clock: Clock) -> None:
        self._open_line, self._clock = open_line, clock

    async def perform(
        self, tenant: TenantId, connector: Connector, action: str, given: Mapping[str, Any], use: Use
    ) -> Any | Failure:  # noqa: ANN401 - JSON
        """Perform one.

        Args:
            given: its inputs, and `connection`.
            use: what the connection is used for.
        """
        hooks = find_hooks(connector)
        perform = compile_action(connector, action, hooks)
        return await perform(given, _Tools(self._open_line(tenant), self._clock, use))
