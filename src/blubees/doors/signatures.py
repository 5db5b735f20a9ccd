"""Checks webhook signatures: one function a scheme, all pure, all comparing in constant time. Called by doors/webhooks.py.

Sources: the vendors' documentation (GitHub, Slack, Stripe, Standard Webhooks, GitLab), read 2026-11.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from blubees.model.flow import Signature, SignatureEncoding, SignatureScheme

REPLAY_SECONDS: Final = 300
SIGNATURES_MAX: Final = 10  # senders that rotate their secret send two

Headers = Mapping[str, str]


class SignatureVerdict(StrEnum):
    """What a signature is."""

    GOOD = "good"
    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"


def verify_signature(signature: Signature, secret: str, headers: Headers, body: bytes, now_seconds: int) -> SignatureVerdict:
    """Check the signature of a webhook on its raw bytes.

    Args:
        headers: names lower-cased; a repeated one joined by ", " (which no single-valued scheme accepts).
        now_seconds: UTC, for the replay window of ±300 s where the scheme has a time.
    """
    return _CHECKS[signature.scheme](signature, secret, headers, body, now_seconds)


def read_delivery_id(signature: Signature, headers: Headers, document: object, configured: str) -> str:
    """Give the sender's id of this delivery, or empty when it has none.

    Args:
        configured: the header that the flow names; wins where it is set.
    """
    if configured:
        return headers.get(configured.lower(), "")[:200]
    for name in _DELIVERY_HEADERS.get(signature.scheme, _ANY_DELIVERY_HEADER):
        if headers.get(name):
            return headers[name][:200]
    if signature.scheme in {SignatureScheme.STRIPE, SignatureScheme.SLACK} and isinstance(document, dict):
        identity = document.get("id" if signature.scheme is SignatureScheme.STRIPE else "event_id")
        return identity[:200] if isinstance(identity, str) else ""
    return ""


def list_signature_headers(signature: Signature) -> frozenset[str]:
    """Headers that belong to the signature: they are not given to flows."""
    own = {signature.header.lower()} if signature.header else set()
    return _SIGNATURE_HEADERS | own


_ANY_DELIVERY_HEADER: Final = ("x-atlassian-webhook-identifier", "webhook-id", "x-github-delivery", "idempotency-key")
_DELIVERY_HEADERS: Final[dict[SignatureScheme, tuple[str, ...]]] = {
    SignatureScheme.GITHUB: ("x-github-delivery",),
    SignatureScheme.STANDARD_WEBHOOKS: ("webhook-id",),
    SignatureScheme.GITLAB: ("idempotency-key", "x-gitlab-event-uuid"),
    SignatureScheme.SLACK: (),
    SignatureScheme.STRIPE: (),
}
_SIGNATURE_HEADERS: Final = frozenset(
    {
        "x-hub-signature",
        "x-hub-signature-256",
        "x-slack-signature",
        "stripe-signature",
        "webhook-signature",
        "x-gitlab-token",
    }
)


def _check_none(_: Signature, _secret: str, _headers: Headers, _body: bytes, _now: int) -> SignatureVerdict:
    return SignatureVerdict.GOOD


def _check_hmac(signature: Signature, secret: str, headers: Headers, body: bytes, _now: int) -> SignatureVerdict:
    given = headers.get(signature.header.lower())
    if not given:
        return SignatureVerdict.MISSING
    if not given.startswith(signature.prefix):
        return SignatureVerdict.WRONG
    digest = _digest(secret.encode(), body)
    given = given[len(signature.prefix) :].strip()
    if signature.encoding is SignatureEncoding.BASE64:
        return _compare(base64.b64encode(digest).decode(), given)
    return _compare(digest.hex(), given.lower())


def _check_github(_: Signature, secret: str, headers: Headers, body: bytes, now: int) -> SignatureVerdict:
    form = Signature(scheme=SignatureScheme.HMAC_SHA256, header="x-hub-signature-256", prefix="sha256=")
    return _check_hmac(form, secret, headers, body, now)


def _check_slack(_: Signature, secret: str, headers: Headers, body: bytes, now: int) -> SignatureVerdict:
    given, stamp = headers.get("x-slack-signature"), headers.get("x-slack-request-timestamp")
    if not given or not stamp:
        return SignatureVerdict.MISSING
    if _is_stale(stamp, now):
        return SignatureVerdict.STALE
    return _compare("v0=" + _digest(secret.encode(), b"v0:" + stamp.encode() + b":" + body).hex(), given)


def _check_stripe(_: Signature, secret: str, headers: Headers, body: bytes, now: int) -> SignatureVerdict:
    pairs = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"]
    if len(stamps) != 1 or not given:
        return SignatureVerdict.MISSING
    if _is_stale(stamps[0], now):
        return SignatureVerdict.STALE
    expected = _digest(secret.encode(), stamps[0].encode() + b"." + body).hex()
    return _compare_any(expected, given)


def _check_standard(_: Signature, secret: str, headers: Headers, body: bytes, now: int) -> SignatureVerdict:
    identity, stamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    listed = headers.get("webhook-signature", "").split()
    given = [each.removeprefix("v1,") for each in listed if each.startswith("v1,")]
    if not identity or not stamp or not given:
        return SignatureVerdict.MISSING
    if _is_stale(stamp, now):
        return SignatureVerdict.STALE
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return SignatureVerdict.WRONG
    expected = base64.b64encode(_digest(key, f"{identity}.{stamp}.".encode() + body)).decode()
    return _compare_any(expected, given)


def _check_gitlab(_: Signature, secret: str, headers: Headers, _body: bytes, _now: int) -> SignatureVerdict:
    given = headers.get("x-gitlab-token")
    return _compare(secret, given) if given else SignatureVerdict.MISSING


_CHECKS: Final[dict[SignatureScheme, Callable[[Signature, str, Headers, bytes, int], SignatureVerdict]]] = {
    SignatureScheme.NONE: _check_none,
    SignatureScheme.HMAC_SHA256: _check_hmac,
    SignatureScheme.GITHUB: _check_github,
    SignatureScheme.SLACK: _check_slack,
    SignatureScheme.STRIPE: _check_stripe,
    SignatureScheme.STANDARD_WEBHOOKS: _check_standard,
    SignatureScheme.GITLAB: _check_gitlab,
}


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _compare(expected: str, given: str) -> SignatureVerdict:
    same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
    return SignatureVerdict.GOOD if same else SignatureVerdict.WRONG


def _compare_any(expected: str, given: list[str]) -> SignatureVerdict:
    results = [_compare(expected, each) for each in given[:SIGNATURES_MAX]]
    return SignatureVerdict.GOOD if SignatureVerdict.GOOD in results else SignatureVerdict.WRONG


def _is_stale(stamp: str, now: int) -> bool:
    return not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12 and abs(int(stamp) - now) <= REPLAY_SECONDS)  # noqa: PLR2004 - digits of a time
