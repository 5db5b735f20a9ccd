"""What is asked of an authorization server, and how its answers are read: beside Authlib's server, and vendors' odd answers."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from blubees.adapters.web_client import GuardedWebClient
from blubees.model.connection import ConnectionKind
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.vault.oauth.asking import Asker
from blubees.vault.oauth.tokens import Refused, TokenProblem, Tokens, read_tokens
from fakes.keys import EC_KEY, EC_PEM, RSA_KEY, RSA_PEM, write_certificate, write_public
from fakes.oauth_server import Client, OAuthServer, run_oauth_server

NOW = 1_795_000_000_000
BACK = "https://bees.example.com/oauth/callback"
VERIFIER = "v" * 43
PUBLIC = write_public(RSA_KEY)
SECRET = "s3cr3t+/= ü-with-32-characters-or-more"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OAuthServer]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    world = OAuthServer()
    for method in ("client_secret_basic", "client_secret_post", "none", "client_secret_jwt", "private_key_jwt"):
        world.clients[method] = Client(method, SECRET, method, (BACK,), PUBLIC)
    async with run_oauth_server(world) as running:
        yield running


async def ask(server: OAuthServer, request: WebRequest, kind: ConnectionKind = ConnectionKind.OAUTH2_CODE) -> Tokens | Refused:
    client = GuardedWebClient(frozenset({urlsplit(server.url).port or 0}))
    try:
        return read_tokens(await client.call(request), kind, {}, NOW)
    finally:
        await client.close()


def make_asker(
    server: OAuthServer, kind: ConnectionKind = ConnectionKind.OAUTH2_CODE, name: str = "j1", **settings: str
) -> Asker:
    how = settings.get("client_auth", "basic")
    known = {"basic": "client_secret_basic", "body": "client_secret_post"}
    facts = {
        "client_id": known.get(how, how),
        "token_url": server.url + "/token",
        "device_url": server.url + "/device",
        "authorize_url": server.url + "/authorize?audience=api.example.com",
        "authorize_params": '{"prompt": "consent", "state": "forged", "redirect_uri": "https://evil.example.com/"}',
        **settings,
    }
    secrets = {"private_key": RSA_PEM} | ({"client_secret": SECRET} if how in {"basic", "body", "client_secret_jwt"} else {})
    import time  # noqa: PLC0415 - the server's clock is the machine's

    return Asker(kind, facts, secrets, name=name, now_milliseconds=int(time.time() * 1_000))


@pytest.mark.parametrize("how", ["basic", "body", "none", "client_secret_jwt", "private_key_jwt"])
async def test_a_code_is_redeemed_and_refreshed_however_the_client_says_who_it_is(server: OAuthServer, how: str) -> None:
    asker = make_asker(server, client_auth=how)
    assert SECRET not in repr(asker)
    url = asker.write_authorize_url(redirect_uri=BACK, state="s1", verifier=VERIFIER, scopes=("read", "offline_access"))
    query = parse_qs(urlsplit(url).query)
    assert query["state"] == ["s1"]
    assert query["redirect_uri"] == [BACK]
    assert query["prompt"] == ["consent"]
    assert query["audience"] == ["api.example.com"]
    assert query["scope"] == ["read offline_access"]
    assert query["code_challenge_method"] == ["S256"]
    back = parse_qs(urlsplit(server.consent(url)).query)
    assert back["state"] == ["s1"]
    asked = make_asker(server, client_auth=how, name="j2").redeem_code(back["code"][0], redirect_uri=BACK, verifier=VERIFIER)
    assert SECRET not in repr(asker)
    tokens = await ask(server, asked)
    assert isinstance(tokens, Tokens)
    assert tokens.scopes == ("offline_access", "read")
    assert tokens.expires_at_milliseconds == NOW + 3_600_000
    again = await ask(server, make_asker(server, client_auth=how, name="j3").refresh(tokens.refresh_token))
    assert isinstance(again, Tokens)
    assert again.refresh_token not in {"", tokens.refresh_token}
    assert tokens.access_token not in repr(tokens)
    used = await ask(server, make_asker(server, client_auth=how, name="j4").refresh(tokens.refresh_token))
    assert isinstance(used, Refused)
    assert used.problem is TokenProblem.DEAD


async def test_a_code_is_worth_nothing_without_its_verifier(server: OAuthServer) -> None:
    asker = make_asker(server)
    url = asker.write_authorize_url(redirect_uri=BACK, state="s1", verifier=VERIFIER, scopes=("read",))
    code = parse_qs(urlsplit(server.consent(url)).query)["code"][0]
    refused = await ask(server, asker.redeem_code(code, redirect_uri=BACK, verifier="w" * 43))
    assert isinstance(refused, Refused)
    assert refused.problem is TokenProblem.DEAD


async def test_a_wrong_secret_is_the_clients_fault_and_not_the_end_of_a_grant(server: OAuthServer) -> None:
    server.clients["client_secret_basic"].secret = "another"
    refused = await ask(server, make_asker(server).refresh("rt"))
    assert isinstance(refused, Refused)
    assert refused.problem is TokenProblem.CLIENT


@pytest.mark.parametrize("how", ["basic", "private_key_jwt"])
async def test_the_app_itself_gets_a_token(server: OAuthServer, how: str) -> None:
    asker = make_asker(server, ConnectionKind.OAUTH2_CLIENT, client_auth=how)
    tokens = await ask(server, asker.fetch(("read",)), ConnectionKind.OAUTH2_CLIENT)
    assert isinstance(tokens, Tokens)
    assert tokens.refresh_token == ""
    assert tokens.scopes == ("read",)


async def test_a_jwt_is_a_grant(server: OAuthServer) -> None:
    asker = make_asker(
        server, ConnectionKind.OAUTH2_JWT, client_id="", issuer_of_jwt="private_key_jwt", subject="bob@example.com"
    )
    tokens = await ask(server, asker.fetch(("read", "write")), ConnectionKind.OAUTH2_JWT)
    assert isinstance(tokens, Tokens)
    assert server.access_tokens[tokens.access_token][0].user == "bob@example.com"
    assert server.asked[-1]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_an_app_asks_for_the_token_of_an_installation_by_a_jwt_of_its_own() -> None:
    settings = {
        "client_id": "Iv1.7",
        "token_url": "https://api.github.com/app/installations/9/access_tokens",
        "token_params": '{"repositories": ["a"]}',
    }
    asker = Asker(ConnectionKind.OAUTH2_APP, settings, {"private_key": RSA_PEM}, name="j", now_milliseconds=NOW)
    request = asker.fetch(())
    headers = dict(request.headers)
    from joserfc import jwt  # noqa: PLC0415 - here only
    from joserfc.jwk import RSAKey  # noqa: PLC0415 - here only

    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), RSAKey.import_key(PUBLIC)).claims
    assert claims == {"iss": "Iv1.7", "iat": NOW // 1_000 - 30, "exp": NOW // 1_000 + 300, "jti": "j"}
    assert json.loads(request.body) == {"repositories": ["a"]}
    body = b'{"token": "ghs_1", "expires_at": "2026-11-19T12:00:00Z", "permissions": {}}'
    tokens = read_tokens(WebAnswer(status=201, headers={}, body=body), ConnectionKind.OAUTH2_APP, settings, NOW)
    assert tokens == Tokens(access_token="ghs_1", expires_at_milliseconds=1_795_089_600_000)


async def test_a_device_code_is_waited_for(server: OAuthServer) -> None:
    asker = make_asker(server, ConnectionKind.OAUTH2_DEVICE)
    client = GuardedWebClient(frozenset({urlsplit(server.url).port or 0}))
    answer = await client.call(asker.begin_device(("read",)))
    await client.close()
    assert isinstance(answer, WebAnswer)
    begun = json.loads(answer.body)
    problems = []
    for _ in range(2):
        found = await ask(server, asker.redeem_device(begun["device_code"]))
        assert isinstance(found, Refused)
        problems.append(found.problem)
    assert problems == [TokenProblem.PENDING, TokenProblem.SLOW_DOWN]
    server.said[begun["user_code"]] = True
    assert isinstance(await ask(server, asker.redeem_device(begun["device_code"])), Tokens)
    server.said[begun["user_code"]] = False
    denied = await ask(server, asker.redeem_device(begun["device_code"]))
    assert isinstance(denied, Refused)
    assert denied.problem is TokenProblem.DENIED


def read(
    body: bytes | dict[str, object], status: int = 200, kind: str = "application/json", **settings: str
) -> Tokens | Refused:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = WebAnswer(status=status, headers={"content-type": kind}, body=content)
    return read_tokens(answer, ConnectionKind.OAUTH2_CODE, settings, NOW)


def test_odd_answers_of_vendors_are_read() -> None:
    github = read(b"access_token=gho_1&scope=repo%2Cgist&token_type=bearer", kind="application/x-www-form-urlencoded")
    assert github == Tokens(access_token="gho_1", scopes=("gist", "repo"))
    slack = read(
        {"ok": True, "access_token": "xoxb-1", "authed_user": {"id": "U1", "scope": "chat:write,users:read", "access_token": "xoxp-2"}},
        grant_at="authed_user",
    )  # fmt: skip
    assert slack == Tokens(access_token="xoxp-2", scopes=("chat:write", "users:read"))
    salesforce = read(
        {"access_token": "00D1", "instance_url": "https://acme.my.salesforce.com", "id": "https://login.salesforce.com/id/1", "scope": "api refresh_token"},
        keep="instance_url,id",
        keep_hosts="*.my.salesforce.com,*.force.com",
        lives_seconds="7200",
    )  # fmt: skip
    assert isinstance(salesforce, Tokens)
    assert salesforce.kept == {"instance_url": "https://acme.my.salesforce.com"}
    assert salesforce.expires_at_milliseconds == NOW + 7_200_000
    text = read({"access_token": "a", "expires_in": "3599", "refresh_token": "r"})
    assert text == Tokens(access_token="a", refresh_token="r", expires_at_milliseconds=NOW + 3_599_000)
    nothing = read({"access_token": "a", "expires_in": None})
    assert nothing == Tokens(access_token="a")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/.my.salesforce.com",
        "https://my.salesforce.com.evil.example.com",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com@evil.example.com",
        "https://evil.example.com\\.my.salesforce.com",
        "https://[::1]/",
    ],
)
def test_an_address_in_an_answer_leads_nowhere_else(url: str) -> None:
    found = read({"access_token": "a", "instance_url": url}, keep="instance_url", keep_hosts="*.my.salesforce.com")
    assert found == Tokens(access_token="a")


@pytest.mark.parametrize(
    ("body", "status", "wanted"),
    [
        ({"error": "invalid_grant", "error_description": "..."}, 400, TokenProblem.DEAD),
        ({"error": "invalid_grant"}, 403, TokenProblem.DEAD),
        ({"error": "bad_refresh_token"}, 200, TokenProblem.DEAD),
        ({"ok": False, "error": "invalid_refresh_token"}, 200, TokenProblem.DEAD),
        ({"error": "invalid_client"}, 401, TokenProblem.CLIENT),
        ({"error": "unauthorized_client"}, 400, TokenProblem.CLIENT),
        ({"message": "no"}, 401, TokenProblem.CLIENT),
        ({"error": "temporarily_unavailable"}, 400, TokenProblem.LATER),
        ({"error": "invalid_grant_of_ours"}, 400, TokenProblem.REFUSED),
        ({"error": {"type": "invalid_grant"}}, 400, TokenProblem.DEAD),
        ({"status": "BAD_REFRESH_TOKEN"}, 400, TokenProblem.REFUSED),
        ({"error": "vendor_word"}, 400, TokenProblem.DEAD),
        ({}, 503, TokenProblem.LATER),
        ({}, 429, TokenProblem.LATER),
        ({"token_type": "bearer"}, 200, TokenProblem.UNREADABLE),
        ({"access_token": "a\r\nX: y"}, 200, TokenProblem.UNREADABLE),
        ({"access_token": ["a"]}, 200, TokenProblem.UNREADABLE),
        (b"<html>access_token=a</html>", 200, TokenProblem.UNREADABLE),
        (b"[" * 100_000, 200, TokenProblem.UNREADABLE),
    ],
)
def test_what_a_vendor_says_no_with_is_told_in_our_words(
    body: bytes | dict[str, object], status: int, wanted: TokenProblem
) -> None:
    found = read(body, status, dead_errors="another,vendor_word")
    assert isinstance(found, Refused)
    assert found.problem is wanted


def test_no_answer_is_no_end_of_a_grant() -> None:
    for problem, wanted in ((WebProblem.TIMEOUT, TokenProblem.LATER), (WebProblem.REFUSED_ADDRESS, TokenProblem.EGRESS)):
        found = read_tokens(WebFailure(problem=problem), ConnectionKind.OAUTH2_CODE, {}, NOW)
        assert found == Refused(problem=wanted)


def test_a_vendor_that_wants_json_gets_json() -> None:
    settings = {
        "client_id": "a",
        "token_url": "https://v.example.com/t",
        "token_body": "json",
        "token_headers": '{"X-Version": "7"}',
    }
    asker = Asker(ConnectionKind.OAUTH2_CODE, settings, {"client_secret": "b"}, name="j", now_milliseconds=NOW)
    request = asker.redeem_code("c", redirect_uri=BACK, verifier=VERIFIER)
    assert ("X-Version", "7") in request.headers
    assert json.loads(request.body) == {
        "grant_type": "authorization_code", "code": "c", "redirect_uri": BACK, "code_verifier": VERIFIER,
    }  # fmt: skip


async def test_tokens_come_over_tls_from_a_server_that_is_trusted_and_from_no_other(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(write_certificate(EC_KEY))
    key.write_text(EC_PEM)
    world = OAuthServer(clients={"client_secret_post": Client("client_secret_post", SECRET, "client_secret_post")})
    async with run_oauth_server(world, certificate=(chain, key)) as running:
        request = make_asker(running, ConnectionKind.OAUTH2_CLIENT, client_auth="body").fetch(("read",))
        for authority, wanted in ((str(chain), Tokens), (None, Refused)):
            client = GuardedWebClient(frozenset({urlsplit(running.url).port or 0}), extra_ca_file=authority)
            found = read_tokens(await client.call(request), ConnectionKind.OAUTH2_CLIENT, {}, NOW)
            await client.close()
            assert isinstance(found, wanted)
    assert len(world.asked) == 1, "the secret went to the trusted one only"
