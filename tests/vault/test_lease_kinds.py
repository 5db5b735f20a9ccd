"""Every kind of connection puts its credential into a call, for its own hosts only; keys that do not fit are not kept."""

import base64

import pytest

from blubees.model.authorisation import KINDS, list_leased
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.web import ClientCertificate, WebRequest
from blubees.vault.connection_rules import check_connection
from blubees.vault.lease import LeaseProblem, authorise
from fakes.keys import EC_KEY, EC_PEM, RSA_KEY, RSA_PEM, write_certificate, write_key

SECRET = "s3"
NONCE = "0123456789abcdef" * 2
URL = "https://api.example.com/v1?x=1"
RULE = '{"parts": ["method", "nonce"], "headers": {"X-Sig": "{signature}"}}'


def lease(kind: ConnectionKind, secret: str = SECRET, *, user_name: str = "", parameter: str = "", hosts: tuple[str, ...] = ("api.example.com",), others: dict[str, str] | None = None, **settings: str) -> Lease:  # fmt: skip
    return Lease(
        kind=kind,
        hosts=hosts,
        user_name=user_name,
        parameter=parameter,
        secret=secret,
        expires_at_milliseconds=60_000,
        others=others or {},
        settings=settings | ({"parameter": parameter} if parameter else {}),
    )


def put(given: Lease, url: str = URL, headers: tuple[tuple[str, str], ...] = ()) -> WebRequest:
    done = authorise(WebRequest(method="GET", url=url, headers=headers), given, 0, NONCE)
    assert isinstance(done, WebRequest), done
    return done


OAUTH2 = [each for each in ConnectionKind if each.value.startswith("oauth2") or each is ConnectionKind.JWT]


def test_every_outgoing_kind_has_a_way_into_a_call() -> None:
    by_hand = {
        ConnectionKind.API_KEY_HEADER: {"parameter": "X-Key"},
        ConnectionKind.API_KEY_QUERY: {"parameter": "key"},
        ConnectionKind.API_KEY_COOKIE: {"parameter": "sid"},
        ConnectionKind.AWS_SIGV4: {"access_key_id": "AKID", "region": "eu-west-1", "service": "sqs"},
        ConnectionKind.SIGNED_HEADERS: {"rule": RULE},
    }
    plain = WebRequest(method="GET", url=URL)
    for kind, known in KINDS.items():
        done = authorise(plain, lease(kind, **by_hand.get(kind, {})), 0, NONCE)  # type: ignore[arg-type]
        assert (done is LeaseProblem.KIND) == (not known.is_outgoing), kind
        elsewhere = WebRequest(method="GET", url="https://evil.example.com/")
        assert authorise(elsewhere, lease(kind, **by_hand.get(kind, {})), 0, NONCE) is not elsewhere  # type: ignore[arg-type]
        if known.is_outgoing:
            assert authorise(elsewhere, lease(kind, **by_hand.get(kind, {})), 0, NONCE) is LeaseProblem.HOST  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", OAUTH2)
def test_a_granted_token_goes_where_the_vendor_wants_it(kind: ConnectionKind) -> None:
    assert put(lease(kind)).headers == (("Authorization", "Bearer s3"),)
    assert put(lease(kind, prefix="token")).headers == (("Authorization", "token s3"),)
    if kind is not ConnectionKind.JWT:
        assert put(lease(kind, parameter="X-Access")).headers == (("X-Access", "Bearer s3"),)
        assert put(lease(kind, place="query")).url == URL + "&access_token=s3"
        assert put(lease(kind, place="query", parameter="auth")).url == URL + "&auth=s3"
    taken = WebRequest(method="GET", url=URL, headers=(("authorization", "x"),))
    assert authorise(taken, lease(kind), 0) is LeaseProblem.HEADER
    assert set(list_leased(kind)) == {"access_token", "client_certificate", "client_key"}, "no conduit gets what makes tokens"


