"""Webhook signatures: the vendors' documented examples pass, everything edited fails."""

import base64
import hashlib
import hmac

import pytest

from blubees.doors.signatures import SignatureVerdict, read_delivery_id, verify_signature
from blubees.model.flow import Signature, SignatureEncoding, SignatureScheme

GOOD, WRONG, MISSING, STALE = SignatureVerdict.GOOD, SignatureVerdict.WRONG, SignatureVerdict.MISSING, SignatureVerdict.STALE
GITHUB = Signature(scheme=SignatureScheme.GITHUB)
SLACK = Signature(scheme=SignatureScheme.SLACK)
STRIPE = Signature(scheme=SignatureScheme.STRIPE)
STANDARD = Signature(scheme=SignatureScheme.STANDARD_WEBHOOKS)
GITLAB = Signature(scheme=SignatureScheme.GITLAB)
PLAIN = Signature(scheme=SignatureScheme.HMAC_SHA256, header="X-Sig", prefix="v=", encoding=SignatureEncoding.BASE64)
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    b".803a0bc887a14d10d2c447fce8b6703c"
)
STRIPE_GIVEN = hmac.new(b"whsec", b"1000.{}", hashlib.sha256).hexdigest()
PLAIN_GIVEN = base64.b64encode(hmac.new(b"s", b"body", hashlib.sha256).digest()).decode()


@pytest.mark.parametrize(
    ("signature", "secret", "headers", "body", "now"),
    [
        (
            GITHUB,
            "It's a Secret to Everybody",
            {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
            b"Hello, World!",
            0,
        ),
        (
            SLACK,
            "8f742231b10e8888abcd99yyyzzz85a5",
            {
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                "x-slack-request-timestamp": "1531420618",
            },
            SLACK_BODY,
            1_531_420_700,
        ),
        (
            STANDARD,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v2,xx v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            b'{"test": 2432232314}',
            1_614_265_400,
        ),
        (STRIPE, "whsec", {"stripe-signature": f"t=1000,v1={'0' * 64},v1={STRIPE_GIVEN},v0=x"}, b"{}", 1_100),
        (GITLAB, "tok", {"x-gitlab-token": "tok"}, b"{}", 0),
        (PLAIN, "s", {"x-sig": f"v={PLAIN_GIVEN}"}, b"body", 0),
    ],
    ids=["github", "slack", "standard", "stripe", "gitlab", "plain"],
)
def test_a_true_signature_is_good_and_every_change_is_not(
    signature: Signature, secret: str, headers: dict[str, str], body: bytes, now: int
) -> None:
    assert verify_signature(signature, secret, headers, body, now) is GOOD
    assert verify_signature(signature, secret + "x", headers, body, now) is WRONG
    assert verify_signature(signature, secret, {}, body, now) is MISSING
    if signature is not GITLAB:
        assert verify_signature(signature, secret, headers, body + b" ", now) is WRONG
    if signature in {SLACK, STRIPE, STANDARD}:
        assert verify_signature(signature, secret, headers, body, now + 1_000) is STALE
        assert verify_signature(signature, secret, headers, body, now - 1_000) is STALE
    doubled = {name: f"{value}, {value}" for name, value in headers.items()}
    if signature not in {STRIPE, STANDARD}:
        assert verify_signature(signature, secret, doubled, body, now) is not GOOD


def test_the_sender_names_its_delivery() -> None:
    assert read_delivery_id(GITHUB, {"x-github-delivery": "d1"}, None, "") == "d1"
    assert read_delivery_id(STRIPE, {}, {"id": "evt_1"}, "") == "evt_1"
    assert read_delivery_id(SLACK, {}, {"event_id": "Ev1"}, "") == "Ev1"
    assert read_delivery_id(GITHUB, {"x-github-delivery": "d1", "x-mine": "m"}, None, "X-Mine") == "m"
    assert read_delivery_id(Signature(), {}, {"id": "no"}, "") == ""
