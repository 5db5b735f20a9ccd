"""What is done before a connection and its secrets go: others are told, as long as there is what to tell it with.

Called by operations/connections.py. Best effort: nothing here keeps a connection from being deleted.
"""

import msgspec

from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.registrations import EndedHook, Registrations


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of what others had of a connection.

    Attributes:
        webhooks: those that were registered by it, each with why it stays at its vendor; empty: it was taken back.
    """

    webhooks: tuple[EndedHook, ...] = ()


class ConnectionEnding:
    """Tells others."""

    def __init__(self, registrations: Registrations) -> None:
        self._registrations = registrations

    async def tell(self, tenant: TenantId, name: ConnectionName) -> Ended:
        """Tell them that a connection goes now."""
        return Ended(webhooks=await self._registrations.end_connection(tenant, name))
