"""Zendesk's signatures: over the time and the body, and not of yesterday."""

import base64
import hashlib
import hmac

import pytest

from blubees.connectors.catalog.zendesk import verify_event

BODY = b'{"type":"zen:event-type:ticket.comment_added"}'
NOW = 1_795_000_000
TIME = "2026-11-18T11:06:40Z"


def sign(secret: str, written: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), written.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": written,
    }


def test_what_is_signed_right_is_zendesks() -> None:
    assert verify_event("secret", sign("secret", TIME, BODY), BODY, NOW)
    assert verify_event("secret", sign("secret", TIME, BODY), BODY, NOW + 299)


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        (sign("another", TIME, BODY), BODY, NOW),
        (sign("secret", TIME, BODY), BODY + b" ", NOW),
        (sign("secret", TIME, BODY), BODY, NOW + 301),
        (sign("secret", TIME, BODY), BODY, NOW - 301),
        ({**sign("secret", TIME, BODY), "x-zendesk-webhook-signature-timestamp": "2026-11-18T11:06:41Z"}, BODY, NOW),
        (sign("secret", "2026-11-18T11:06:40", BODY), BODY, NOW),
        (sign("secret", "yesterday", BODY), BODY, NOW),
        ({**sign("secret", TIME, BODY), "x-zendesk-webhook-signature": "ä"}, BODY, NOW),
        ({}, BODY, NOW),
    ],
)
def test_what_is_not_is_refused(headers: dict[str, str], body: bytes, now: int) -> None:
    assert not verify_event("secret", headers, body, now)
