"""Puts a leased credential into one call, for the connection's own hosts only. Used by connectors/caller.py."""

import base64
import hashlib
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from blubees.model.authorisation import KINDS
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.web import ClientCertificate, WebRequest
from blubees.vault.signing.aws import AwsKeys, name_service, sign_aws
from blubees.vault.signing.headers import read_signing_rule, sign_headers
from blubees.vault.signing.oauth1 import OAuth1Keys, SignatureMethod, sign_oauth1

NEEDS_NONCE: Final = frozenset({ConnectionKind.OAUTH1, ConnectionKind.SIGNED_HEADERS})
_read_rule = lru_cache(maxsize=256)(read_signing_rule)


class LeaseProblem(StrEnum):
    """Why a lease does not fit a call."""

    HOST = "host"
    EXPIRED = "expired"
    KIND = "kind"
    HEADER = "header"
    URL = "url"
    KEY = "key"
    REGION = "region"
    PAYLOAD = "payload"


def authorise(
    request: WebRequest,
    lease: Lease,
    now_milliseconds: int,
    nonce: str = "",
    *,
    bound_url: str = "",
    is_piped: bool = False,
) -> WebRequest | LeaseProblem:
    """Give the call with its credential, or why it may not have it.

    The host is compared as the web client will use it: lower case, without a default port. Redirects to another origin
    lose the credential in the web client.

    Args:
        nonce: 16 bytes of chance in hex, other ones for each call; for the kinds in NEEDS_NONCE.
        bound_url: whose host must be the connection's, where a name before it (a bucket) makes the request's another one;
            empty: the request's own.
        is_piped: the body comes in pieces, when all is signed; only S3 takes it unsigned.
    """
    if now_milliseconds >= lease.expires_at_milliseconds:
        return LeaseProblem.EXPIRED
    host = _read_host(bound_url or request.url)
    if host is None or (bound_url and not _is_below(_read_host(request.url), host)):
        return LeaseProblem.URL
    if host not in {_without_default_port(each, request.url) for each in lease.hosts}:
        return LeaseProblem.HOST
    put = _PUTTERS.get(lease.kind)
    if put is None or (lease.kind in NEEDS_NONCE and not nonce):
        return LeaseProblem.KIND  # a signing secret checks what comes in; it never goes out
    if is_piped and lease.kind is ConnectionKind.AWS_SIGV4:
        lease = msgspec.structs.replace(lease, settings={**lease.settings, "payload": "unsigned"})
    secrets = _name_secrets(lease)
    if "client_certificate" in secrets:
        shown = ClientCertificate(chain=secrets["client_certificate"], private_key=secrets.get("client_key", ""))
        request = msgspec.structs.replace(request, client_certificate=shown)
    try:
        return put(request, lease, now_milliseconds, nonce)
    except ValueError:
        return LeaseProblem.KEY


def _is_below(host: str | None, bound: str) -> bool:
    return host is not None and (host == bound or host.endswith(f".{bound}"))


def hash_token(token: str) -> str:
    """Name a token without telling it: 32 hex digits."""
    return hashlib.sha256(b"token|" + token.encode()).hexdigest()[:32]


def _name_secrets(lease: Lease) -> dict[str, str]:
    main = "client_certificate" if lease.kind is ConnectionKind.MUTUAL_TLS else ""
    return lease.others | ({main: lease.secret} if main else {})


def _add_header(request: WebRequest, name: str, value: str) -> WebRequest | LeaseProblem:
    if any(given.lower() == name.lower() for given, _ in request.headers):
        return LeaseProblem.HEADER
    return msgspec.structs.replace(request, headers=(*request.headers, (name, value)))


def _add_parameter(request: WebRequest, name: str, value: str) -> WebRequest:
    separator = "&" if "?" in request.url else "?"
    return msgspec.structs.replace(request, url=f"{request.url}{separator}{quote(name, safe='')}={quote(value, safe='')}")


def _add_cookie(request: WebRequest, name: str, value: str) -> WebRequest | LeaseProblem:
    """Put a cookie beside those of the call: there is one header Cookie (RFC 6265, section 5.4)."""
    given = [text for header, text in request.headers if header.lower() == "cookie"]
    if any(part.partition("=")[0].strip() == name for text in given for part in text.split(";")):
        return LeaseProblem.HEADER
    others = tuple(pair for pair in request.headers if pair[0].lower() != "cookie")
    return msgspec.structs.replace(request, headers=(*others, ("Cookie", "; ".join([*given, f"{name}={value}"]))))


Putter = Callable[[WebRequest, Lease, int, str], WebRequest | LeaseProblem]


