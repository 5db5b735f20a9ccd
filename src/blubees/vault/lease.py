"""Puts a leased credential into one call, for the connection's own hosts only. Used by connectors/caller.py."""

import base64
from enum import StrEnum
from urllib.parse import quote, urlsplit

import msgspec

from blubees.model.connection import ConnectionKind, Lease
from blubees.model.web import WebRequest


class LeaseProblem(StrEnum):
    """Why a lease does not fit a call."""

    HOST = "host"
    EXPIRED = "expired"
    KIND = "kind"
    HEADER = "header"
    URL = "url"


def authorise(request: WebRequest, lease: Lease, now_milliseconds: int) -> WebRequest | LeaseProblem:
    """Give the call with its credential, or why it may not have it.

    The host is compared as the web client will use it: lower case, without a default port. Redirects to another origin
    lose the credential in the web client.
    """
    if now_milliseconds >= lease.expires_at_milliseconds:
        return LeaseProblem.EXPIRED
    host = _read_host(request.url)
    if host is None:
        return LeaseProblem.URL
    if host not in {_without_default_port(each, request.url) for each in lease.hosts}:
        return LeaseProblem.HOST
    if lease.kind is ConnectionKind.API_KEY_QUERY:
        separator = "&" if "?" in request.url else "?"
        url = f"{request.url}{separator}{quote(lease.parameter, safe='')}={quote(lease.secret, safe='')}"
        return msgspec.structs.replace(request, url=url)
    if lease.kind is ConnectionKind.API_KEY_COOKIE:
        return _add_cookie(request, lease.parameter, lease.secret)
    header = _write_header(lease)
    if header is None:
        return LeaseProblem.KIND
    if any(name.lower() == header[0].lower() for name, _ in request.headers):
        return LeaseProblem.HEADER
    return msgspec.structs.replace(request, headers=(*request.headers, header))


def _add_cookie(request: WebRequest, name: str, value: str) -> WebRequest | LeaseProblem:
    """Put a cookie beside those of the call: there is one header Cookie (RFC 6265, section 5.4)."""
    given = [text for header, text in request.headers if header.lower() == "cookie"]
    if any(part.partition("=")[0].strip() == name for text in given for part in text.split(";")):
        return LeaseProblem.HEADER
    others = tuple(pair for pair in request.headers if pair[0].lower() != "cookie")
    return msgspec.structs.replace(request, headers=(*others, ("Cookie", "; ".join([*given, f"{name}={value}"]))))


def _write_header(lease: Lease) -> tuple[str, str] | None:
    if lease.kind is ConnectionKind.BEARER:
        return "Authorization", f"Bearer {lease.secret}"
    if lease.kind is ConnectionKind.BASIC:
        pair = f"{lease.user_name}:{lease.secret}".encode()
        return "Authorization", f"Basic {base64.b64encode(pair).decode()}"
    if lease.kind is ConnectionKind.API_KEY_HEADER:
        return lease.parameter, lease.secret
    return None  # a signing secret checks what comes in; it never goes out


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
