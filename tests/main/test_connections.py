"""A connection's day with the real product: a run waits for a person's yes, goes on, and waits again when the grant is dead."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from product import Product, call, run_product, wait_for

from blubees.model.errors import InputError
from fakes.oauth_server import Client, OAuthServer, serve_oauth

pytestmark = pytest.mark.timeout(120)
SECRET = "s3cr3t-client-kfq81hfmQw"
JSON = {"Content-Type": "application/json"}
FLOW = """
id: who
name: Ask who we are
trigger: {on: webhook}
steps:
  - {id: ask, kind: http, with: {method: POST, url: "SERVER/who", connection: vendor}}
  - {id: known, kind: set, with: {values: {user: "{{steps.ask.body.user}}"}}}
"""


class Still(urllib.request.HTTPRedirectHandler):
    """A browser that stays where it is told to go on."""

    def http_error_303(self, _request: Any, answer: Any, *_: Any) -> Any:
        return answer


def command(product: Product, *arguments: str) -> subprocess.Popen[str]:
    starter = [sys.executable, "-c", "from blubees.main.cli import main; main()", *arguments, "--data", str(product.data)]
    return subprocess.Popen(starter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=product.environment)


def say_yes(product: Product, server: OAuthServer) -> str:
    """Run `connection authorize`, open its address as a person, and let the browser go back."""
    running = command(product, "connection", "authorize", "vendor", "--no-browser")
    assert running.stdout is not None
    lines: list[str] = []
    while not lines or "/oauth/start?" not in lines[-1]:
        lines.append(running.stdout.readline())
        assert lines[-1], lines
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), Still())
    with browser.open(lines[-1].strip(), timeout=20) as page:
        nonce = page.read().decode().partition('name="nonce" value="')[2].partition('"')[0]
    with browser.open(lines[-1].strip(), data=f"nonce={nonce}".encode(), timeout=20) as away:
        back = server.consent(away.headers["Location"])
    assert call(back)[0] == 400, "what another browser brings is not taken"
    with browser.open(back, timeout=20) as page:
        text = page.read().decode()
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Connected: vendor" in text
    assert call(back)[0] == 400, "a second time it opens nothing"
    rest, _ = running.communicate(timeout=30)
    assert running.returncode == 0, rest
    assert "vendor: authorised" in rest
    return "".join(lines) + rest


def test_runs_wait_for_a_person_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    client = Client("app", SECRET, "client_secret_post", ("*",))
    with (
        serve_oauth(OAuthServer(clients={"app": client})) as server,
        run_product(tmp_path, more_ports=(urlsplit(server.url).port or 0,)) as product,
    ):
        tenant, operator = product.tenant(), product.operator()
        product.jira("POST", "/issue", {"fields": {"project": {"key": "DEMO"}, "issuetype": {"name": "Bug"}, "summary": "s"}})
        settings = {
            "client_id": "app", "client_auth": "body", "scopes": "read",
            "authorize_url": f"{server.url}/authorize", "token_url": f"{server.url}/token",
        }  # fmt: skip
        body = {
            "kind": "oauth2_code",
            "hosts": [urlsplit(server.url).netloc],
            "secrets": {"client_secret": SECRET},
            "settings": settings,
        }
        operator.put(f"/tenants/{tenant}/connections/vendor", body)
        path = product.publish(FLOW.replace("SERVER", server.url), probe=False)
        wait_for(lambda: call(path, b"{}", JSON)[0] == 202)

        def list_held() -> list[tuple[str, str, str]]:
            return [(each["kind"], each["connection"], each["step"]) for each in operator.get(f"/tenants/{tenant}/waiting")]

        def list_outcomes() -> list[str]:
            return [each["outcome"] for each in operator.get(f"/tenants/{tenant}/runs?flow=who")]

        assert wait_for(list_held) == [("connection", "vendor", "ask")]
        assert SECRET not in say_yes(product, server)
        wait_for(lambda: list_outcomes() == ["finished"])
        view = operator.get(f"/tenants/{tenant}/connections/vendor")
        assert (view["state"], view["scopes"]) == ("live", ["read"])
        operator.post(f"/tenants/{tenant}/connections/vendor/renew")
        assert server.count("refresh_token") == 1

        server.revoke_all()
        with pytest.raises(InputError, match="say yes again"):
            operator.post(f"/tenants/{tenant}/connections/vendor/renew")
        shown = command(product, "connections", "show", "vendor").communicate(timeout=30)[0]
        assert "dead (dead)" in shown
        assert "connection authorize vendor" in shown
        assert call(path, b"{}", JSON)[0] == 202
        assert wait_for(list_held) == [("connection", "vendor", "ask")]
        say_yes(product, server)
        wait_for(lambda: list_outcomes() == ["finished", "finished"])
        log = product.log.read_text()
        assert log.count('"grant_dead"') == 1
        kept = b"".join(file.read_bytes() for file in product.data.rglob("*") if file.is_file()) + log.encode()
        for secret in (SECRET, *server.access_tokens, *server.refresh_tokens):
            assert secret.encode() not in kept
        assert call(f"{_origin(product)}/oauth/callback?state=x&code=%3Cscript%3E")[0] == 400


def _origin(product: Product) -> str:
    return str(json.loads((product.data / "operator.json").read_text())["url"])
