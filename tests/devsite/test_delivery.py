"""Deliveries as Forge makes them: to a real HTTP server that answers as told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from joserfc import jws
from joserfc.jwk import KeySet

from devsite import delivery as delivery_module
from devsite.delivery import Delivery
from devsite.settings import APP_ID, SiteSettings
from devsite.state import Site
from devsite.tokens import TokenMaker

MANIFEST = Path(__file__).resolve().parents[2] / "forge" / "manifest.yml"
EVENT = {"eventType": "avi:jira:created:issue", "issue": {"key": "DEMO-1"}, "atlassianId": "p", "selfGenerated": False}


@dataclass
class App:
    """The app's side: keeps what it gets, and answers what it is told to."""

    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0
    got: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append((request.path, await request.json(), {name.lower(): value for name, value in request.headers.items()}))
        await asyncio.sleep(self.seconds)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 202)


@pytest.fixture
async def app() -> AsyncIterator[tuple[App, SiteSettings]]:
    app = App()
    server = web.Application()
    server.router.add_route("*", "/{path:.*}", app.answer)
    runner = web.AppRunner(server)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    port = runner.addresses[0][1]
    yield app, SiteSettings(app_url=f"http://127.0.0.1:{port}", manifest=MANIFEST, retry_gap_seconds=0.01)
    await runner.cleanup()


async def deliver(
    settings: SiteSettings, event: dict[str, Any], *, licence: str = "active"
) -> tuple[Delivery, TokenMaker, Site]:
    tokens = TokenMaker(settings)
    tokens.licence = licence
    delivery, site = Delivery(settings, tokens, lambda _line: None), Site(0, 8790)
    delivery.start()
    delivery.deliver(site, event["eventType"], event)
    await asyncio.gather(*delivery._tasks)
    await delivery.stop()
    return delivery, tokens, site


async def test_a_delivery_carries_a_signed_token_with_the_claims_that_forge_gives(app: tuple[App, SiteSettings]) -> None:
    _, tokens, site = await deliver(app[1], EVENT)
    path, body, headers = app[0].got[0]
    assert (path, body) == ("/forge/events/jira", EVENT)
    keys = KeySet.import_key_set(tokens.jwks())  # type: ignore[arg-type]
    signed = jws.deserialize_compact(headers["authorization"].removeprefix("Bearer "), keys, ["RS256"])
    claims = check_claims(signed.payload)
    assert claims["app"]["apiBaseUrl"].endswith(site.cloud_id)
    assert claims["app"]["module"] == {"type": "core:endpoint", "key": "jira-events"}
    assert claims["exp"] - claims["iat"] <= 60
    assert "license" not in claims["app"], "a development environment's token has none"
    assert tokens.is_app_token(headers["x-forge-oauth-system"], site.cloud_id)
    assert not tokens.is_app_token(headers["x-forge-oauth-system"], "another")
    assert len(headers["x-b3-traceid"]) == 32


def check_claims(payload: bytes) -> Any:
    claims = json.loads(payload)
    required = ["aud", "iss", "iat", "nbf", "exp", "jti", "app"]
    inner = ["id", "version", "installationId", "apiBaseUrl", "environment", "module", "installation"]
    schema = {
        "required": required,
        "properties": {
            "aud": {"const": APP_ID},
            "iss": {"const": "forge/invocation-token"},
            "app": {"required": inner, "properties": {"environment": {"required": ["type", "id"]}}},
        },
    }
    jsonschema.validate(claims, schema)
    return claims


async def test_a_failed_delivery_is_tried_four_times_more_and_wrapped_then(app: tuple[App, SiteSettings]) -> None:
    app[0].statuses = [500, 302, 429, 404, 503, 200]
    delivery, _, _ = await deliver(app[1], EVENT)
    assert [each["status"] for each in delivery.attempts] == [500, 302, 429, 404, 503]
    bodies = [body for _, body, _ in app[0].got]
    assert bodies[0] == EVENT
    assert [body["payload"]["retryContext"]["retryCount"] for body in bodies[1:]] == [1, 2, 3, 4]
    assert len({headers["authorization"] for _, _, headers in app[0].got}) == 5, "each try has a token of its own"


