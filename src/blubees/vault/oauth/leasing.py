"""Makes leases of granted tokens, and says what else a call to a vendor's token endpoint needs. Used by the files beside it."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from blubees.model.connection import Connection, Lease, OpenConnection
from blubees.model.grant import Grant
from blubees.model.web import ClientCertificate, WebRequest

REFRESH: Final = "refresh_token"
EARLIER: Final = "earlier_refresh_token"  # the one before: until the next has worked
LEASE_MILLISECONDS: Final = 60_000


def lease_token(lease: Lease, grant: Grant) -> Lease:
    """Give a token out as what is known of its grant allows: not past its end, and also to where the vendor said it goes."""
    ends = grant.expires_at_milliseconds or lease.expires_at_milliseconds
    urls = [urlsplit(text) for text in grant.kept.values() if text.startswith("https://")]
    hosts = [parts.netloc.lower() for parts in urls if parts.netloc]
    return msgspec.structs.replace(
        lease,
        hosts=tuple(dict.fromkeys((*lease.hosts, *hosts))),
        settings=lease.settings | grant.kept,
        expires_at_milliseconds=min(lease.expires_at_milliseconds, ends),
    )


def lease_jwt(opened: OpenConnection, token: str, ends_milliseconds: int) -> Lease:
    """Give a JWT of ours out."""
    connection: Connection = opened.connection
    shown: dict[str, str] = {
        each: opened.secrets[each] for each in ("client_certificate", "client_key") if each in opened.secrets
    }
    return Lease(
        kind=connection.kind,
        hosts=connection.hosts,
        user_name="",
        parameter=connection.parameter,
        secret=token,
        expires_at_milliseconds=ends_milliseconds,
        others=shown,
        settings=connection.settings,
    )


def add_owner(request: WebRequest, opened: OpenConnection) -> WebRequest:
    """Say whose call it is, and show the connection's certificate where it has one."""
    secrets, shown = opened.secrets, None
    if "client_certificate" in secrets:
        shown = ClientCertificate(chain=secrets["client_certificate"], private_key=secrets.get("client_key", ""))
    return msgspec.structs.replace(request, tenant=opened.connection.tenant, client_certificate=shown)
