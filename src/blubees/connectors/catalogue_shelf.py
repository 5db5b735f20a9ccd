"""The catalogue as a shelf (port ConnectorShelf): the same for every tenant. Used by main, and where there is no other."""

from collections.abc import Collection, Sequence

from blubees.connectors.catalogue import list_catalogue, load_connector
from blubees.connectors.trimming import trim_connector
from blubees.model.connector import Connector
from blubees.model.ids import TenantId


class CatalogueShelf:
    """Port ConnectorShelf."""

    async def find(
        self, tenant: TenantId, name: str, *, actions: Collection[str] = (), triggers: Collection[str] = ()
    ) -> Connector | None:
        """See the port."""
        del tenant
        return find_in_catalogue(name, actions, triggers)

    async def list_connectors(self, tenant: TenantId) -> Sequence[str]:
        """See the port."""
        del tenant
        return list_catalogue()

    async def list_names(self, tenant: TenantId, name: str) -> tuple[Sequence[str], Sequence[str]]:
        """See the port."""
        del tenant
        connector = load_connector(name)
        return (sorted(connector.actions), sorted(connector.triggers)) if connector is not None else ((), ())


def find_in_catalogue(name: str, actions: Collection[str], triggers: Collection[str]) -> Connector | None:
    """Give a connector of the catalogue with these of its actions and triggers."""
    connector = load_connector(name)
    return trim_connector(connector, actions, triggers) if connector is not None else None