async def test_an_answer_that_takes_too_long_is_none(app: tuple[App, SiteSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "ANSWER_SECONDS", 0.05)
    app[0].seconds = 0.3
    delivery, _, _ = await deliver(app[1], EVENT)
    assert [each["status"] for each in delivery.attempts] == [0, 0, 0, 0, 0]
    assert app[0].got[1][1]["payload"]["retryContext"]["retryReason"] == "TIMEOUT_ERROR"


@pytest.mark.parametrize(
    ("change", "licence", "count"),
    [({}, "active", 1), ({"selfGenerated": True}, "active", 1), ({}, "trial", 1), ({}, "inactive", 0), ({"eventType": "avi:jira:deleted:issue"}, "active", 0)],
)  # fmt: skip
async def test_only_what_the_trigger_asks_for_is_delivered(
    app: tuple[App, SiteSettings], change: dict[str, Any], licence: str, count: int
) -> None:
    await deliver(app[1], EVENT | change, licence=licence)
    assert len(app[0].got) == count


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_trigger_may_ignore_what_the_app_itself_did(
    app: tuple[App, SiteSettings], tmp_path: Path, *, is_own: bool
) -> None:
    manifest = tmp_path / "manifest.yml"
    manifest.write_text(MANIFEST.read_text().replace("appIsLicensed: true", "appIsLicensed: true\n        ignoreSelf: true"))
    await deliver(replace(app[1], manifest=manifest), EVENT | {"selfGenerated": is_own})
    assert len(app[0].got) == (not is_own)


@pytest.mark.parametrize(("licence", "claim"), [("active", (True, False)), ("trial", (True, True)), ("absent", None)])
async def test_a_production_token_tells_the_licence(app: tuple[App, SiteSettings], licence: str, claim: object) -> None:
    settings = replace(app[1], environment_type="PRODUCTION", licence=licence)
    claims = TokenMaker(settings).claims("c", "jira-events")
    found = claims["app"].get("license")
    assert (found and (found["isActive"], found["isEvaluation"])) == claim


async def test_the_first_body_can_be_wrapped_too(app: tuple[App, SiteSettings]) -> None:
    await deliver(replace(app[1], wrap_first=True), EVENT)
    assert app[0].got[0][1] == {"payload": EVENT}


async def test_scheduled_triggers_and_the_goodbye_are_tried_once(app: tuple[App, SiteSettings]) -> None:
    app[0].statuses = [500, 500]
    delivery, site = Delivery(app[1], TokenMaker(app[1]), lambda _line: None), Site(0, 8790)
    delivery.start()
    delivery.tick(site)
    delivery.uninstall(site)
    await asyncio.gather(*delivery._tasks)
    await delivery.stop()
    assert sorted(path for path, _, _ in app[0].got) == ["/forge/pre-uninstall", "/forge/tick"]


async def test_a_persons_call_names_the_person_in_the_token_and_is_answered_as_it_is(app: tuple[App, SiteSettings]) -> None:
    tokens = TokenMaker(app[1])
    delivery, site = Delivery(app[1], tokens, lambda _line: None), Site(0, 8790)
    delivery.start()
    app[0].statuses = [409]
    assert await delivery.invoke(site, "mia", "POST", "/forge/ui/x/loop%5B0%5D", {"a": 1}) == {"status": 409, "body": None}
    await delivery.stop()
    path, body, headers = app[0].got[0]
    assert (path, body) == ("/forge/ui/x/loop[0]", {"a": 1})
    keys = KeySet.import_key_set(tokens.jwks())  # type: ignore[arg-type]
    claims = check_claims(jws.deserialize_compact(headers["authorization"].removeprefix("Bearer "), keys, ["RS256"]).payload)
    assert (claims["principal"], claims["context"]["accountId"], claims["context"]["cloudId"]) == ("mia", "mia", site.cloud_id)
    assert claims["app"]["module"] == {"type": "jira:globalPage", "key": "global"}
    assert tokens.is_app_token(headers["x-forge-oauth-system"], site.cloud_id)
