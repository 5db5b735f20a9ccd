"""A shelf of connectors in memory (port ConnectorShelf)."""

from collections.abc import Collection, Mapping, Sequence

from blubees.connectors.trimming import trim_connector
from blubees.model.connector import Connector
from blubees.model.ids import TenantId


class FakeShelf:
    """Port ConnectorShelf: the same connectors for every tenant."""

    def __init__(self, connectors: Mapping[str, Connector]) -> None:
        self.connectors = dict(connectors)

    async def find(
        self, _tenant: TenantId, name: str, *, actions: Collection[str] = (), triggers: Collection[str] = ()
    ) -> Connector | None:
        found = self.connectors.get(name)
        return trim_connector(found, actions, triggers) if found is not None else None

    async def list_connectors(self, _tenant: TenantId) -> Sequence[str]:
        return sorted(self.connectors)

    async def list_names(self, _tenant: TenantId, name: str) -> tuple[Sequence[str], Sequence[str]]:
        found = self.connectors.get(name)
        return (sorted(found.actions), sorted(found.triggers)) if found is not None else ((), ())
