"""Tenant keys: made on first use, wrapped by the key provider, opened in the control plane's memory. All their versions.

Used by vault/secrets.py, run_keys.py, rotation.py and operations/seen.py. Source: docs/decisions/0044.
"""

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from blubees.model.audit import AuditEvent
from blubees.model.errors import ConflictError, TamperedError, UnavailableError
from blubees.model.ids import TenantId
from blubees.ports import Chance, Clock, DerivedKeyRow, KeyProvider, KeyRow, KeyStore
from blubees.vault.seal import seal_committed, unseal_committed

TENANTS_HELD: Final = 256  # tenants whose keys are in memory; the least recently used goes first
KEY_BYTES: Final = 32
READ_AGAIN_SECONDS: Final = 30.0  # how long another process's change of a tenant's keys may stay unseen
OPEN_AGAIN_SECONDS: Final = 300.0  # how long a key is used after the key provider has last opened it
GRACE_SECONDS: Final = 3_600.0  # the same while the key provider does not answer


@dataclass(slots=True)
class _Held:
    """What is known of one tenant's keys. `opened`: by version, with when."""

    rows: Sequence[KeyRow]
    read_at: float
    opened: dict[int, tuple[KeyRow, bytes, float]] = field(default_factory=dict)
    derived: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    @property
    def live(self) -> list[KeyRow]:
        """Those that may be opened, the newest first."""
        minimum = max((row.minimum for row in self.rows), default=0)
        return [row for row in self.rows if row.wrapped and row.version >= minimum]