def test_prefixes_and_halves() -> None:
    assert put(lease(ConnectionKind.BEARER, prefix="Token")).headers == (("Authorization", "Token s3"),)
    joined = lease(ConnectionKind.API_KEY_HEADER, parameter="Authorization", prefix="Token token=")
    assert put(joined).headers == (("Authorization", "Token token=s3"),)
    header = lease(ConnectionKind.API_KEY_HEADER, parameter="Authorization", prefix="GenieKey")
    assert put(header).headers == (("Authorization", "GenieKey s3"),)
    basic = put(lease(ConnectionKind.BASIC, user_name="X", secret_is="user_name")).headers[0][1]
    assert base64.b64decode(basic.removeprefix("Basic ")) == b"s3:X"


def test_a_signature_needs_a_nonce_and_is_another_with_another() -> None:
    for given in (
        lease(ConnectionKind.OAUTH1, consumer_key="c"),
        lease(ConnectionKind.SIGNED_HEADERS, rule=RULE),
    ):
        request = WebRequest(method="GET", url=URL)
        assert authorise(request, given, 0) is LeaseProblem.KIND
        one, other = authorise(request, given, 0, "a"), authorise(request, given, 0, "b")
        assert isinstance(one, WebRequest)
        assert isinstance(other, WebRequest)
        assert one.headers != other.headers


def test_aws_is_signed_for_what_the_host_says() -> None:
    given = lease(ConnectionKind.AWS_SIGV4, access_key_id="AKID", hosts=("sqs.eu-west-1.amazonaws.com", "minio.example.com"))
    signed = put(given, "https://sqs.eu-west-1.amazonaws.com/")
    assert "/eu-west-1/sqs/aws4_request" in dict(signed.headers)["Authorization"]
    unknown = WebRequest(method="GET", url="https://minio.example.com/b")
    assert authorise(unknown, given, 0) is LeaseProblem.REGION


@pytest.mark.parametrize(
    ("bound", "url", "problem"),
    [
        ("https://s3.example/reports/a", "https://reports.s3.example/a", None),
        ("https://s3.example:9000/reports/a", "https://reports.s3.example:9000/a", None),
        ("https://s3.example/reports/a", "https://s3.example/reports/a", None),
        ("https://other.example/reports/a", "https://reports.other.example/a", LeaseProblem.HOST),
        ("https://s3.example/reports/a", "https://evil.example/a", LeaseProblem.URL),
        ("https://s3.example/reports/a", "https://evils3.example/a", LeaseProblem.URL),
        ("https://s3.example/reports/a", "https://s3.example.evil.example/a", LeaseProblem.URL),
    ],
)
def test_a_name_before_the_host_is_still_of_that_host(bound: str, url: str, problem: LeaseProblem | None) -> None:
    given = lease(ConnectionKind.BEARER, hosts=("s3.example", "s3.example:9000"))
    found = authorise(WebRequest(method="GET", url=url), given, 0, bound_url=bound)
    assert found == problem or (problem is None and isinstance(found, WebRequest))


def test_what_comes_in_pieces_is_signed_without_its_body_for_s3_alone() -> None:
    hosts = ("reports.s3.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com")
    given = lease(ConnectionKind.AWS_SIGV4, hosts=hosts, access_key_id="AKIAIOSFODNN7EXAMPLE")
    s3 = authorise(WebRequest(method="PUT", url=f"https://{hosts[0]}/a"), given, 0, is_piped=True)
    assert isinstance(s3, WebRequest)
    assert ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") in s3.headers
    assert authorise(WebRequest(method="PUT", url=f"https://{hosts[1]}/a"), given, 0, is_piped=True) is LeaseProblem.PAYLOAD


