"""Keys of parked runs: made for one run, sealed under its tenant's key, opened for the conduit that parks or wakes it.

Used by operations/parking.py.
"""

from typing import Final

from blubees.model.ids import RunId, TenantId
from blubees.ports import Chance
from blubees.vault.keyring import Keyring
from blubees.vault.seal import seal_committed, unseal_committed

KEY_BYTES: Final = 32


class RunKeys:
    """Makes and opens them."""

    def __init__(self, keyring: Keyring, chance: Chance) -> None:
        self._keyring, self._chance = keyring, chance

    async def make(self, tenant: TenantId, run: RunId) -> tuple[int, bytes]:
        """Make a key; gives (version of the tenant's key, the sealed key)."""
        version, key = await self._keyring.load(tenant)
        sealed = seal_committed(key, self._chance.bytes(KEY_BYTES), bind_run(tenant, run, version), self._chance)
        return version, sealed

    async def open(self, tenant: TenantId, run: RunId, version: int, sealed: bytes) -> bytes:
        """Open a key. Raises TamperedError: it was moved, changed or destroyed."""
        key = await self._keyring.open(tenant, version)
        return unseal_committed(key, sealed, bind_run(tenant, run, version), self._chance)

    async def derive(self, tenant: TenantId, purpose: str) -> bytes:
        """Give a key of 32 bytes for one purpose: the same one at every start, whatever becomes of the tenant's key.

        Raises:
            TamperedError: it does not open.
        """
        return await self._keyring.derive(tenant, purpose)

    def forget(self, tenant: TenantId) -> None:
        """The tenant's key was changed by another process: read it anew."""
        self._keyring.forget(tenant)


def bind_run(tenant: TenantId, run: RunId, version: int) -> tuple[str, ...]:
    """What a run's key belongs to."""
    return ("run_key", tenant, run, str(version))
