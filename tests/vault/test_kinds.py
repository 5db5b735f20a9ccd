"""The table of kinds: every kind is there, its problems are told, and no message repeats what was given."""

import re
from pathlib import Path

import pytest
import yaml

from blubees.model.authorisation import CERTIFICATE, KINDS, check_fields, write_settings
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.web import ClientCertificate, WebRequest
from blubees.vault.lease import LeaseProblem, authorise
from blubees.vault.signing.headers import read_signing_rule

CODE = {"client_id": "a", "authorize_url": "https://v.example.com/a", "token_url": "https://v.example.com/t"}
GOOD: list[tuple[ConnectionKind, dict[str, str], set[str]]] = [
    (ConnectionKind.BEARER, {}, {"token"}),
    (ConnectionKind.BEARER, {"prefix": "Token"}, {"token", "client_certificate", "client_key"}),
    (ConnectionKind.BASIC, {"user_name": "me"}, {"password"}),
    (ConnectionKind.BASIC, {"secret_is": "user_name"}, {"password"}),
    (ConnectionKind.API_KEY_HEADER, {"parameter": "X-Key", "prefix": "GenieKey"}, {"key"}),
    (ConnectionKind.API_KEY_QUERY, {"parameter": "key"}, {"key"}),
    (ConnectionKind.API_KEY_COOKIE, {"parameter": "sid"}, {"key"}),
    (ConnectionKind.OAUTH1, {"consumer_key": "k", "token": "t"}, {"consumer_secret", "token_secret"}),
    (ConnectionKind.OAUTH1, {"consumer_key": "k", "signature_method": "RSA-SHA256"}, {"private_key"}),
    (ConnectionKind.OAUTH2_CODE, CODE, {"client_secret"}),
    (ConnectionKind.OAUTH2_CODE, CODE | {"client_auth": "none", "scopes": "a b:c"}, set()),
    (ConnectionKind.OAUTH2_CODE, CODE | {"client_auth": "private_key_jwt"}, {"private_key"}),
    (ConnectionKind.OAUTH2_CLIENT, {"client_id": "a", "token_url": "https://v.example.com/t"}, {"client_secret"}),
    (ConnectionKind.OAUTH2_JWT, {"issuer_of_jwt": "a@b.example.com", "token_url": "https://v.example.com/t"}, {"private_key"}),
    (ConnectionKind.OAUTH2_DEVICE, {"client_id": "a", "client_auth": "none", "device_url": CODE["token_url"], "token_url": CODE["token_url"]}, set()),
    (ConnectionKind.OAUTH2_APP, {"client_id": "7", "token_url": "https://v.example.com/t"}, {"private_key"}),
    (ConnectionKind.JWT, {"issuer_of_jwt": "me"}, {"private_key"}),
    (ConnectionKind.JWT, {"algorithm": "HS256"}, {"shared_key"}),
    (ConnectionKind.AWS_SIGV4, {"access_key_id": "AKIDEXAMPLE1234567"}, {"secret_access_key"}),
    (ConnectionKind.SIGNED_HEADERS, {"rule": '{"parts": ["body"]}'}, {"secret"}),
    (ConnectionKind.MUTUAL_TLS, {}, {"client_certificate", "client_key"}),
    (ConnectionKind.SIGNING_SECRET, {}, {"secret"}),
]  # fmt: skip
BAD: list[tuple[ConnectionKind, dict[str, str], set[str], str]] = [
    (ConnectionKind.BEARER, {"region": "leak-1"}, {"token"}, "region: bearer has no such setting; known are prefix."),
    (ConnectionKind.BEARER, {}, set(), "token: bearer needs this secret: the token."),
    (ConnectionKind.BEARER, {}, {"token", "key"}, "key: bearer has no such secret; known are token, client_certificate, client_key."),
    (ConnectionKind.BEARER, {}, {"token", "client_key"}, "client_certificate: a certificate and its client_key go together"),
    (ConnectionKind.BEARER, {"prefix": "a\r\nleak-1: b"}, {"token"}, "prefix: has characters that it may not have."),
    (ConnectionKind.SIGNING_SECRET, {}, {"secret", "client_key", "client_certificate"}, "has no such secret; known are secret."),
    (ConnectionKind.BASIC, {}, {"password"}, "user_name: basic needs one"),
    (ConnectionKind.BASIC, {"user_name": "leak-1:b"}, {"password"}, "user_name: has characters"),
    (ConnectionKind.API_KEY_HEADER, {}, {"key"}, "parameter: api_key_header needs it: the header's name."),
    (ConnectionKind.API_KEY_COOKIE, {"parameter": "leak-1;"}, {"key"}, "parameter: has characters"),
    (ConnectionKind.OAUTH1, {"consumer_key": "k", "signature_method": "RSA-SHA1"}, {"consumer_secret"}, "private_key: this signature_method"),
    (ConnectionKind.OAUTH1, {"consumer_key": "k", "signature_method": "MD5"}, {"consumer_secret"}, "signature_method: must be one of HMAC-SHA1,"),
    (ConnectionKind.OAUTH2_CODE, {}, set(), "token_url: oauth2_code needs it: where tokens are given."),
    (ConnectionKind.OAUTH2_CODE, CODE, set(), "client_secret: client_auth basic needs this secret; an app without one has `none`."),
    (ConnectionKind.OAUTH2_CODE, CODE, {"client_secret", "refresh_token"}, "refresh_token: nobody types this one"),
    (ConnectionKind.OAUTH2_CODE, CODE | {"token_url": "https://u:leak-1@v.example.com/"}, {"client_secret"}, "token_url: must be an absolute https address"),
    (ConnectionKind.OAUTH2_CODE, CODE | {"token_url": "javascript:leak-1"}, {"client_secret"}, "token_url: must be"),
    (ConnectionKind.OAUTH2_CODE, CODE | {"authorize_params": "[1]"}, {"client_secret"}, "authorize_params: must be a JSON object."),
    (ConnectionKind.OAUTH2_CODE, CODE | {"lives_seconds": "-1"}, {"client_secret"}, "lives_seconds: must be a whole number from 0 to 31536000."),
    (ConnectionKind.OAUTH2_DEVICE, {"client_id": "a", "token_url": CODE["token_url"]}, {"client_secret"}, "device_url: oauth2_device needs it"),
    (ConnectionKind.OAUTH2_JWT, {"token_url": CODE["token_url"]}, set(), "private_key: oauth2_jwt needs this secret: private key, PEM."),
    (ConnectionKind.OAUTH2_JWT, {"token_url": CODE["token_url"]}, {"private_key"}, "issuer_of_jwt: oauth2_jwt needs it"),
    (ConnectionKind.JWT, {}, {"shared_key"}, "private_key: this algorithm needs this secret."),
    (ConnectionKind.AWS_SIGV4, {"access_key_id": "AKIDEXAMPLE1234567", "payload": "unsigned", "service": "sqs"}, {"secret_access_key"}, "payload: only the service s3"),
    (ConnectionKind.SIGNED_HEADERS, {"rule": "leak-1"}, {"secret"}, "rule: must be a JSON object."),
    (ConnectionKind.MUTUAL_TLS, {}, {"client_key"}, "client_certificate: mutual_tls needs this secret: our certificate, PEM."),
]  # fmt: skip


