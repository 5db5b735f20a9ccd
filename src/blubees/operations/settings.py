"""Tenants' settings: kept in the database, told to the conduits. Used by the operator API and the control plane."""

from blubees.model.ids import TenantId
from blubees.model.settings import TenantSettings
from blubees.ports import SettingsBoard, SettingsStore


class SettingsService:
    """Keeps and gives settings."""

    def __init__(self, store: SettingsStore, board: SettingsBoard) -> None:
        self._store, self._board = store, board

    async def load(self, tenant: TenantId) -> TenantSettings:
        """Give a tenant's settings; the defaults when nobody changed them."""
        return await self._store.load(tenant) or TenantSettings(tenant=tenant)

    async def save(self, settings: TenantSettings) -> None:
        """Keep settings and tell the conduits.

        Raises:
            UnavailableError: the broker did not take them: they are kept, and told at the control plane's next start or change.
        """
        await self._store.save(settings)
        await self._post(TenantId(settings.tenant))

    async def post_all(self) -> None:
        """Tell the conduits all there are: the broker's memory is fresh."""
        for settings in await self._store.list():
            if not await self._board.post(settings, after=0):  # it is not so fresh
                await self._post(TenantId(settings.tenant))

    async def _post(self, tenant: TenantId) -> None:
        """Tell them as they are kept now, also when others tell theirs at the moment: the newest are told last."""
        while True:
            number = await self._board.find(tenant)
            if await self._board.post(await self.load(tenant), after=number):
                return
