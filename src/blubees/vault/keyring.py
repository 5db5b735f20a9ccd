"""Tenant keys: made on first use, wrapped by the key provider, opened in the control plane's memory.

Used by vault/secrets.py.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId
from blubees.ports import Chance, ConnectionStore, KeyProvider

KEYS_HELD: Final = 256  # opened keys in memory; the least recently used goes first
KEY_BYTES: Final = 32


class Keyring:
    """Gives each tenant's key."""

    def __init__(self, store: ConnectionStore, provider: KeyProvider, chance: Chance) -> None:
        self._store, self._provider, self._chance = store, provider, chance
        self._held: OrderedDict[TenantId, tuple[int, bytes]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def load(self, tenant: TenantId) -> tuple[int, bytes]:
        """Give (version, key), making the first one when there is none.

        Raises:
            TamperedError: the wrapped key does not open: another key provider or changed bytes.
        """
        async with self._lock:
            held = self._held.get(tenant) or await self._open(tenant)
            self._held[tenant] = held
            self._held.move_to_end(tenant)
            if len(self._held) > KEYS_HELD:
                self._held.popitem(last=False)
            return held

    async def shred(self, tenant: TenantId) -> None:
        """Destroy the tenant's keys: none of its secrets can be opened any more."""
        async with self._lock:
            self._held.pop(tenant, None)
            await self._store.delete_keys(tenant)

    async def _open(self, tenant: TenantId) -> tuple[int, bytes]:
        found = await self._store.load_key(tenant)
        if found is None:
            wrapped = await self._provider.wrap(self._chance.bytes(KEY_BYTES), _context(tenant, 1))
            await self._store.add_key(tenant, 1, wrapped)
            found = await self._store.load_key(tenant)
        if found is None:
            raise UnavailableError("The tenant's key could not be kept.")
        version, wrapped = found
        return version, await self._provider.unwrap(wrapped, _context(tenant, version))


def _context(tenant: TenantId, version: int) -> dict[str, str]:
    return {"tenant": tenant, "purpose": "tenant-key", "version": str(version)}
