"""Invocation tokens: the good one passes; every forged, expired, foreign or edited one is refused with its class."""

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from blubees.doors.identity import Caller, FitRefusal, FitSettings, FitVerifier
from blubees.doors.jwks import JwksCache
from blubees.model.ids import name_tenant
from blubees.model.receipt import LicenceState
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.machine import FakeClock, FakeWeb

APP = "ari:cloud:ecosystem::app/5a3b7a52-2d6c-4f0e-9f57-8c1d6b0e4a11"
CLOUD = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
BASE = f"https://api.atlassian.com/ex/jira/{CLOUD}"
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "k1"})
NOW = 1_795_000_000


def claims(**changes: Any) -> dict[str, Any]:
    app = {
        "id": APP,
        "installationId": "ari:cloud:ecosystem::installation/1",
        "apiBaseUrl": BASE,
        "environment": {"type": "PRODUCTION", "id": "env-1"},
        "module": {"type": "core:endpoint", "key": "jira-events"},
        "installation": {"id": "1", "contexts": [{"name": "jira", "apiBaseUrl": BASE}]},
        "license": {"isActive": True, "isEvaluation": False},
    }
    app |= changes.pop("app", {})
    body = {"app": app, "aud": APP, "iss": "forge/invocation-token", "iat": NOW, "nbf": NOW, "exp": NOW + 25, "jti": "j"}
    body |= changes
    return {name: value for name, value in body.items() if value is not ...}


def sign(body: Any, *, key: Any = KEY, alg: str = "RS256", kid: Any = "k1") -> str:
    registry = jws.JWSRegistry(algorithms=[alg])
    token = jws.serialize_compact({"alg": alg, "kid": kid}, orjson.dumps(body), key, registry=registry)
    return f"Bearer {token}"


class World:
    def __init__(self, environment: str = "env-1") -> None:
        self.clock = FakeClock(NOW * 1000)
        self.down = False
        self.web = FakeWeb(self.give_keys)
        self.cache = JwksCache(self.web, "https://keys.example/jwks", self.clock)
        self.verifier = FitVerifier(self.cache, FitSettings(APP, environment), self.clock)

    def give_keys(self, _request: WebRequest) -> WebAnswer | WebFailure:
        if self.down:
            return WebFailure(problem=WebProblem.TIMEOUT)
        weak = {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}
        keys = [{**KEY.as_dict(private=False), "kid": "k1"}, weak, "nonsense", {"kty": "oct", "k": "AAAA", "kid": "o"}]
        return WebAnswer(status=200, headers={}, body=orjson.dumps({"keys": keys}))

    async def verify(self, header: str, module: str | None = "jira-events") -> Caller | FitRefusal:
        return await self.verifier.verify(header, module_key=module)


async def test_a_good_token_names_its_tenant() -> None:
    caller = await World().verify(sign(claims(principal="user:1")))
    assert isinstance(caller, Caller)
    assert caller.tenant == name_tenant("env-1", CLOUD)
    assert (caller.licence, caller.principal, caller.cloud_id) == (LicenceState.ACTIVE, "user:1", CLOUD)


def unsigned(header: dict[str, Any], body: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(orjson.dumps(each)).decode().rstrip("=") for each in (header, body)]
    return f"Bearer {parts[0]}.{parts[1]}."


