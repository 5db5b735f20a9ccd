"""A connection's envelope: its secrets sealed by field under a key of its own, which is sealed under the tenant's.

Pure. Called by vault/secrets.py and rotation.py. Source: docs/decisions/0044.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from blubees.model.authorisation import list_leased
from blubees.model.connection import Connection, SecretFact
from blubees.ports import Chance, SecretRow
from blubees.vault.keyring import mark
from blubees.vault.seal import seal_committed, unseal_committed

KEY_BYTES: Final = 32
HINTED_FROM: Final = 16  # characters: from here on the last four are shown
_UNHINTED: Final = frozenset({"password", "private_key", "client_key", "client_certificate"})


class TenantKey(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a tenant's key, opened."""

    version: int
    key: bytes

    def __repr__(self) -> str:
        """Tell the version only."""
        return f"TenantKey(version={self.version})"


def seal_row(
    connection: Connection, secrets: Mapping[str, str], key: TenantKey, fingerprints: bytes, chance: Chance, *, now: int
) -> SecretRow:
    """Seal a connection's secrets under a fresh key. Those that are as they were keep their facts.

    Args:
        connection: as it shall be, with the facts of its fields as they were.
        fingerprints: the key of fingerprints.
        now: UTC milliseconds.
    """
    before = {fact.field: fact for fact in connection.fields}
    facts = tuple(
        _keep_or_describe(before.get(field), connection, field, secret, fingerprints, now)
        for field, secret in sorted(secrets.items())
    )
    main = list_leased(connection.kind)[0]
    connection = msgspec.structs.replace(
        connection,
        fields=facts,
        fingerprint=next((fact.fingerprint for fact in facts if fact.field == main), ""),
    )
    row = SecretRow(connection=connection, key_version=0, wrapped_key=b"", sealed={})
    return reseal_row(row, secrets, key, chance, now=now)


def reseal_row(row: SecretRow, secrets: Mapping[str, str], key: TenantKey, chance: Chance, *, now: int) -> SecretRow:
    """Seal a connection's secrets, which are as its facts say, under a fresh key."""
    own = chance.bytes(KEY_BYTES)
    connection = msgspec.structs.replace(row.connection, sealed_at_milliseconds=now)
    sealed = {
        fact.field: seal_committed(own, secrets[fact.field].encode(), _bind_field(connection, fact), chance)
        for fact in connection.fields
    }
    return wrap_row(msgspec.structs.replace(row, connection=connection, sealed=sealed), own, key, chance)


def open_row(row: SecretRow, key: TenantKey, chance: Chance) -> tuple[bytes, dict[str, str]]:
    """Give (the connection's own key, its secrets by field).

    Raises:
        TamperedError: the row was moved or changed, or this is not its tenant's key.
    """
    own = unseal_committed(key.key, row.wrapped_key, _bind_head(row.connection, key.version), chance)
    secrets = {
        fact.field: unseal_committed(own, row.sealed[fact.field], _bind_field(row.connection, fact), chance).decode()
        for fact in row.connection.fields
    }
    return own, secrets


def wrap_row(row: SecretRow, own: bytes, key: TenantKey, chance: Chance) -> SecretRow:
    """Seal the connection's own key under the tenant's."""
    wrapped = seal_committed(key.key, own, _bind_head(row.connection, key.version), chance)
    return msgspec.structs.replace(row, key_version=key.version, wrapped_key=wrapped)


def _keep_or_describe(
    known: SecretFact | None, connection: Connection, field: str, secret: str, fingerprints: bytes, now: int
) -> SecretFact:
    print_of = mark(fingerprints, b"fingerprint|", secret.encode())[:12]
    if known is not None and known.fingerprint == print_of:
        return known
    is_hinted = len(secret) >= HINTED_FROM and field not in _UNHINTED
    return SecretFact(
        field=field,
        version=connection.version,
        fingerprint=print_of,
        last_four=secret[-4:] if is_hinted else "",
        changed_at_milliseconds=now,
    )


def _bind_field(connection: Connection, fact: SecretFact) -> tuple[str, ...]:
    return ("secret", connection.tenant, connection.name, fact.field, str(fact.version))


def _bind_head(connection: Connection, key_version: int) -> tuple[str, ...]:
    """What a connection's key belongs to: also where its secrets may go and all its settings. Changed rows do not open."""
    head: tuple[object, ...] = (connection.kind.value, connection.user_name, connection.parameter)
    head = (*head, connection.hosts, connection.settings, *((connection.flows,) if connection.flows else ()))
    digest = hashlib.sha256(msgspec.json.encode(head, order="sorted")).hexdigest()
    return ("secret_key", connection.tenant, connection.name, str(key_version), digest)
