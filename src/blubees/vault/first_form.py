"""The first form of a connection's row: one secret, sealed under the tenant's key itself. Opened once, and sealed anew.

Called by vault/secrets.py. Can go when no database of before migration 0011 is left.
"""

from blubees.model.authorisation import list_leased
from blubees.ports import Chance, SecretRow
from blubees.vault.envelope import TenantKey
from blubees.vault.seal import unseal_committed


def is_first_form(row: SecretRow) -> bool:
    """Whether it is one."""
    return not row.wrapped_key


def open_first_form(row: SecretRow, key: TenantKey, chance: Chance) -> dict[str, str]:
    """Give its secret by field.

    Raises:
        TamperedError: the row was moved or changed.
    """
    connection = row.connection
    field = list_leased(connection.kind)[0]
    bound = ("secret", connection.tenant, connection.name, field, str(key.version), connection.kind, *connection.hosts)
    return {field: unseal_committed(key.key, row.sealed[field], bound, chance).decode()}