def sign_with_public_key() -> str:
    """Sign by HMAC with the public key's text as the secret: the old confusion of algorithms."""
    head, body, _ = unsigned({"alg": "HS256", "kid": "k1"}, claims()).removeprefix("Bearer ").split(".")
    mac = hmac.new(KEY.as_pem(private=False), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"Bearer {head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


CASES: dict[str, tuple[str, FitRefusal]] = {
    "none": ("", FitRefusal.MISSING),
    "basic": ("Basic abc", FitRefusal.MALFORMED),
    "no token": ("Bearer a.b", FitRefusal.MALFORMED),
    "huge": ("Bearer " + "a" * 20_000 + ".b.c", FitRefusal.MALFORMED),
    "rubbish": ("Bearer !!.b.c", FitRefusal.MALFORMED),
    "alg none": (unsigned({"alg": "none", "kid": "k1"}, claims()), FitRefusal.ALGORITHM),
    "alg HS256 with the public key": (sign_with_public_key(), FitRefusal.ALGORITHM),
    "alg RS512": (sign(claims(), alg="RS512"), FitRefusal.ALGORITHM),
    "crit": (unsigned({"alg": "RS256", "kid": "k1", "crit": ["x"]}, claims()), FitRefusal.ALGORITHM),
    "kid a number": (unsigned({"alg": "RS256", "kid": 1}, claims()), FitRefusal.MALFORMED),
    "unknown key": (sign(claims(), kid="k2"), FitRefusal.KEY_UNKNOWN),
    "weak key": (sign(claims(), kid="weak"), FitRefusal.KEY_UNKNOWN),
    "foreign key": (sign(claims(), key=FOREIGN), FitRefusal.SIGNATURE),
    "claims a list": (sign([1]), FitRefusal.CLAIMS),
    "issuer": (sign(claims(iss="evil")), FitRefusal.ISSUER),
    "audience": (sign(claims(aud="other")), FitRefusal.AUDIENCE),
    "audience a superset": (sign(claims(aud=[APP, "other"])), FitRefusal.AUDIENCE),
    "audience missing": (sign(claims(aud=...)), FitRefusal.AUDIENCE),
    "other app": (sign(claims(app={"id": "other"})), FitRefusal.AUDIENCE),
    "expired": (sign(claims(iat=NOW - 60, nbf=NOW - 60, exp=NOW - 35)), FitRefusal.EXPIRED),
    "not yet": (sign(claims(nbf=NOW + 20)), FitRefusal.NOT_YET),
    "from the future": (sign(claims(iat=NOW + 20, exp=NOW + 30)), FitRefusal.NOT_YET),
    "ten years": (sign(claims(exp=NOW + 315_360_000)), FitRefusal.LIFETIME),
    "exp a text": (sign(claims(exp=str(NOW + 25))), FitRefusal.CLAIMS),
    "exp true": (sign(claims(exp=True)), FitRefusal.CLAIMS),
    "exp missing": (sign(claims(exp=...)), FitRefusal.CLAIMS),
    "icLabel": (sign(claims(icLabel="x")), FitRefusal.IC_LABEL),
    "icLabel in app": (sign(claims(app={"icLabel": "x"})), FitRefusal.IC_LABEL),
    "environment": (sign(claims(app={"environment": {"type": "PRODUCTION", "id": "env-2"}})), FitRefusal.ENVIRONMENT),
    "module": (sign(claims(app={"module": {"key": "tick"}})), FitRefusal.MODULE),
    "site of another host": (sign(claims(app={"apiBaseUrl": f"https://evil.com/ex/jira/{CLOUD}"})), FitRefusal.SITE),
    "site with a tail": (sign(claims(app={"apiBaseUrl": BASE + "/x"})), FitRefusal.SITE),
    "site a number": (sign(claims(app={"apiBaseUrl": 5})), FitRefusal.SITE),
    "two sites": (
        sign(claims(app={"installation": {"contexts": [{"name": "jira", "apiBaseUrl": BASE.replace(CLOUD, OTHER)}]}})),
        FitRefusal.SITE,
    ),
    "context of another site": (sign(claims(context={"cloudId": OTHER})), FitRefusal.SITE),
    "principal a list": (sign(claims(principal=["a"])), FitRefusal.CLAIMS),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_token_is_refused_with_its_class(name: str) -> None:
    header, refusal = CASES[name]
    assert await World().verify(header) is refusal


async def test_a_changed_byte_is_refused() -> None:
    header = sign(claims())
    middle = header.index(".") + 10
    changed = header[:middle] + ("A" if header[middle] != "A" else "B") + header[middle + 1 :]
    assert await World().verify(changed) is FitRefusal.SIGNATURE


@pytest.mark.parametrize(
    ("licence", "state"),
    [
        ({"isActive": True, "isEvaluation": True}, LicenceState.TRIAL),
        ({"isActive": False}, LicenceState.INACTIVE),
        ({}, LicenceState.INACTIVE),
        (None, LicenceState.ABSENT),
    ],
)
async def test_the_licence_is_read(licence: Any, state: LicenceState) -> None:
    caller = await World().verify(sign(claims(app={"license": licence})))
    assert isinstance(caller, Caller)
    assert caller.licence is state


async def test_a_flood_of_unknown_keys_fetches_once() -> None:
    world = World()
    for number in range(1_000):
        await world.verify(sign(claims(), kid="k1") if number == 0 else unsigned({"alg": "RS256", "kid": f"x{number}"}, {}))
    assert len(world.web.requests) == 1
    world.clock.advance(31)
    await world.verify(unsigned({"alg": "RS256", "kid": "new"}, {}))
    assert len(world.web.requests) == 2


async def test_known_keys_stay_good_for_a_day_when_the_keys_can_not_be_fetched() -> None:
    world = World()
    assert isinstance(await world.verify(sign(claims())), Caller)
    world.down = True
    world.clock.advance(7_200)
    now = NOW + 7_200
    later = sign(claims(iat=now, nbf=now, exp=now + 25))
    assert isinstance(await world.verify(later), Caller)
    world.clock.advance(86_400)
    assert await world.verify(later) is FitRefusal.KEYS_UNAVAILABLE
