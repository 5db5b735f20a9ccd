"""Keys of parked runs: made for one run, sealed under its tenant's key, opened for the conduit that parks or wakes it.

Used by operations/parking.py.
"""

import hashlib
import hmac
from typing import Final

from blubees.model.errors import TamperedError
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
        sealed = seal_committed(key, self._chance.bytes(KEY_BYTES), _bind(tenant, run, version), self._chance)
        return version, sealed

    async def open(self, tenant: TenantId, run: RunId, version: int, sealed: bytes) -> bytes:
        """Open a key. Raises TamperedError: it was moved, changed or destroyed."""
        newest, key = await self._keyring.load(tenant)
        if newest != version:
            raise TamperedError
        return unseal_committed(key, sealed, _bind(tenant, run, version), self._chance)

    async def derive(self, tenant: TenantId, purpose: str) -> bytes:
        """Give a key of 32 bytes that only this tenant's key leads to: the same one at every start. Raises TamperedError."""
        _, key = await self._keyring.load(tenant)
        return _derive(key, purpose)


def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, b"purpose|" + purpose.encode(), hashlib.sha256).digest()


def _bind(tenant: TenantId, run: RunId, version: int) -> tuple[str, ...]:
    return ("run_key", tenant, run, str(version))
