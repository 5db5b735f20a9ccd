"""What publishing needs of who registers webhooks at vendors. Fulfilled by operations/registrations.py."""

from typing import Protocol

from blubees.model.failures import Failure
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, TenantId


class HookRegistrar(Protocol):
    """Registers the address of a flow's webhook at its vendor, where the connector says how."""

    async def prepare(self, published: PublishedFlow) -> bool:
        """Take back what is not wanted any more; gives whether the flow's webhook is to be registered now."""
        ...

    async def register(self, published: PublishedFlow, token: str) -> Failure | None:
        """Register it; what was registered before is taken back. A failure: it is not registered, and can be tried again."""
        ...

    async def withdraw(self, tenant: TenantId, flow: FlowId) -> str | None:
        """Take back what is registered for a flow, if anything is. Gives why that failed: it is tried again by itself."""
        ...
