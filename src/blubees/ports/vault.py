"""The database: connections, grants, keys, audit (control plane only); and who keeps the topmost key."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from blubees.model.audit import AuditEvent
from blubees.model.connection import Connection
from blubees.model.grant import Consent, ConsentState, Grant
from blubees.model.ids import ConnectionName, RunId, TenantId


class SecretRow(msgspec.Struct, frozen=True, kw_only=True):
    """A connection with its sealed secrets (docs/decisions/0044).

    Attributes:
        key_version: of the tenant's key that wraps this connection's own.
        wrapped_key: the connection's own key, which seals its fields; empty for a row from before there was one.
        sealed: its fields by name, as in `connection.fields`.
    """

    connection: Connection
    key_version: int
    wrapped_key: bytes
    sealed: Mapping[str, bytes]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a tenant's key.

    Attributes:
        wrapped: by the key provider; empty once it is destroyed.
        minimum: since this version was made the newest, no version below that one is opened.
        created_at_milliseconds, wrapped_at_milliseconds: when it was made, and wrapped the last time.
    """

    tenant: TenantId
    version: int
    wrapped: bytes
    minimum: int = 0
    created_at_milliseconds: int = 0
    wrapped_at_milliseconds: int = 0


class DerivedKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a tenant's for one purpose, which stays the same while the tenant's key changes: wrapped under that."""

    tenant: TenantId
    purpose: str
    key_version: int
    wrapped: bytes


class ConnectionStore(Protocol):
    """Connections and their sealed secrets."""

    async def save(self, row: SecretRow, *, after: int) -> bool:
        """Insert or replace a connection with all its fields, in one step; False when it is not `after` that is there.

        Args:
            after: the version that this one follows; 0: there is none.

        Raises:
            ConflictError: the tenant's key that it is sealed under is no more: another process has changed it.
        """
        ...

    async def load(self, tenant: TenantId, name: ConnectionName) -> SecretRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[Connection]:
        """All of the tenant, by name, without secrets."""
        ...

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """False when it was not there."""
        ...

    async def list_sealed(
        self, tenant: TenantId, *, key_below: int, before_milliseconds: int, after: str, limit: int
    ) -> Sequence[ConnectionName]:
        """Name connections sealed under an older version of the tenant's key, or whose own key was made before then.

        Args:
            after: names that follow this one, in order.
        """
        ...

    async def reseal(self, row: SecretRow, before: SecretRow) -> bool:
        """Change how a connection is sealed, and nothing else; False when it is not as in `before` any more.

        Raises:
            ConflictError: as in save.
        """
        ...


class RunKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The key of a parked run."""

    tenant: TenantId
    run: RunId
    key_version: int
    sealed: bytes


