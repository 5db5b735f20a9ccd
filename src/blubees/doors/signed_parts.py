"""Checks signatures over more than the body: method, address, a form's fields, time (scheme `hmac`). Called by webhooks.py.

What is signed is told by the connector's file; comparing is in constant time. Sources: the documentation of Twilio
(https://www.twilio.com/docs/usage/security) and HubSpot
(https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation), read 2026-11.
"""

import base64
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from blubees.doors.body import FORM_FIELDS_MAX, FORM_TYPE
from blubees.doors.signatures import REPLAY_SECONDS, Headers, SignatureVerdict
from blubees.model.flow import Signature, SignatureEncoding, SignedPart, TimeUnit

STANDARD_PORTS: Final = {"https": 443, "http": 80}
DIGITS_MAX: Final = 15


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was sent.

    Attributes:
        url: our public address with the query, as the sender has it.
        headers: names lower-cased; a repeated one joined by ", ".
    """

    method: str
    url: str
    headers: Headers
    body: bytes


def verify_parts(signature: Signature, secret: str, sent: Sent, now_seconds: int) -> SignatureVerdict:
    """Check a signature of the scheme `hmac`.

    An address counts with its port and without: senders leave it out, or name the standard one, as they please.

    Args:
        now_seconds: UTC, for the replay window of ±300 s where the time is signed.
    """
    given = sent.headers.get(signature.header.lower())
    stamp = sent.headers.get(signature.time_header.lower(), "") if signature.time_header else ""
    if not given or (signature.time_header and not stamp):
        return SignatureVerdict.MISSING
    if signature.time_header and _is_stale(stamp, signature.time_unit, now_seconds):
        return SignatureVerdict.STALE
    if not given.startswith(signature.prefix):
        return SignatureVerdict.WRONG
    form = _write_form(sent) if SignedPart.FORM in signature.signed else b""
    if form is None:
        return SignatureVerdict.WRONG
    offered = given[len(signature.prefix) :].strip().encode("utf-8", "surrogateescape")
    urls = _list_urls(sent.url) if SignedPart.URL in signature.signed else [sent.url]
    results = []
    for url in urls:
        parts = {
            SignedPart.METHOD: sent.method.encode(),
            SignedPart.URL: url.encode(),
            SignedPart.BODY: sent.body,
            SignedPart.FORM: form,
            SignedPart.TIME: stamp.encode(),
        }
        message = b"".join(parts[each] for each in signature.signed)
        for each in signature.digests:
            digest = hmac.digest(secret.encode(), message, each.value)
            written = base64.b64encode(digest) if signature.encoding is SignatureEncoding.BASE64 else digest.hex().encode()
            results.append(hmac.compare_digest(written, offered))
    return SignatureVerdict.GOOD if any(results) else SignatureVerdict.WRONG


def _is_stale(stamp: str, unit: TimeUnit, now_seconds: int) -> bool:
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= DIGITS_MAX):
        return True
    seconds = int(stamp) / 1_000 if unit is TimeUnit.MILLISECONDS else int(stamp)
    return abs(seconds - now_seconds) > REPLAY_SECONDS


def _write_form(sent: Sent) -> bytes | None:
    """Write a form's fields as they are signed: each name and its value, sorted, nothing between. None: it is no form."""
    if not sent.body:
        return b""
    if sent.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return None
    try:
        pairs = parse_qsl(sent.body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict")
    except ValueError:
        return None
    return "".join(name + value for name, value in sorted(set(pairs))).encode()


def _list_urls(url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.port is not None:
        return [url, parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}")).geturl()]
    return [url, parts._replace(netloc=f"{parts.netloc}:{STANDARD_PORTS[parts.scheme]}").geturl()]
