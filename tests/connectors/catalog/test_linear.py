"""Linear's signatures: over the body, which tells when it was sent; not of yesterday."""

import hashlib
import hmac

import orjson
import pytest

from blubees.connectors.catalog.linear import verify_event

NOW = 1_795_000_000


def write(**more: object) -> bytes:
    return orjson.dumps({"action": "update", "type": "Issue", "webhookTimestamp": NOW * 1_000 + 250, **more})


def sign(secret: str, body: bytes) -> dict[str, str]:
    return {"linear-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


BODY = write()


@pytest.mark.parametrize("now", [NOW, NOW - 299, NOW + 300])
def test_what_is_signed_right_is_linears(now: int) -> None:
    assert verify_event("secret", sign("secret", BODY), BODY, now)


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        (sign("another", BODY), BODY, NOW),
        (sign("secret", BODY), BODY + b" ", NOW),
        (sign("secret", BODY), BODY, NOW + 301),
        (sign("secret", BODY), BODY, NOW - 301),
        ({"linear-signature": "ä"}, BODY, NOW),
        ({}, BODY, NOW),
        *(
            (sign("secret", body), body, NOW)
            for body in (b"no JSON", b"[]", b"{}", write(webhookTimestamp=str(NOW * 1_000)), write(webhookTimestamp=None))
        ),
    ],
)
def test_what_is_not_is_refused(headers: dict[str, str], body: bytes, now: int) -> None:
    assert not verify_event("secret", headers, body, now)