def _put_token(request: WebRequest, lease: Lease, _now: int, _nonce: str) -> WebRequest | LeaseProblem:
    """Put a token where its kind's settings say: a header, with what stands before it, or the query."""
    known = KINDS[lease.kind]
    name = known.read(lease.settings, "parameter") or "Authorization"
    if known.read(lease.settings, "place") == "query":
        return _add_parameter(request, "access_token" if name == "Authorization" else name, lease.secret)
    prefix = known.read(lease.settings, "prefix")
    return _add_header(request, name, _join(prefix, lease.secret))


def _put_basic(request: WebRequest, lease: Lease, _now: int, _nonce: str) -> WebRequest | LeaseProblem:
    pair = (lease.user_name, lease.secret)
    if lease.settings.get("secret_is") == "user_name":
        pair = (lease.secret, lease.user_name)
    return _add_header(request, "Authorization", f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}")


def _put_key_header(request: WebRequest, lease: Lease, _now: int, _nonce: str) -> WebRequest | LeaseProblem:
    prefix = lease.settings.get("prefix", "")
    return _add_header(request, lease.parameter, _join(prefix, lease.secret))


def _join(prefix: str, secret: str) -> str:
    """Put the prefix before the secret, a blank between; none behind `=`, as in PagerDuty's `Token token=…`."""
    return f"{prefix}{secret}" if not prefix or prefix.endswith("=") else f"{prefix} {secret}"


def _sign_oauth1(request: WebRequest, lease: Lease, now: int, nonce: str) -> WebRequest | LeaseProblem:
    if any(name.lower() == "authorization" for name, _ in request.headers):
        return LeaseProblem.HEADER
    keys = OAuth1Keys(
        consumer_key=lease.settings.get("consumer_key", ""),
        consumer_secret=lease.secret,
        token=lease.settings.get("token", ""),
        token_secret=lease.others.get("token_secret", ""),
        method=SignatureMethod(KINDS[lease.kind].read(lease.settings, "signature_method")),
        realm=lease.settings.get("realm", ""),
        private_key=lease.others.get("private_key", ""),
    )
    return sign_oauth1(request, keys, nonce=nonce, now_milliseconds=now)


def _sign_aws(request: WebRequest, lease: Lease, now: int, _nonce: str) -> WebRequest | LeaseProblem:
    service, region = name_service(_read_host(request.url) or "")
    keys = AwsKeys(
        access_key_id=lease.settings.get("access_key_id", ""),
        secret_access_key=lease.secret,
        region=lease.settings.get("region") or region,
        service=lease.settings.get("service") or service,
        session_token=lease.others.get("session_token", ""),
        signs_payload=lease.settings.get("payload") != "unsigned",
    )
    if not keys.region or not keys.service:
        return LeaseProblem.REGION
    if not keys.signs_payload and keys.service != "s3":
        return LeaseProblem.PAYLOAD
    return sign_aws(request, keys, now_milliseconds=now)


def _sign_headers(request: WebRequest, lease: Lease, now: int, nonce: str) -> WebRequest | LeaseProblem:
    rule = _read_rule(lease.settings.get("rule", ""))
    key_id = lease.settings.get("key_id", "")
    return sign_headers(request, rule, lease.secret, key_id=key_id, nonce=nonce, now_milliseconds=now)


_PUTTERS: Final[dict[ConnectionKind, Putter]] = {
    ConnectionKind.BEARER: _put_token,
    ConnectionKind.BASIC: _put_basic,
    ConnectionKind.API_KEY_HEADER: _put_key_header,
    ConnectionKind.API_KEY_QUERY: lambda request, lease, _now, _nonce: _add_parameter(request, lease.parameter, lease.secret),
    ConnectionKind.API_KEY_COOKIE: lambda request, lease, _now, _nonce: _add_cookie(request, lease.parameter, lease.secret),
    ConnectionKind.OAUTH1: _sign_oauth1,
    ConnectionKind.OAUTH2_CODE: _put_token,
    ConnectionKind.OAUTH2_DEVICE: _put_token,
    ConnectionKind.OAUTH2_CLIENT: _put_token,
    ConnectionKind.OAUTH2_JWT: _put_token,
    ConnectionKind.OAUTH2_APP: _put_token,
    ConnectionKind.JWT: _put_token,
    ConnectionKind.AWS_SIGV4: _sign_aws,
    ConnectionKind.SIGNED_HEADERS: _sign_headers,
    ConnectionKind.MUTUAL_TLS: lambda request, _lease, _now, _nonce: request,
}


def _read_host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or "@" in parts.netloc or "\\" in url or "#" in url:
        return None
    return _without_default_port(f"{host}:{port}" if port else host, url)


def _without_default_port(host: str, url: str) -> str:
    return host.removesuffix(":443" if url[:6].lower() == "https:" else ":80")
