"""Signed headers by a vendor's rule, and JWTs of our own making."""

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from blubees.model.web import WebRequest
from blubees.vault.signing.headers import read_signing_rule, sign_headers
from blubees.vault.signing.jwt import JwtRule, make_jwt, read_rule
from fakes.keys import EC_PEM, RSA_PEM

NOW = 1_795_000_000_500
REQUEST = WebRequest(
    method="POST", url="https://api.example.com/v1/a b?x=1", headers=(("Content-Type", "text/plain"), ("X-Sig", "old")), body=b"hello"
)  # fmt: skip


def test_parts_are_put_together_in_order_and_signed() -> None:
    rule = read_signing_rule(
        json.dumps(
            {
                "parts": ["timestamp", "nonce", "method", "path_query", "header:content-type", "body_sha256", "text:v1"],
                "separator": "\n",
                "headers": {"X-Sig": "v1={signature}", "X-Time": "{timestamp}", "Authorization": "HMAC {key_id}:{nonce}"},
            }
        )
    )
    signed = sign_headers(REQUEST, rule, "key", key_id="id-7", nonce="n0", now_milliseconds=NOW)
    text = "\n".join(["1795000000", "n0", "POST", "/v1/a%20b?x=1", "text/plain", hashlib.sha256(b"hello").hexdigest(), "v1"])
    wanted = hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()
    assert signed.headers == (
        ("Content-Type", "text/plain"),
        ("X-Sig", f"v1={wanted}"),
        ("X-Time", "1795000000"),
        ("Authorization", "HMAC id-7:n0"),
    )
    assert signed.url == "https://api.example.com/v1/a%20b?x=1"


def test_the_rule_of_duo_is_data() -> None:
    """duo.com/docs/authapi: "Authentication": lines of date, method, host, path and parameters, HMAC-SHA512 in hex."""
    rule = read_signing_rule(
        '{"parts": ["timestamp", "method", "host", "path", "query"], "separator": "\\n", "algorithm": "sha512",'
        ' "timestamp": "http_date", "headers": {"Date": "{timestamp}", "X-Duo": "{key_id}:{signature}"}}'
    )
    signed = dict(sign_headers(REQUEST, rule, "key", key_id="DI", nonce="", now_milliseconds=NOW).headers)
    text = f"{signed['Date']}\nPOST\napi.example.com\n/v1/a%20b\nx=1"
    assert signed["Date"] == "Wed, 18 Nov 2026 11:06:40 GMT"
    assert signed["X-Duo"] == "DI:" + hmac.new(b"key", text.encode(), hashlib.sha512).hexdigest()


def test_keys_and_signatures_are_encoded_as_the_rule_says_and_may_go_into_the_query() -> None:
    rule = read_signing_rule(
        '{"parts": ["body"], "algorithm": "sha1", "encoding": "base64", "key_encoding": "base64",'
        ' "query": {"sig": "{signature}", "ts": "{timestamp}"}, "timestamp": "milliseconds"}'
    )
    signed = sign_headers(REQUEST, rule, base64.b64encode(b"\x00\xff").decode(), key_id="", nonce="", now_milliseconds=NOW)
    wanted = base64.b64encode(hmac.new(b"\x00\xff", b"hello", hashlib.sha1).digest()).decode()
    assert (
        signed.url
        == f"https://api.example.com/v1/a%20b?x=1&sig={wanted.replace('+', '%2B').replace('=', '%3D')}&ts=1795000000500"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"parts": ["boddy"], "headers": {"A": "{signature}"}}', "must be some of body,"),
        ('{"parts": [], "headers": {"A": "{signature}"}}', "must be some of"),
        ('{"parts": ["header:a b"], "headers": {"A": "{signature}"}}', "header:NAME"),
        ('{"parts": ["body"], "headers": {"A": "{timestamp}"}}', "has the {signature}"),
        ('{"parts": ["body"], "headers": {"A": "{signature}{secret}"}}', "in braces must be one of"),
        ('{"parts": ["body"], "headers": {"A b": "{signature}"}}', "rule: "),
        ('{"parts": ["body"], "headers": {"A": "{signature}\\r\\nX: y"}}', "rule: "),
        ('{"parts": ["body"], "algorithm": "md4", "headers": {"A": "{signature}"}}', "rule: "),
        ('{"parts": ["body"], "hook": "os.system"}', "rule: "),
    ],
)
def test_a_rule_that_is_none_is_refused(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="rule") as told:
        read_signing_rule(text)
    assert part in str(told.value)


def test_a_signed_header_must_be_there_and_a_secret_be_encoded_as_said() -> None:
    rule = read_signing_rule('{"parts": ["header:x-missing"], "headers": {"A": "{signature}"}}')
    with pytest.raises(ValueError, match="header is missing"):
        sign_headers(REQUEST, rule, "key", key_id="", nonce="", now_milliseconds=0)
    rule = read_signing_rule('{"parts": ["body"], "key_encoding": "hex", "headers": {"A": "{signature}"}}')
    with pytest.raises(ValueError, match="not hex"):
        sign_headers(REQUEST, rule, "no-hex", key_id="", nonce="", now_milliseconds=0)


KEYS: dict[str, tuple[str, type[Key]]] = {
    "RS256": (RSA_PEM, RSAKey),
    "ES256": (EC_PEM, ECKey),
    "HS256": ("k" * 32, OctKey),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_jwt_says_who_we_are_and_for_how_long(algorithm: str) -> None:
    text, kind = KEYS[algorithm]
    rule = read_rule(
        {
            "algorithm": algorithm,
            "key_id": "k1",
            "subject": "me@example.com",
            "lifetime_seconds": "60",
            "claims": '{"a": 1, "exp": 9}',
        },
        issuer="client-7",
        audience="https://v.example.com/token",
    )
    token = jwt.decode(make_jwt(rule, text, name="j1", now_milliseconds=NOW), kind.import_key(text), algorithms=[algorithm])
    assert token.header == {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    assert token.claims == {
        "a": 1,
        "iss": "client-7",
        "sub": "me@example.com",
        "aud": "https://v.example.com/token",
        "iat": 1_795_000_000 - 30,
        "exp": 1_795_000_060,
        "jti": "j1",
    }


def test_a_key_that_does_not_fit_is_told_without_it() -> None:
    for algorithm, text in (("RS256", "not-a-key-4711"), ("RS256", KEYS["ES256"][0]), ("ES256", KEYS["RS256"][0])):
        with pytest.raises(ValueError, match=f"does not fit {algorithm}") as told:
            make_jwt(JwtRule(algorithm=algorithm), text, name="j", now_milliseconds=0)
        assert "4711" not in str(told.value)