def test_every_kind_is_in_the_table_with_fields_that_are_told_apart() -> None:
    assert set(KINDS) == set(ConnectionKind)
    for kind, known in KINDS.items():
        names = [each.name for each in known.secrets] + [each.name for each in known.settings]
        assert len(names) == len(set(names)), kind
        assert known.secrets
        assert known.summary
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
        for each in known.settings:
            assert not (each.is_required and each.default)
            assert not each.choices or not each.default or each.default in each.choices
            re.compile(each.pattern)
    assert {kind for kind, _, _ in GOOD} == set(ConnectionKind)


@pytest.mark.parametrize(("kind", "settings", "secrets"), GOOD)
def test_good_ones_are_taken(kind: ConnectionKind, settings: dict[str, str], secrets: set[str]) -> None:
    assert check_fields(kind, settings, secrets) == []


@pytest.mark.parametrize(("kind", "settings", "secrets", "part"), BAD)
def test_what_is_wrong_is_told_without_repeating_it(
    kind: ConnectionKind, settings: dict[str, str], secrets: set[str], part: str
) -> None:
    problems = check_fields(kind, settings, secrets)
    assert any(part in problem for problem in problems), problems
    assert not any("leak-1" in problem for problem in problems)


def test_settings_of_a_connector_file_are_written_as_text() -> None:
    given = {"scopes": ["chat:write", "users:read"], "authorize_params": {"prompt": "consent"}, "lives_seconds": 60, "a": "b"}
    assert write_settings(given) == {
        "scopes": "chat:write users:read",
        "authorize_params": '{"prompt":"consent"}',
        "lives_seconds": "60",
        "a": "b",
    }
    assert KINDS[ConnectionKind.OAUTH2_CODE].read({}, "prefix") == "Bearer"
    assert [each.name for each in CERTIFICATE] == ["client_certificate", "client_key"]


def test_a_certificate_of_ours_is_not_printed_and_is_told_from_another() -> None:
    one = ClientCertificate(chain="PEM-A", private_key="PEM-KEY")
    request = WebRequest(method="GET", url="https://a.example.com/", client_certificate=one)
    assert "PEM" not in repr(request)
    others = [ClientCertificate(chain="PEM-B", private_key="PEM-KEY"), ClientCertificate(chain="PEM-A", private_key="K")]
    assert len({one.fingerprint, *(each.fingerprint for each in others)}) == 3


def test_a_key_goes_beside_the_cookies_of_the_call() -> None:
    lease = Lease(
        kind=ConnectionKind.API_KEY_COOKIE,
        hosts=("a.example.com",),
        user_name="",
        parameter="sid",
        secret="s3",
        expires_at_milliseconds=60_000,
    )
    plain = WebRequest(method="GET", url="https://a.example.com/")
    alone = authorise(plain, lease, 0)
    beside = authorise(WebRequest(method="GET", url=plain.url, headers=(("cookie", "a=1"), ("X-A", "b"))), lease, 0)
    assert isinstance(alone, WebRequest)
    assert isinstance(beside, WebRequest)
    assert alone.headers == (("Cookie", "sid=s3"),)
    assert beside.headers == (("X-A", "b"), ("Cookie", "a=1; sid=s3"))
    twice = WebRequest(method="GET", url=plain.url, headers=(("Cookie", "a=1; sid=other"),))
    assert authorise(twice, lease, 0) is LeaseProblem.HEADER


def test_each_kind_has_an_example_in_the_manual_and_it_is_good() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "connections.md").read_text()
    seen = set()
    for part in page.split("```yaml\n")[1:]:
        example = yaml.safe_load(part.split("```")[0])
        kind = ConnectionKind(example["kind"])
        seen.add(kind)
        settings = write_settings(example.get("settings", {}))
        assert check_fields(kind, settings, example.get("secrets", {})) == [], kind
        assert bool(example.get("hosts")) == KINDS[kind].is_outgoing
        if kind is ConnectionKind.SIGNED_HEADERS:
            read_signing_rule(settings["rule"])
    assert seen == set(ConnectionKind)
    for each in KINDS[ConnectionKind.OAUTH2_CODE].settings:
        assert f"{each.name}`" in page or f"`{each.name}" in page or f"{each.name}:" in page, each.name
