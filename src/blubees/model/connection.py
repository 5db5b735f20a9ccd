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


SECRET_FIELDS: dict[ConnectionKind, tuple[str, ...]] = {
    ConnectionKind.BEARER: ("token",),
    ConnectionKind.BASIC: ("password",),
    ConnectionKind.API_KEY_HEADER: ("key",),
    ConnectionKind.API_KEY_QUERY: ("key",),
    ConnectionKind.API_KEY_COOKIE: ("key",),
    ConnectionKind.SIGNING_SECRET: ("secret",),
}
"""Which secret field each kind has, of those with one. All else about a connection is configuration."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What may be known of a connection by whoever may see the tenant's configuration. No secret.

    Attributes:
        hosts: "host" or "host:port", lower case; the only ones that its secret may go to. Empty for signing secrets.
        user_name: for basic; else empty.
        parameter: the header's, query parameter's or cookie's name for the API-key kinds; else empty.
        fingerprint: first 12 hex digits of a keyed hash of the secret: tells two secrets apart, and nothing else.
    """

    tenant: TenantId
    name: ConnectionName
    kind: ConnectionKind
    hosts: tuple[str, ...] = ()
    user_name: str = ""
    parameter: str = ""
    fingerprint: str = ""
    created_at_milliseconds: int = 0


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A credential opened for one call. Lives in a conduit's memory only; never printed.

    Attributes:
        secret: the opened secret field.
        expires_at_milliseconds: UTC; at most 60 s after it was opened.
    """

    kind: ConnectionKind
    hosts: tuple[str, ...]
    user_name: str
    parameter: str
    secret: str
    expires_at_milliseconds: int

    def __repr__(self) -> str:
        """Tell the kind only."""
        return f"Lease(kind={self.kind.value})"


class LeaseRefusal(StrEnum):
    """Why a lease was not opened."""

    MISSING = "missing"
    UNAVAILABLE = "unavailable"