class Keyring:
    """Gives each tenant's keys."""

    def __init__(self, store: KeyStore, provider: KeyProvider, chance: Chance, clock: Clock) -> None:
        self._store, self._provider, self._chance, self._clock = store, provider, chance, clock
        self._held: OrderedDict[TenantId, _Held] = OrderedDict()
        self._locks: dict[TenantId, asyncio.Lock] = {}

    async def load(self, tenant: TenantId) -> tuple[int, bytes]:
        """Give (version, key) of the newest one, which is what to seal with; the first is made when there is none.

        Raises:
            TamperedError: the wrapped key does not open: another key provider or changed bytes.
            UnavailableError: the database or the key provider does not answer.
        """
        async with self._lock(tenant):
            held = await self._read(tenant)
            if not held.live:
                version = max((row.version for row in held.rows), default=0) + 1
                await self._store.add(await self._make(tenant, version))
                held = await self._read(tenant, again=True)
            if not held.live:
                raise UnavailableError("The tenant's key could not be kept.")
            newest = held.live[0]
            return newest.version, await self._open(held, newest)

    async def open(self, tenant: TenantId, version: int) -> bytes:
        """Give the key of a version, to open what was sealed with it.

        Raises:
            TamperedError: it was destroyed, is below the minimum, or does not open.
        """
        async with self._lock(tenant):
            held = await self._read(tenant)
            found = [row for row in held.live if row.version == version]
            if not found:  # another process may have made it a moment ago
                held = await self._read(tenant, again=True)
                found = [row for row in held.live if row.version == version]
            if not found:
                raise TamperedError
            return await self._open(held, found[0])

    async def derive(self, tenant: TenantId, purpose: str) -> bytes:
        """Give a key of 32 bytes for one purpose, which stays the same while the tenant's key changes.

        Raises:
            TamperedError: it does not open.
        """
        async with self._lock(tenant):
            held = await self._read(tenant)
            known = held.derived.get(purpose)
            if known is not None and self._is_young(known[1], OPEN_AGAIN_SECONDS):
                return known[0]
        try:
            key = await self._open_derived(tenant, purpose)
        except ConflictError:
            self.forget(tenant)
            key = await self._open_derived(tenant, purpose)
        held.derived[purpose] = (key, self._clock.monotonic_seconds())
        return key

    async def add_version(self, tenant: TenantId) -> int:
        """Make another version of the tenant's key, which is the newest from now on; gives its number."""
        version, _ = await self.load(tenant)
        if not await self._store.add(await self._make(tenant, version + 1)):
            self.forget(tenant)  # another process was first: its version is as good
        self.forget(tenant)
        return (await self.load(tenant))[0]

    def forget(self, tenant: TenantId) -> None:
        """Read and open the tenant's keys anew at their next use."""
        self._held.pop(tenant, None)

    async def shred(self, tenant: TenantId, event: AuditEvent) -> bool:
        """Destroy the tenant's keys, and what was sealed under them; False: it has none. `event`: tells of it."""
        async with self._lock(tenant):
            self.forget(tenant)
            return await self._store.shred(tenant, event)

    async def _read(self, tenant: TenantId, *, again: bool = False) -> _Held:
        held = self._held.get(tenant)
        if held is None or again or not self._is_young(held.read_at, READ_AGAIN_SECONDS):
            rows = await self._store.load(tenant)
            known = held if held is not None and list(held.rows) == list(rows) else None
            held = known or _Held(rows, 0.0)
            held.read_at = self._clock.monotonic_seconds()
            self._held[tenant] = held
            if len(self._held) > TENANTS_HELD:
                gone, _ = self._held.popitem(last=False)
                self._locks.pop(gone, None)
        self._held.move_to_end(tenant)
        return held

    async def _open(self, held: _Held, row: KeyRow) -> bytes:
        known = held.opened.get(row.version)
        if known is not None and self._is_young(known[2], OPEN_AGAIN_SECONDS):
            return known[1]
        try:
            key = await self._provider.unwrap(row.wrapped, bind_key(row.tenant, row.version))
        except UnavailableError:
            if known is None or not self._is_young(known[2], GRACE_SECONDS):
                raise
            return known[1]
        held.opened[row.version] = (row, key, self._clock.monotonic_seconds())
        return key

    async def _open_derived(self, tenant: TenantId, purpose: str) -> bytes:
        found = await self._store.load_derived(tenant, purpose)
        if found is None:
            version, key = await self.load(tenant)
            bound = bind_derived(tenant, purpose, version)
            wrapped = seal_committed(key, self._chance.bytes(KEY_BYTES), bound, self._chance)
            await self._store.add_derived(DerivedKeyRow(tenant=tenant, purpose=purpose, key_version=version, wrapped=wrapped))
            found = await self._store.load_derived(tenant, purpose)
        if found is None:
            raise UnavailableError("The tenant's key could not be kept.")
        key = await self.open(tenant, found.key_version)
        return unseal_committed(key, found.wrapped, bind_derived(tenant, purpose, found.key_version), self._chance)

    async def _make(self, tenant: TenantId, version: int) -> KeyRow:
        now = self._clock.now_milliseconds()
        wrapped = await self._provider.wrap(self._chance.bytes(KEY_BYTES), bind_key(tenant, version))
        return KeyRow(tenant=tenant, version=version, wrapped=wrapped, created_at_milliseconds=now, wrapped_at_milliseconds=now)

    def _lock(self, tenant: TenantId) -> asyncio.Lock:
        return self._locks.setdefault(tenant, asyncio.Lock())

    def _is_young(self, since: float, seconds: float) -> bool:
        return self._clock.monotonic_seconds() - since < seconds


def bind_key(tenant: TenantId, version: int) -> dict[str, str]:
    """What a tenant's key belongs to: the key provider's context."""
    return {"tenant": tenant, "purpose": "tenant-key", "version": str(version)}


def bind_derived(tenant: TenantId, purpose: str, version: int) -> tuple[str, ...]:
    """What a derived key belongs to."""
    return ("derived_key", tenant, purpose, str(version))


def mark(key: bytes, label: bytes, data: bytes) -> str:
    """Give a keyed hash of data, 64 hex digits: equal for equal data, and nothing else."""
    return hmac.new(key, label + data, hashlib.sha256).hexdigest()