class TenantVault(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a tenant, for operators. `versions`: of its key; `under_older`: what is sealed under older ones."""

    tenant: TenantId
    versions: Sequence[KeyRow]
    connections: int
    run_keys: int
    under_older: int


class GrantStore(Protocol):
    """What is known of grants, and open questions to people."""

    async def load(self, tenant: TenantId, connection: ConnectionName) -> Grant | None:
        """One."""
        ...

    async def save(self, grant: Grant, *, after: int) -> bool:
        """Keep it, numbered after + 1; False when it is not `after` that is there (0: none), or its connection is gone."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[Grant]:
        """All of a tenant."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[Grant]:
        """Live ones of any tenant that are to be renewed, the longest due first."""
        ...

    async def add_consent(self, consent: Consent) -> None:
        """Keep a question."""
        ...

    async def take_consent(self, tenant: TenantId, mark: str, now_milliseconds: int) -> Consent | None:
        """Take the answer to an open question, once; None: there is none, it was taken, or its time is over."""
        ...

    async def load_consent(self, tenant: TenantId, mark: str) -> Consent | None:
        """One, however far it is."""
        ...

    async def end_consent(self, tenant: TenantId, mark: str, state: ConsentState, outcome: str) -> None:
        """Note how it ended, and forget what was sealed."""
        ...

    async def purge_consents(self, before_milliseconds: int) -> None:
        """Forget those whose time was over before that."""
        ...


class KeyStore(Protocol):
    """The wrapped keys of tenants."""

    async def load(self, tenant: TenantId) -> Sequence[KeyRow]:
        """All versions, the newest first."""
        ...

    async def add(self, row: KeyRow) -> bool:
        """False when that version exists: another process was first; load it."""
        ...

    async def rewrap(self, row: KeyRow, before: bytes) -> bool:
        """Change how a key is wrapped; False when it is not wrapped as `before` any more."""
        ...

    async def retire(self, tenant: TenantId, below: int) -> bool:
        """Destroy the versions below this one, and open none of them any more; False: something is sealed under one."""
        ...

    async def list_tenants(self) -> Sequence[TenantId]:
        """Tenants that have a key, in order. For operators."""
        ...

    async def describe(self, tenant: TenantId) -> TenantVault:
        """What is kept of a tenant."""
        ...

    async def list_wrapped(self) -> Sequence[bytes]:
        """Every wrapped key there is, of all tenants: to see what the key provider must still open."""
        ...

    async def list_derived(self, tenant: TenantId, *, below: int) -> Sequence[DerivedKeyRow]:
        """Those that are wrapped under older versions."""
        ...

    async def swap_derived(self, row: DerivedKeyRow, before: bytes) -> bool:
        """As rewrap. ConflictError as in ConnectionStore.save."""
        ...

    async def list_run_keys(self, tenant: TenantId, *, below: int, after: str, limit: int) -> Sequence[RunKeyRow]:
        """Keys of parked runs that are sealed under older versions, by run; those that follow `after`."""
        ...

    async def swap_run_key(self, row: RunKeyRow, before: bytes) -> bool:
        """As rewrap. ConflictError as in ConnectionStore.save."""
        ...

    async def shred(self, tenant: TenantId, event: AuditEvent) -> bool:
        """Destroy every wrapped key, all that was sealed under them, and what is registered at vendors by them.

        Nothing of the tenant's can be opened any more, and nothing be sealed under what is gone. The event is kept in the same
        transaction. False: there was no key, and nothing is told.

        Raises:
            UnavailableError: also while others keep sealing.
        """
        ...

    async def list_gone(self) -> Sequence[TenantId]:
        """Tenants with a key from before they said goodbye."""
        ...

    async def shredded_at(self) -> int:
        """When a tenant's keys were destroyed last, in UTC milliseconds; 0: none has been."""
        ...

    async def load_derived(self, tenant: TenantId, purpose: str) -> DerivedKeyRow | None:
        """One."""
        ...

    async def add_derived(self, row: DerivedKeyRow) -> bool:
        """False when there is one: another process was first; load it. ConflictError as in ConnectionStore.save."""
        ...


class AuditStore(Protocol):
    """The audit trail: what is in it is never changed, and deleted only when its time is over."""

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """Keep events, of any tenants, and when connections were used."""
        ...

    async def list(
        self, tenant: TenantId, *, connection: str, before: str, limit: int, leases: bool = True
    ) -> Sequence[AuditEvent]:
        """Newest first.

        Args:
            connection: of this one only; empty: of all. before: the last event of the page before. leases: those too.
        """
        ...

    async def purge(self, leases_before_milliseconds: int, others_before_milliseconds: int) -> int:
        """Delete those of every tenant that are older; gives how many."""
        ...


class ProviderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a key provider says of itself.

    Attributes:
        kind: such as "local file"; `key`: names its newest key, and tells nothing of it; `keys`: how many it opens with.
        forgets: whether it can destroy its own older keys (`retire`).
    """

    kind: str
    key: str
    keys: int
    changed_at_milliseconds: int = 0
    forgets: bool = False


class KeyProvider(Protocol):
    """Wraps tenant keys: a local key file, or a key management service."""

    async def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """Seal a 32-byte key with its newest key; `context` must be given again to open it. Raises UnavailableError."""
        ...

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Open it.

        Raises:
            TamperedError: another context, key or changed bytes. KeyDisabledError: its key may not be used now.
            UnavailableError: it does not answer.
        """
        ...

    async def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Seal it anew with the newest key. Raises as unwrap."""
        ...

    async def is_current(self, wrapped: bytes) -> bool:
        """Whether it is wrapped with the newest key, as far as can be told."""
        ...

    async def renew(self) -> None:
        """Make a newest key of its own. Raises InputError: why it can't."""
        ...

    async def retire(self, in_use: Sequence[bytes]) -> int:
        """Destroy its older keys that none of these is wrapped with, where it can; gives how many."""
        ...

    async def describe(self) -> ProviderFacts:
        """Tell of itself."""
        ...