def test_any_outgoing_kind_may_show_a_certificate() -> None:
    certificate = {"client_certificate": "CHAIN", "client_key": "KEY"}
    wanted = ClientCertificate(chain="CHAIN", private_key="KEY")
    assert put(lease(ConnectionKind.BEARER, others=certificate)).client_certificate == wanted
    alone = put(lease(ConnectionKind.MUTUAL_TLS, "CHAIN", others={"client_key": "KEY"}))
    assert alone.client_certificate == wanted
    assert alone.headers == ()
    assert put(lease(ConnectionKind.BEARER)).client_certificate is None


def test_a_key_that_is_none_is_told_as_such() -> None:
    request = WebRequest(method="GET", url=URL)
    given = lease(ConnectionKind.OAUTH1, consumer_key="c", signature_method="RSA-SHA1", others={"private_key": "none"})
    assert authorise(request, given, 0, NONCE) is LeaseProblem.KEY


JWT = {"token_url": "https://v.example.com/t", "issuer_of_jwt": "a@b.example.com"}


@pytest.mark.parametrize(
    ("kind", "settings", "secrets", "part"),
    [
        (ConnectionKind.OAUTH2_JWT, JWT, {"private_key": RSA_PEM}, ""),
        (ConnectionKind.OAUTH2_JWT, JWT | {"algorithm": "ES256"}, {"private_key": EC_PEM}, ""),
        (ConnectionKind.OAUTH2_JWT, JWT, {"private_key": EC_PEM}, "private_key: is no key for RS256"),
        (ConnectionKind.OAUTH2_JWT, JWT, {"private_key": write_key(RSA_KEY, b"password")}, "private_key: is no key for RS256"),
        (ConnectionKind.OAUTH2_JWT, JWT, {"private_key": "leak-1"}, "private_key: is no key for RS256"),
        (ConnectionKind.JWT, {"algorithm": "HS256"}, {"shared_key": "k" * 32}, ""),
        (ConnectionKind.OAUTH1, {"consumer_key": "c", "signature_method": "RSA-SHA1"}, {"private_key": RSA_PEM}, ""),
        (ConnectionKind.OAUTH1, {"consumer_key": "c", "signature_method": "RSA-SHA1"}, {"private_key": EC_PEM}, "no RSA key"),
        (ConnectionKind.SIGNED_HEADERS, {"rule": '{"parts": ["leak"]}'}, {"secret": "k"}, "rule: `parts` must be"),
        (ConnectionKind.MUTUAL_TLS, {}, {"client_certificate": write_certificate(EC_KEY), "client_key": EC_PEM}, ""),
        (ConnectionKind.MUTUAL_TLS, {}, {"client_certificate": write_certificate(EC_KEY), "client_key": RSA_PEM}, "does not belong"),
        (ConnectionKind.MUTUAL_TLS, {}, {"client_certificate": "leak-1", "client_key": RSA_PEM}, "no certificate in PEM"),
        (ConnectionKind.BEARER, {}, {"token": "t", "client_certificate": write_certificate(EC_KEY), "client_key": "leak-1"}, "client_key: is no private key"),
    ],
)  # fmt: skip
def test_keys_are_tried_before_they_are_kept(
    kind: ConnectionKind, settings: dict[str, str], secrets: dict[str, str], part: str
) -> None:
    problems = check_connection(name="a", kind=kind, hosts=("api.example.com",), secrets=secrets, settings=settings)
    assert problems == [] if not part else any(part in each for each in problems), problems
    assert not any("leak-1" in each or "BEGIN" in each for each in problems)


def test_atlassian_is_reached_by_a_persons_consent_alone() -> None:
    settings = {"client_id": "a", "authorize_url": "https://auth.atlassian.com/authorize", "token_url": "https://auth.atlassian.com/oauth/token"}  # fmt: skip
    given = {"name": "a", "hosts": ("api.atlassian.com",), "secrets": {"client_secret": "s"}, "settings": settings}
    assert check_connection(kind=ConnectionKind.OAUTH2_CODE, **given) == []  # type: ignore[arg-type]
    assert any("Atlassian's" in each for each in check_connection(kind=ConnectionKind.OAUTH2_CLIENT, **given))  # type: ignore[arg-type]
