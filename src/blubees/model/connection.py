"""Connections and leases as nouns: a tenant's own authorised use of a third party. Kept by the vault; used by the caller."""

from enum import StrEnum

import msgspec

from blubees.model.ids import ConnectionName, TenantId


class ConnectionKind(StrEnum):
    """How a connection authorises a call."""

    BEARER = "bearer"
    BASIC = "basic"
    API_KEY_HEADER = "api_key_header"
    API_KEY_QUERY = "api_key_query"
    API_KEY_COOKIE = "api_key_cookie"
    OAUTH1 = "oauth1"
    OAUTH2_CODE = "oauth2_code"
    OAUTH2_DEVICE = "oauth2_device"
    OAUTH2_CLIENT = "oauth2_client"
    OAUTH2_JWT = "oauth2_jwt"
    OAUTH2_APP = "oauth2_app"
    JWT = "jwt"
    AWS_SIGV4 = "aws_sigv4"
    SIGNED_HEADERS = "signed_headers"
    MUTUAL_TLS = "mutual_tls"
    SIGNING_SECRET = "signing_secret"  # noqa: S105 - a kind's name


class Purpose(StrEnum):
    """What a connection is used for."""

    CALL = "call"
    POLL = "poll"
    SIGNATURE = "signature"
    TEST = "test"
    REGISTER = "register"  # a webhook at its vendor, by the control plane
    TAKE_BACK = "take_back"


class Use(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One use of a connection: for which flow, and where that is known for which run and step, and towards which host."""

    purpose: Purpose = Purpose.CALL
    flow: str = ""
    run: str = ""
    step: str = ""
    host: str = ""


class UseProblem(StrEnum):
    """Why a connection may not be used so (vault/allow.py)."""

    MISSING = "missing"
    KIND = "kind"
    FLOW = "flow"
    HOST = "host"


class SecretFact(msgspec.Struct, frozen=True, kw_only=True):
    """What may be known of a secret field.

    Attributes:
        version: the connection's version at which it was written; another secret has another one.
        fingerprint: first 12 hex digits of a keyed hash: tells two secrets apart, and nothing else.
        last_four: its last four characters, of one of 16 or more that is no password; else empty.
    """

    field: str
    version: int
    fingerprint: str = ""
    last_four: str = ""
    changed_at_milliseconds: int = 0


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What may be known of a connection by whoever may see the tenant's configuration. No secret.

    Attributes:
        hosts: "host" or "host:port", lower case; the only ones that its secrets may go to. Empty for signing secrets.
        user_name: for basic; else empty.
        parameter: the header's, query parameter's or cookie's name for the API-key kinds; else empty.
        settings: what else its kind needs to know and is no secret (model/authorisation.py), and what is known of its grant.
        flows: the only flows that may use it; empty: every flow of the tenant.
        used_at_milliseconds: when a lease was opened last, to a minute; 0 for never.
        version: changes with every change of it: compare and swap.
        fields: its secret fields, by name.
        fingerprint: the main field's; empty while it has none.
        sealed_at_milliseconds: when the key that seals its secrets was made.
    """

    tenant: TenantId
    name: ConnectionName
    kind: ConnectionKind
    hosts: tuple[str, ...] = ()
    user_name: str = ""
    parameter: str = ""
    settings: dict[str, str] = {}
    flows: tuple[str, ...] = ()
    version: int = 0
    fields: tuple[SecretFact, ...] = ()
    fingerprint: str = ""
    created_at_milliseconds: int = 0
    changed_at_milliseconds: int = 0
    sealed_at_milliseconds: int = 0
    used_at_milliseconds: int = 0


class OpenConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection with all its secrets opened, for the control plane's own use. Never printed, never sent."""

    connection: Connection
    secrets: dict[str, str]

    def __repr__(self) -> str:
        """Tell the kind only."""
        return f"OpenConnection(kind={self.connection.kind.value})"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A credential opened for one call. Lives in a conduit's memory only; never printed.

    Attributes:
        secret: the kind's main secret, opened; empty where it has none.
        others: the kind's other leased secrets, by name.
        settings: the connection's; user name and parameter among them.
        expires_at_milliseconds: UTC; at most 60 s after it was opened.
    """

    kind: ConnectionKind
    hosts: tuple[str, ...]
    user_name: str
    parameter: str
    secret: str
    expires_at_milliseconds: int
    others: dict[str, str] = {}
    settings: dict[str, str] = {}

    def __repr__(self) -> str:
        """Tell the kind only."""
        return f"Lease(kind={self.kind.value})"


class LeaseRefusal(StrEnum):
    """Why a lease was not opened."""

    MISSING = "missing"
    UNAVAILABLE = "unavailable"
    NO_GRANT = "no_grant"  # nobody has said yes yet
    GRANT_DEAD = "grant_dead"  # a person must say yes again, or set its client right
    KEY_DISABLED = "key_disabled"  # at the key provider: its owner can enable it again
    NOT_ALLOWED = "not_allowed"  # this flow may not use it, or not for that
    HOST_RULES = "host_rules"  # its token URL leads to a host that the tenant's rules do not permit
