"""Destroys the keys of a site that has uninstalled the app, and so all that is sealed of it. Called by main/control_plane.py.

That a goodbye was heard is kept in the database before anything is destroyed: killed at any point, it is gone on with at the
next start, or within the hour, also where the broker has forgotten the goodbye. Source: docs/decisions/0055.
"""

import asyncio
from typing import Final

from blubees.model.audit import Actor, AuditAction
from blubees.model.errors import BluBeesError, UnavailableError
from blubees.model.receipt import TenantSeen
from blubees.model.vault import Level
from blubees.operations.audit import AuditLog
from blubees.operations.rounds import do_hourly
from blubees.operations.vault_keys import VaultKeys
from blubees.ports import Clock, Events, KeyProvider, KeyStore, TenantStore
from blubees.vault.keyring import Keyring

UNINSTALLED: Final = "uninstalled"


class Farewell:
    """Sees to what goodbyes leave behind."""

    def __init__(
        self,
        tenants: TenantStore,
        keys: KeyStore,
        keyring: Keyring,
        provider: KeyProvider,
        vault_keys: VaultKeys,
        log: AuditLog,
        clock: Clock,
        events: Events,
    ) -> None:
        self._tenants, self._keys, self._keyring, self._provider = tenants, keys, keyring, provider
        self._vault_keys, self._log, self._clock, self._events = vault_keys, log, clock, events
        self._is_said = asyncio.Event()

    async def say(self, seen: TenantSeen) -> None:
        """A site says goodbye: its keys are destroyed when this returns. Said twice, it destroys no key that was made since.

        Raises:
            UnavailableError: the database is away; say it again.
        """
        await self._tenants.leave(seen, self._clock.now_milliseconds())
        await self.shred_gone()
        self._is_said.set()

    async def shred_gone(self) -> None:
        """Destroy the keys of all that have said goodbye since these were made. Raises UnavailableError."""
        for tenant in await self._keys.list_gone():
            event = self._log.make(tenant, AuditAction.TENANT_SHREDDED, Actor.CONTROL_PLANE, detail=UNINSTALLED)
            if await self._keyring.shred(tenant, event):
                self._events("tenant_shredded", tenant=tenant)

    async def forget_older_keys(self) -> None:
        """Where the key provider can, have it destroy what wrapped keys that were destroyed: a copy of them opens no more.

        Raises:
            BluBeesError, OSError: the database or the provider can't now, or never, as where a secret store hands out its file.
        """
        shredded_at, facts = await self._keys.shredded_at(), await self._provider.describe()
        if not facts.forgets or not shredded_at:
            return
        if facts.changed_at_milliseconds <= shredded_at:
            await self._provider.renew()
        elif facts.keys == 1:
            return
        for tenant in await self._keys.list_tenants():
            try:
                await self._vault_keys.rotate(tenant, Level.KMS, 0, "", Actor.CONTROL_PLANE)
            except UnavailableError:
                raise
            except BluBeesError:  # it opens nowhere: what it is wrapped with stays, and `vault rotate` says which it is
                self._events("tenant_key_does_not_open", tenant=tenant)
        await self._provider.retire(await self._keys.list_wrapped())

    async def see_to_all(self) -> None:
        """Do what is left of both. Raises UnavailableError."""
        await self.shred_gone()
        try:
            await self.forget_older_keys()
        except (BluBeesError, OSError) as error:  # the next round tries again
            self._events("older_keys_stay", error=type(error).__name__)

    async def see_to_all_forever(self) -> None:
        """Do so at the start, after each goodbye and every hour."""
        await do_hourly(self.see_to_all, self._events, self._is_said)
