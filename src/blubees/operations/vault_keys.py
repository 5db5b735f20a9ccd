"""The vault's keys as operators handle them: shown, changed level by level, destroyed. Called by the operator API.

Source: docs/vault.md.
"""

from collections.abc import Sequence

from blubees.model.audit import Actor, AuditAction, AuditEvent
from blubees.model.errors import InputError, MissingError
from blubees.model.ids import TenantId
from blubees.model.vault import Level, RotationStep
from blubees.operations.audit import AuditLog
from blubees.ports import Clock, KeyProvider, KeyStore, ProviderFacts, TenantVault
from blubees.vault.keyring import Keyring
from blubees.vault.rotation import Rotation


class VaultKeys:
    """Shows, changes and destroys keys."""

    def __init__(
        self, keys: KeyStore, keyring: Keyring, provider: KeyProvider, rotation: Rotation, clock: Clock, log: AuditLog
    ) -> None:
        self._keys, self._keyring, self._provider, self._rotation, self._clock = keys, keyring, provider, rotation, clock
        self._log = log

    async def describe(self) -> tuple[ProviderFacts, Sequence[TenantId], int]:
        """Give the key provider's facts, the tenants that have keys, and the time here in UTC milliseconds."""
        return await self._provider.describe(), await self._keys.list_tenants(), self._clock.now_milliseconds()

    async def describe_tenant(self, tenant: TenantId) -> TenantVault:
        """What is kept of a tenant."""
        return await self._keys.describe(tenant)

    async def rotate(
        self, tenant: TenantId, level: Level, before_milliseconds: int, after: str, actor: Actor = Actor.OPERATOR
    ) -> RotationStep:
        """Do the next step of a tenant's rotation; see vault/rotation.py."""
        step = await self._rotation.step(tenant, level, before_milliseconds, after)
        if step.changed:
            made = self._log.make(tenant, AuditAction.KEYS_ROTATED, actor, detail=level.value, uses=step.changed)
            await self._log.note([made])
        return step

    async def renew_provider(self) -> None:
        """Have the key provider make a newest key of its own. Raises InputError: why it can't."""
        await self._provider.renew()

    async def retire_provider(self) -> int:
        """Have it destroy its older keys that wrap nothing any more; gives how many."""
        return await self._provider.retire(await self._keys.list_wrapped())

    async def shred(self, tenant: TenantId, confirmed: str) -> None:
        """Destroy a tenant's keys and all that is sealed under them, for good.

        Args:
            confirmed: the tenant's id, once more.

        Raises:
            InputError: it is not. MissingError: it has no keys.
        """
        if confirmed != tenant:
            raise InputError("The tenant's id must be given once more, as it is; nothing was destroyed.")
        event = self._log.make(tenant, AuditAction.TENANT_SHREDDED, Actor.OPERATOR)
        if not await self._keyring.shred(tenant, event):
            raise MissingError("This tenant has no keys. `vault show` lists those that have.")

    async def list_audit(
        self, tenant: TenantId, *, connection: str, before: str, limit: int, leases: bool
    ) -> Sequence[AuditEvent]:
        """What was done with a tenant's credentials and keys, newest first."""
        return await self._log.list(tenant, connection=connection, before=before, limit=limit, leases=leases)
