"""Signatures over more than the body: the vendors' own examples pass, everything edited fails."""

import base64
import hashlib
import hmac

import msgspec
import pytest

from blubees.doors.signatures import SignatureVerdict
from blubees.doors.signed_parts import Sent, verify_parts
from blubees.model.flow import (
    Signature,
    SignatureDigest,
    SignatureEncoding,
    SignatureScheme,
    SignedPart,
    TimeUnit,
)

GOOD, WRONG, MISSING, STALE = SignatureVerdict.GOOD, SignatureVerdict.WRONG, SignatureVerdict.MISSING, SignatureVerdict.STALE
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
TWILIO = Signature(
    scheme=SignatureScheme.HMAC,
    header="X-Twilio-Signature",
    encoding=SignatureEncoding.BASE64,
    digests=(SignatureDigest.SHA1, SignatureDigest.SHA256),
    signed=(SignedPart.URL, SignedPart.FORM),
)
HUBSPOT = Signature(
    scheme=SignatureScheme.HMAC,
    header="X-HubSpot-Signature-v3",
    encoding=SignatureEncoding.BASE64,
    signed=(SignedPart.METHOD, SignedPart.URL, SignedPart.BODY, SignedPart.TIME),
    time_header="X-HubSpot-Request-Timestamp",
    time_unit=TimeUnit.MILLISECONDS,
)
CALL = b"To=%2B18005551212&Digits=1234&CallSid=CA1234567890ABCDE&Caller=%2B14158675309&From=%2B14158675309"
CALLED = "https://mycompany.com/myapp.php?foo=1&bar=2"
HUBSPOT_SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"


def send_call(url: str, signature: str, body: bytes = CALL, content_type: str = FORM) -> Sent:
    headers = {"x-twilio-signature": signature, "content-type": content_type}
    return Sent(method="POST", url=url, headers=headers, body=body)


def send_hubspot(stamp: str = "15000000", body: bytes = b"{'example_field':'example_value'}", **changes: str) -> Sent:
    headers = {
        "x-hubspot-signature-v3": "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
        "x-hubspot-request-timestamp": stamp,
    }
    sent = {"method": "POST", "url": "https://www.example.com/webhook_uri", **changes}
    return Sent(method=sent["method"], url=sent["url"], headers=headers, body=body)


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (CALLED, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (CALLED.replace(".com", ".com:1234"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (CALLED.replace("https", "http").replace(".com", ".com:1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (CALLED, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (CALLED.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
    ids=["plain", "without the port", "with it", "with the standard one", "without TLS"],
)
def test_twilios_own_examples_are_good(url: str, signature: str) -> None:
    """The values are those of Twilio's helper library's tests."""
    assert verify_parts(TWILIO, "12345", send_call(url, signature), 0) is GOOD
    assert verify_parts(TWILIO, "12346", send_call(url, signature), 0) is WRONG
    assert verify_parts(TWILIO, "12345", send_call(url + "&more=1", signature), 0) is WRONG
    assert verify_parts(TWILIO, "12345", send_call(url, signature, CALL + b"&More=1"), 0) is WRONG
    assert verify_parts(TWILIO, "12345", send_call(url, signature, CALL.replace(b"1234&", b"1235&")), 0) is WRONG
    assert verify_parts(TWILIO, "12345", send_call(url, ""), 0) is MISSING


def test_a_form_is_signed_by_its_fields_sorted_each_once_empty_ones_too() -> None:
    good = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert verify_parts(TWILIO, "12345", send_call(CALLED, good, b"&".join(sorted(CALL.split(b"&")))), 0) is GOOD
    assert verify_parts(TWILIO, "12345", send_call(CALLED, good, CALL + b"&Digits=1234"), 0) is GOOD
    assert verify_parts(TWILIO, "12345", send_call(CALLED, good, CALL + b"&Body="), 0) is WRONG


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(CALL, "application/json"), (CALL, ""), (b"To=%ff", FORM), (b"&".join([b"a=1"] * 1_001), FORM), (b"\xff=1", FORM)],
    ids=["said to be JSON", "said to be nothing", "no text", "too many fields", "bytes"],
)
def test_what_is_no_form_is_not_good(body: bytes, content_type: str) -> None:
    sent = send_call(CALLED, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", body, content_type)
    assert verify_parts(TWILIO, "12345", sent, 0) is WRONG


def test_each_digest_that_is_named_counts_and_no_other() -> None:

    for digest, verdict in (("sha256", GOOD), ("sha512", WRONG)):
        given = base64.b64encode(hmac.digest(b"12345", b"https://a.example/", digest)).decode()
        sent = Sent(method="POST", url="https://a.example/", headers={"x-twilio-signature": given}, body=b"")
        assert verify_parts(TWILIO, "12345", sent, 0) is verdict


def test_hubspots_own_example_is_good_and_every_change_is_not() -> None:
    """The values are those of HubSpot's client's tests."""
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(), 15_000) is GOOD
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(), 15_300) is GOOD
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(), 14_700) is GOOD
    assert verify_parts(HUBSPOT, "another", send_hubspot(), 15_000) is WRONG
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(method="PUT"), 15_000) is WRONG
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(url="https://www.example.com/other"), 15_000) is WRONG
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(body=b"{}"), 15_000) is WRONG
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot("15000001"), 15_000) is WRONG


@pytest.mark.parametrize("stamp", ["15000000.0", "-1", "", "soon", "\uff11\uff15", "1" * 16, "15000000, 15000000"])
def test_what_is_no_time_is_not_good(stamp: str) -> None:
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(stamp), 15_000) in {STALE, MISSING}


def test_what_is_old_or_of_tomorrow_is_stale() -> None:
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(), 15_301) is STALE
    assert verify_parts(HUBSPOT, HUBSPOT_SECRET, send_hubspot(), 14_699) is STALE
    seconds = msgspec.structs.replace(HUBSPOT, time_unit=TimeUnit.SECONDS)
    assert verify_parts(seconds, HUBSPOT_SECRET, send_hubspot(), 15_000) is STALE


def test_a_prefix_and_hexadecimals_are_as_told() -> None:

    told = Signature(scheme=SignatureScheme.HMAC, header="X-Sign", prefix="v1=", signed=(SignedPart.BODY,))
    digest = hmac.digest(b"s", b"{}", hashlib.sha256).hex()
    for given, verdict in ((f"v1={digest}", GOOD), (digest, WRONG), (f"v1={digest}, v1={digest}", WRONG), ("v1=ä", WRONG)):
        sent = Sent(method="POST", url="https://a.example/", headers={"x-sign": given}, body=b"{}")
        assert verify_parts(told, "s", sent, 0) is verdict
