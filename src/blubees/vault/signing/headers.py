"""Signed headers by a vendor's own rule, which is data: parts of the call, put together and signed. Used by vault/lease.py.

The rule stands in a connector's file (`auth: {kind: signed_headers, settings: {rule: …}}`) or in a connection's settings.
Nothing in it is evaluated: parts and places are names from closed lists. Source: docs/connections.md.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Final, Literal

import msgspec

from blubees.model.authorisation import HEADER_NAME
from blubees.model.web import WebRequest
from blubees.vault.signing.wire import Wire, add_query, find_header, read_wire

Reader = Callable[[WebRequest, Wire], str | bytes]
_OF_CALL: Final[dict[str, Reader]] = {
    "method": lambda request, _: request.method,
    "url": lambda _, wire: wire.url,
    "scheme": lambda _, wire: wire.scheme,
    "host": lambda _, wire: wire.host,
    "path": lambda _, wire: wire.path,
    "query": lambda _, wire: wire.query,
    "path_query": lambda _, wire: f"{wire.path}?{wire.query}" if wire.query else wire.path,
    "content_type": lambda request, _: find_header(request, "content-type") or "",
    "body": lambda request, _: request.body,
    "body_sha256": lambda request, _: hashlib.sha256(request.body).hexdigest(),
    "body_sha256_base64": lambda request, _: _encode("base64", hashlib.sha256(request.body).digest()),
    "body_sha512": lambda request, _: hashlib.sha512(request.body).hexdigest(),
    "body_md5_base64": lambda request, _: _encode("base64", hashlib.md5(request.body, usedforsecurity=False).digest()),
}
PARTS: Final = frozenset({*_OF_CALL, "timestamp", "nonce", "key_id"})
PLACES: Final = frozenset({"signature", "timestamp", "nonce", "key_id", "body_sha256", "body_sha256_base64", "body_md5_base64"})
_BRACED: Final = re.compile(r"\{([a-z0-9_]*)\}")

Name = Annotated[str, msgspec.Meta(pattern=f"^{HEADER_NAME}$")]
Form = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SigningRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor's rule.

    Attributes:
        parts: what is signed, in order: names of PARTS, `header:NAME`, or `text:…` for a text as it is.
        separator: between them.
        headers: what is added, by name: texts with `{signature}`, `{timestamp}`, `{nonce}`, `{key_id}` and hashes of the body.
        query: the same, as parameters of the query; not signed.
        key_encoding: what the secret's text is.
        timestamp: how the time is written.
    """

    parts: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...]
    headers: dict[Name, Form] = {}
    query: dict[Name, Form] = {}
    separator: Annotated[str, msgspec.Meta(max_length=10)] = ""
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    key_encoding: Literal["text", "base64", "hex"] = "text"
    timestamp: Literal["seconds", "milliseconds", "iso", "http_date"] = "seconds"


def read_signing_rule(text: str | bytes) -> SigningRule:
    """Read a rule from JSON.

    Raises:
        ValueError: with what is wrong, by name.
    """
    try:
        rule = msgspec.json.decode(text, type=SigningRule)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"rule: {error}.") from None
    unknown = [each for each in rule.parts if each not in PARTS and not _names_header(each) and not each.startswith("text:")]
    if unknown or not rule.parts:
        raise ValueError(f"rule: `parts` must be some of {', '.join(sorted(PARTS))}, header:NAME or text:….")
    forms = [*rule.headers.values(), *rule.query.values()]
    if any(place not in PLACES for form in forms for place in _BRACED.findall(form)):
        raise ValueError(f"rule: what stands in braces must be one of {', '.join(sorted(PLACES))}.")
    if not any("{signature}" in form for form in forms):
        raise ValueError("rule: no header and no parameter has the {signature}.")
    return rule


def sign_headers(
    request: WebRequest, rule: SigningRule, secret: str, *, key_id: str, nonce: str, now_milliseconds: int
) -> WebRequest:
    """Give the call with what the rule adds.

    Raises:
        ValueError: the URL can't be read, a signed header is missing, or the secret is not encoded as the rule says.
    """
    wire = read_wire(request.url)
    own = {"timestamp": _write_time(rule.timestamp, now_milliseconds), "nonce": nonce, "key_id": key_id}
    signed = rule.separator.encode().join(_write_part(each, own, request, wire) for each in rule.parts)
    digest = hmac.new(_read_key(rule.key_encoding, secret), signed, rule.algorithm).digest()
    places = {place for form in (*rule.headers.values(), *rule.query.values()) for place in _BRACED.findall(form)}
    hashes = {place: str(_OF_CALL[place](request, wire)) for place in places & set(_OF_CALL)}
    shown = own | hashes | {"signature": _encode(rule.encoding, digest)}
    headers = tuple((name, _fill(form, shown)) for name, form in rule.headers.items())
    others = tuple(pair for pair in request.headers if pair[0].lower() not in {name.lower() for name in rule.headers})
    url = wire.url
    if rule.query:
        url = add_query(url, {name: _fill(form, shown) for name, form in rule.query.items()})
    return msgspec.structs.replace(request, url=url, headers=(*others, *headers))


def _names_header(part: str) -> bool:
    return part.startswith("header:") and re.fullmatch(HEADER_NAME, part.removeprefix("header:")) is not None


def _write_part(part: str, own: dict[str, str], request: WebRequest, wire: Wire) -> bytes:
    if part.startswith("text:"):
        return part.removeprefix("text:").encode()
    if part.startswith("header:"):
        found = find_header(request, part.removeprefix("header:"))
        if found is None:
            raise ValueError("a signed header is missing")
        return found.encode()
    value = own[part] if part in own else _OF_CALL[part](request, wire)
    return value if isinstance(value, bytes) else value.encode()


def _write_time(form: str, now_milliseconds: int) -> str:
    moment = datetime.fromtimestamp(now_milliseconds // 1_000, UTC)
    if form == "iso":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if form == "http_date":
        return format_datetime(moment, usegmt=True)
    return str(now_milliseconds if form == "milliseconds" else now_milliseconds // 1_000)


def _read_key(encoding: str, secret: str) -> bytes:
    try:
        if encoding == "base64":
            return base64.b64decode(secret, validate=True)
        return bytes.fromhex(secret) if encoding == "hex" else secret.encode()
    except (ValueError, binascii.Error):
        raise ValueError(f"the secret is not {encoding}") from None


def _encode(encoding: str, digest: bytes) -> str:
    if encoding == "hex":
        return digest.hex()
    return (base64.b64encode if encoding == "base64" else base64.urlsafe_b64encode)(digest).decode()


def _fill(form: str, values: dict[str, str]) -> str:
    return _BRACED.sub(lambda found: values[found[1]], form)
