"""The vault: connections and their secrets. Write-only towards people; opened as leases for single calls.

Used by operations/connections.py and, over the broker, by conduits (main/control_plane.py).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from blubees.model.authorisation import KINDS, list_leased
from blubees.model.connection import Connection, ConnectionKind, Lease, LeaseRefusal, OpenConnection, Use
from blubees.model.errors import ConflictError, InputError
from blubees.model.ids import ConnectionName, TenantId
from blubees.ports import Chance, Clock, ConnectionStore, SecretRow
from blubees.vault.allow import judge_use
from blubees.vault.connection_rules import check_connection, check_flows, check_secrets, check_settings
from blubees.vault.envelope import TenantKey, open_row, seal_row
from blubees.vault.first_form import is_first_form, open_first_form
from blubees.vault.keyring import Keyring

LEASE_MILLISECONDS: Final = 60_000
FINGERPRINTS: Final = "fingerprint"  # the purpose of the key that makes them
TRIES: Final = 5  # others may save the same connection, or change the tenant's key, meanwhile


class VaultService:
    """Keeps secrets sealed and opens leases."""

    def __init__(self, store: ConnectionStore, keyring: Keyring, clock: Clock, chance: Chance) -> None:
        self._store, self._keyring, self._clock, self._chance = store, keyring, clock, chance

    async def save(
        self,
        tenant: TenantId,
        *,
        name: str,
        kind: ConnectionKind,
        hosts: tuple[str, ...] = (),
        user_name: str = "",
        parameter: str = "",
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        flows: tuple[str, ...] = (),
    ) -> Connection:
        """Add a connection, or replace it with all its secrets.

        Args:
            secret: the kind's main one; stands for an entry of `secrets`, which has them by field.
            user_name, parameter: stand for entries of `settings`.
            flows: the only ones that may use it; none: all.

        Raises:
            InputError: with all problems.
            ConflictError: others change it all the time.
        """
        given = dict(secrets or {}) | ({list_leased(kind)[0]: secret} if secret is not None else {})
        known = {"user_name": user_name, "parameter": parameter} | dict(settings or {})
        known = {each: text for each, text in known.items() if text}
        hosts = tuple(host.strip().lower() for host in hosts)
        problems = check_connection(name=name, kind=kind, hosts=hosts, secrets=given, settings=known)
        problems += check_flows(flows)
        if problems:
            raise InputError("The connection can't be taken: " + " ".join(problems), tuple(problems))
        connection = Connection(
            tenant=tenant,
            name=ConnectionName(name),
            kind=kind,
            hosts=hosts,
            user_name=known.pop("user_name", ""),
            parameter=known.pop("parameter", ""),
            settings=known,
            flows=tuple(sorted(set(flows))),
        )
        for _ in range(TRIES):
            before = await self._store.load(tenant, connection.name)
            saved = await self._write(connection, given, before)
            if saved is not None:
                return saved
        raise ConflictError("The connection is being changed by others. Try again.")

    async def list(self, tenant: TenantId) -> "tuple[Connection, ...]":
        """All connections of the tenant, without secrets."""
        return tuple(await self._store.list(tenant))

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """Forget a connection; False when it was not there."""
        return await self._store.delete(tenant, name)

    async def open(self, tenant: TenantId, name: ConnectionName) -> OpenConnection | None:
        """Open all of a connection's secrets, for the control plane's own use; None: there is none.

        Raises:
            TamperedError: the row was moved or changed, or the tenant's key is destroyed.
        """
        row = await self._store.load(tenant, name)
        return None if row is None else OpenConnection(connection=row.connection, secrets=await self._open_row(row))

    async def replace_fields(
        self,
        tenant: TenantId,
        name: ConnectionName,
        expected_version: int,
        secrets: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
    ) -> Connection | None:
        """Change some secrets and settings of a connection, in one step, if it is as it was seen; what is not named stays.

        Args:
            expected_version: of the connection whose secrets were opened.
            secrets, settings: by name; an empty text takes the field or setting away.

        Returns:
            The connection as it is now; None: another was first (or it is gone): open it again.

        Raises:
            InputError: with all problems. TamperedError: what is there does not open.
        """
        for _ in range(TRIES):
            row = await self._store.load(tenant, name)
            if row is None or row.connection.version != expected_version:
                return None
            _check_changes(row.connection.kind, secrets, settings or {})
            merged = _merge(await self._open_row(row), secrets)
            connection = msgspec.structs.replace(row.connection, settings=_merge(row.connection.settings, settings or {}))
            saved = await self._write(connection, merged, row)
            if saved is not None:
                return saved
        return None

    async def permit(self, tenant: TenantId, name: ConnectionName, flows: tuple[str, ...]) -> Connection | None:
        """Say which flows may use a connection; none: all. Gives it as it is now; None: there is none.

        Raises:
            InputError: with all problems. ConflictError: others change it all the time.
        """
        problems = check_flows(flows)
        if problems:
            raise InputError("That can't be permitted: " + " ".join(problems), tuple(problems))
        for _ in range(TRIES):
            row = await self._store.load(tenant, name)
            if row is None:
                return None
            connection = msgspec.structs.replace(row.connection, flows=tuple(sorted(set(flows))))
            saved = await self._write(connection, await self._open_row(row), row)
            if saved is not None:
                return saved
        raise ConflictError("The connection is being changed by others. Try again.")

    async def open_lease(self, tenant: TenantId, name: ConnectionName, use: Use | None = None) -> Lease | LeaseRefusal:
        """Open what a conduit gets of a connection, for one call, if it may be used so.

        Args:
            use: what for; None: it was judged already, or is the control plane's own.

        Raises:
            TamperedError: the row was moved or changed.
        """
        row = await self._store.load(tenant, name)
        if row is None:
            return LeaseRefusal.MISSING
        if use is not None and judge_use(row.connection, use) is not None:
            return LeaseRefusal.NOT_ALLOWED
        secrets = await self._open_row(row)
        connection, fields = row.connection, list_leased(row.connection.kind)
        if KINDS[connection.kind].has_grant and fields[0] not in secrets:
            return LeaseRefusal.MISSING
        return Lease(
            kind=connection.kind,
            hosts=connection.hosts,
            user_name=connection.user_name,
            parameter=connection.parameter,
            secret=secrets.get(fields[0], ""),
            expires_at_milliseconds=self._clock.now_milliseconds() + LEASE_MILLISECONDS,
            others={field: secrets[field] for field in fields[1:] if field in secrets},
            settings=_add_named(connection),
        )

    async def _open_row(self, row: SecretRow) -> dict[str, str]:
        tenant = row.connection.tenant
        key = TenantKey(version=row.key_version, key=await self._keyring.open(tenant, row.key_version))
        if not is_first_form(row):
            return open_row(row, key, self._chance)[1]
        secrets = open_first_form(row, key, self._chance)
        await self._write(row.connection, secrets, row)  # somebody else may be first: then theirs is as good
        return secrets

    async def _write(self, connection: Connection, secrets: Mapping[str, str], before: SecretRow | None) -> Connection | None:
        """Seal and save what follows `before`; None when that is not there any more."""
        tenant, now = connection.tenant, self._clock.now_milliseconds()
        known = before.connection if before is not None else None
        version, key = await self._keyring.load(tenant)
        connection = msgspec.structs.replace(
            connection,
            # the first one is the time: what follows a connection that was deleted is no successor of it
            version=known.version + 1 if known is not None else now,
            fields=known.fields if known is not None else (),
            created_at_milliseconds=known.created_at_milliseconds if known is not None else now,
            changed_at_milliseconds=now,
        )
        fingerprints = await self._keyring.derive(tenant, FINGERPRINTS)
        row = seal_row(connection, secrets, TenantKey(version=version, key=key), fingerprints, self._chance, now=now)
        try:
            saved = await self._store.save(row, after=known.version if known is not None else 0)
        except ConflictError:
            self._keyring.forget(tenant)
            return None
        return row.connection if saved else None


def _check_changes(kind: ConnectionKind, secrets: Mapping[str, str], settings: Mapping[str, str]) -> None:
    needed = {each.name for each in KINDS[kind].secrets if each.is_required}
    problems = check_secrets(kind, {each: text for each, text in secrets.items() if text}) + check_settings(settings)
    problems += [f"{each}: {kind.value} needs this secret." for each, text in secrets.items() if not text and each in needed]
    if problems:
        raise InputError("The secrets can't be taken: " + " ".join(problems), tuple(problems))


def _add_named(connection: Connection) -> dict[str, str]:
    named = {"user_name": connection.user_name, "parameter": connection.parameter}
    return connection.settings | {name: text for name, text in named.items() if text}


def _merge(before: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in {**before, **changes}.items() if text}
