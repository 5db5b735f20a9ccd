"""Changes keys while all goes on: row by row, each in one transaction, so that it can be killed at any row and gone on with.

Called by operations/vault_keys.py. Every row opens before, between and after: it says which key it is under, and that key stays
until nothing is under it (docs/decisions/0044). Readers never wait for it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from blubees.model.errors import ConflictError, TamperedError
from blubees.model.ids import TenantId
from blubees.model.vault import Level, RotationStep
from blubees.ports import Chance, Clock, ConnectionStore, DerivedKeyRow, KeyProvider, KeyRow, KeyStore, RunKeyRow, SecretRow
from blubees.vault.envelope import TenantKey, open_row, reseal_row, wrap_row
from blubees.vault.first_form import is_first_form
from blubees.vault.keyring import Keyring, bind_derived, bind_key
from blubees.vault.run_keys import bind_run
from blubees.vault.seal import seal_committed, unseal_committed
from blubees.vault.secrets import VaultService

ROWS_AT_ONCE: Final = 100
_CONNECTIONS: Final = "connection"
_DERIVED: Final = "derived"
_RUNS: Final = "run"


class Rotation:
    """Changes keys, a step at a time."""

    def __init__(
        self,
        keys: KeyStore,
        connections: ConnectionStore,
        keyring: Keyring,
        provider: KeyProvider,
        vault: VaultService,
        chance: Chance,
        clock: Clock,
    ) -> None:
        self._keys, self._connections, self._keyring, self._provider = keys, connections, keyring, provider
        self._vault, self._chance, self._clock = vault, chance, clock

    async def step(
        self, tenant: TenantId, level: Level, before_milliseconds: int, after: str = "", *, limit: int = ROWS_AT_ONCE
    ) -> RotationStep:
        """Do the next step of a tenant's rotation; begun again from its start, it finds what is left.

        Args:
            before_milliseconds: keys made before then are changed, so that a rotation that goes on does not begin anew.
            after: what the step before gave.

        Raises:
            UnavailableError, KeyDisabledError: of the database or the key provider: go on later.
            TamperedError: the tenant's own key does not open.
        """
        rows = [row for row in await self._keys.load(tenant) if row.wrapped]
        if not rows:
            return RotationStep(changed=0)
        if level is Level.KMS:
            return await self._step_kms(rows, before_milliseconds)
        if level is Level.SECRET:
            newest = await self._newest(tenant)
            return await self._step_connections(tenant, newest, after, limit, before_milliseconds)
        if not after and rows[0].created_at_milliseconds < before_milliseconds:
            await self._keyring.add_version(tenant)
        return await self._step_tenant(tenant, after, limit)

    async def _step_kms(self, rows: list[KeyRow], before_milliseconds: int) -> RotationStep:
        changed = 0
        for row in rows:
            is_old = row.wrapped_at_milliseconds < before_milliseconds
            if not is_old and await self._provider.is_current(row.wrapped):
                continue
            wrapped = await self._provider.rewrap(row.wrapped, bind_key(row.tenant, row.version))
            anew = msgspec.structs.replace(row, wrapped=wrapped, wrapped_at_milliseconds=self._clock.now_milliseconds())
            changed += await self._keys.rewrap(anew, row.wrapped)
        return RotationStep(changed=changed, version=rows[0].version)

    async def _step_tenant(self, tenant: TenantId, after: str, limit: int) -> RotationStep:
        newest = await self._newest(tenant)
        phase, _, name = after.partition("|")
        if phase in {"", _CONNECTIONS}:
            step = await self._step_connections(tenant, newest, after, limit, 0)
            return step if step.after else msgspec.structs.replace(step, after=f"{_DERIVED}|")
        if phase == _DERIVED:
            changed, stuck = 0, list[str]()
            for row in await self._keys.list_derived(tenant, below=newest.version):
                changed += await self._try(row.purpose, stuck, partial(self._move_derived, row, newest))
            return RotationStep(changed=changed, after=f"{_RUNS}|", stuck=tuple(stuck), version=newest.version)
        found = await self._keys.list_run_keys(tenant, below=newest.version, after=name, limit=limit)
        changed, stuck = 0, []
        for each in found:
            changed += await self._try(each.run, stuck, partial(self._move_run_key, each, newest))
        after = f"{_RUNS}|{found[-1].run}" if len(found) == limit else ""
        if not after:
            await self._keys.retire(tenant, newest.version)  # not while something that does not open is under it
            self._keyring.forget(tenant)
        return RotationStep(changed=changed, after=after, stuck=tuple(stuck), version=newest.version)

    async def _step_connections(
        self, tenant: TenantId, newest: TenantKey, after: str, limit: int, before_milliseconds: int
    ) -> RotationStep:
        names = await self._connections.list_sealed(
            tenant,
            key_below=newest.version,
            before_milliseconds=before_milliseconds,
            after=after.partition("|")[2],
            limit=limit,
        )
        changed, stuck = 0, list[str]()
        for name in names:
            row = await self._connections.load(tenant, name)
            if row is not None:
                changed += await self._try(
                    name, stuck, partial(self._move_connection, row, newest, is_resealed=before_milliseconds > 0)
                )
        after = f"{_CONNECTIONS}|{names[-1]}" if len(names) == limit else ""
        return RotationStep(changed=changed, after=after, stuck=tuple(stuck), version=newest.version)

    async def _try(self, name: str, stuck: list[str], move: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await move()
        except TamperedError:
            stuck.append(name)
            return False
        except ConflictError:  # a newer version was made meanwhile, and this one is gone: whoever made it sees to the row
            return False

    async def _move_connection(self, row: SecretRow, newest: TenantKey, *, is_resealed: bool) -> bool:
        tenant = row.connection.tenant
        if is_first_form(row):
            return await self._vault.open(tenant, row.connection.name) is not None  # that seals it anew
        key = TenantKey(version=row.key_version, key=await self._keyring.open(tenant, row.key_version))
        own, secrets = open_row(row, key, self._chance)
        if is_resealed:
            moved = reseal_row(row, secrets, newest, self._chance, now=self._clock.now_milliseconds())
        else:
            moved = wrap_row(row, own, newest, self._chance)
        return await self._connections.reseal(moved, row)

    async def _move_derived(self, row: DerivedKeyRow, newest: TenantKey) -> bool:
        key = await self._keyring.open(row.tenant, row.key_version)
        plain = unseal_committed(key, row.wrapped, bind_derived(row.tenant, row.purpose, row.key_version), self._chance)
        bound = bind_derived(row.tenant, row.purpose, newest.version)
        wrapped = seal_committed(newest.key, plain, bound, self._chance)
        anew = msgspec.structs.replace(row, key_version=newest.version, wrapped=wrapped)
        return await self._keys.swap_derived(anew, row.wrapped)

    async def _move_run_key(self, row: RunKeyRow, newest: TenantKey) -> bool:
        key = await self._keyring.open(row.tenant, row.key_version)
        plain = unseal_committed(key, row.sealed, bind_run(row.tenant, row.run, row.key_version), self._chance)
        sealed = seal_committed(newest.key, plain, bind_run(row.tenant, row.run, newest.version), self._chance)
        anew = msgspec.structs.replace(row, key_version=newest.version, sealed=sealed)
        return await self._keys.swap_run_key(anew, row.sealed)

    async def _newest(self, tenant: TenantId) -> TenantKey:
        version, key = await self._keyring.load(tenant)
        return TenantKey(version=version, key=key)
