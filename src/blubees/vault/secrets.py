"""The vault: connections and their secrets. Write-only towards people; opened as leases for single calls.

Used by operations/connections.py and, over the broker, by conduits (main/control_plane.py).
"""

import hashlib
import hmac
import re
from typing import Final

from blubees.model.connection import SECRET_FIELDS, Connection, ConnectionKind, Lease, LeaseRefusal
from blubees.model.errors import InputError
from blubees.model.ids import CONNECTION_PATTERN, ConnectionName, TenantId
from blubees.ports import Chance, Clock, ConnectionStore, SecretRow
from blubees.vault.keyring import Keyring
from blubees.vault.seal import seal_committed, unseal_committed

LEASE_MILLISECONDS: Final = 60_000
SECRET_MAX_BYTES: Final = 16_384
HOSTS_MAX: Final = 20
_HOST: Final = re.compile(
    r"(?=.{1,253}(:|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?"
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_COOKIE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265, section 4.1.1
_ATLASSIAN_HOSTS: Final = ("atlassian.net", "atlassian.com", "jira.com", "jira-dev.com")
_ATLASSIAN_TOKENS: Final = ("ATATT", "ATCTT", "ATSTT", "ATBBT")
_NAMED_KEYS: Final = frozenset({ConnectionKind.API_KEY_HEADER, ConnectionKind.API_KEY_QUERY, ConnectionKind.API_KEY_COOKIE})
_OUR_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive", "cookie"}
)
_ATLASSIAN_FORBIDS: Final = (
    "Atlassian forbids apps to collect its API tokens. Flows reach Jira through the app itself: use the jira.… steps."
)


def check_connection(
    *, name: str, kind: ConnectionKind, hosts: tuple[str, ...], user_name: str, parameter: str, secret: str
) -> list[str]:
    """List everything that is wrong with a connection; never repeats the secret."""
    problems = []
    if not re.fullmatch(CONNECTION_PATTERN, name):
        problems.append("name: must be 1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit.")
    size = len(secret.encode(errors="replace"))
    if not 1 <= size <= SECRET_MAX_BYTES:
        problems.append(f"secret: has {size} bytes, allowed are 1 to {SECRET_MAX_BYTES}.")
    if kind is ConnectionKind.API_KEY_COOKIE and not _COOKIE.fullmatch(secret):
        problems.append("secret: a cookie has no spaces, quotes, commas, semicolons and backslashes.")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in secret):  # noqa: PLR2004 - ASCII control characters
        problems.append("secret: has control characters (a line end?). Paste it without.")
    if secret.startswith(_ATLASSIAN_TOKENS):
        problems.append(f"secret: looks like an Atlassian API token. {_ATLASSIAN_FORBIDS}")
    if kind not in SECRET_FIELDS:
        return [*problems, f"kind: {kind.value} has more than one secret, and those can't be kept yet."]
    problems += _check_hosts(kind, hosts)
    if kind is ConnectionKind.BASIC and (not user_name or ":" in user_name or not user_name.isprintable()):
        problems.append("user_name: basic needs one, without a colon.")
    if kind in _NAMED_KEYS and not _TOKEN.fullmatch(parameter):
        problems.append("parameter: must be the name that the key goes by: 1 to 100 letters, digits and -_.~ signs.")
    if kind is ConnectionKind.API_KEY_HEADER and parameter.lower() in _OUR_HEADERS:
        problems.append("parameter: this header is set by the client itself; name the vendor's own header.")
    return problems


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
        hosts: tuple[str, ...],
        user_name: str,
        parameter: str,
        secret: str,
    ) -> Connection:
        """Add a connection, or replace it with its secret.

        Raises:
            InputError: with all problems.
        """
        hosts = tuple(host.strip().lower() for host in hosts)
        problems = check_connection(name=name, kind=kind, hosts=hosts, user_name=user_name, parameter=parameter, secret=secret)
        if problems:
            raise InputError("The connection can't be taken: " + " ".join(problems), tuple(problems))
        version, key = await self._keyring.load(tenant)
        print_of = hmac.new(key, b"fingerprint|" + secret.encode(), hashlib.sha256).hexdigest()[:12]
        connection = Connection(
            tenant=tenant,
            name=ConnectionName(name),
            kind=kind,
            hosts=hosts,
            user_name=user_name,
            parameter=parameter,
            fingerprint=print_of,
            created_at_milliseconds=self._clock.now_milliseconds(),
        )
        sealed = seal_committed(key, secret.encode(), _bound(connection, version), self._chance)
        await self._store.save(SecretRow(connection=connection, key_version=version, sealed=sealed))
        return connection

    async def list(self, tenant: TenantId) -> "tuple[Connection, ...]":
        """All connections of the tenant, without secrets."""
        return tuple(await self._store.list(tenant))

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """Forget a connection; False when it was not there."""
        return await self._store.delete(tenant, name)

    async def open_lease(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        """Open the secret for one call.

        Raises:
            TamperedError: the row was moved or changed.
        """
        row = await self._store.load(tenant, name)
        if row is None:
            return LeaseRefusal.MISSING
        version, key = await self._keyring.load(tenant)
        if version != row.key_version:
            return LeaseRefusal.UNAVAILABLE
        connection = row.connection
        secret = unseal_committed(key, row.sealed, _bound(connection, version), self._chance).decode()
        return Lease(
            kind=connection.kind,
            hosts=connection.hosts,
            user_name=connection.user_name,
            parameter=connection.parameter,
            secret=secret,
            expires_at_milliseconds=self._clock.now_milliseconds() + LEASE_MILLISECONDS,
        )


def _bound(connection: Connection, version: int) -> tuple[str, ...]:
    """What a secret belongs to. The hosts are bound too: a row whose hosts were changed does not open."""
    field = SECRET_FIELDS[connection.kind][0]
    return ("secret", connection.tenant, connection.name, field, str(version), connection.kind, *connection.hosts)


def _check_hosts(kind: ConnectionKind, hosts: tuple[str, ...]) -> list[str]:
    if kind is ConnectionKind.SIGNING_SECRET:
        return []
    problems = []
    if not 1 <= len(hosts) <= HOSTS_MAX:
        problems.append(f"hosts: {len(hosts)} given, allowed are 1 to {HOSTS_MAX}: the only hosts the secret may go to.")
    for number, host in enumerate(hosts, 1):
        plain = host.partition(":")[0]
        if not _HOST.fullmatch(host):
            problems.append(f"hosts: number {number} is not a plain host or host:port, such as api.example.com.")
        elif any(plain == each or plain.endswith("." + each) for each in _ATLASSIAN_HOSTS):
            problems.append(f"hosts: number {number} is Atlassian's. {_ATLASSIAN_FORBIDS}")
    return problems
