"""Who calls? Verifies Forge's invocation tokens (FIT). Called by doors/forge_events.py for every request from Forge.

Source: developer.atlassian.com, Forge Remote essentials; docs/decisions/0005-tenant-isolation.md.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from blubees.doors.jwks import JwksCache
from blubees.model.ids import TenantId, name_tenant
from blubees.model.receipt import LicenceState
from blubees.ports import Clock

TOKEN_MAX_CHARACTERS: Final = 16_384
LEEWAY_SECONDS: Final = 5
LIFETIME_MAX_SECONDS: Final = 60  # Forge's own live 25 s
ISSUER: Final = "forge/invocation-token"
_API_BASE_URL: Final = re.compile(r"https://api\.atlassian\.com/ex/jira/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_WORD: Final = re.compile(r"[A-Za-z0-9:/_.-]{1,200}")
_REGISTRY: Final = jws.JWSRegistry(algorithms=["RS256"])


class FitRefusal(StrEnum):
    """Why a token was not accepted: a class, never a detail."""

    MISSING = "missing"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    KEY_UNKNOWN = "key_unknown"
    KEYS_UNAVAILABLE = "keys_unavailable"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIFETIME = "lifetime"
    CLAIMS = "claims"
    ENVIRONMENT = "environment"
    MODULE = "module"
    SITE = "site"
    IC_LABEL = "ic_label"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a verified token speaks for. `principal` is the user's account id, for calls from the front end only."""

    tenant: TenantId
    cloud_id: str
    environment_id: str
    environment_type: str
    installation_id: str
    licence: LicenceState
    principal: str | None


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Which app and environment this deployment serves; environment "any" is for development."""

    app_id: str
    environment_id: str = "any"


class _RefusedError(Exception):
    def __init__(self, refusal: FitRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class FitVerifier:
    """Verifies invocation tokens."""

    def __init__(self, keys: JwksCache, settings: FitSettings, clock: Clock) -> None:
        self._keys, self._settings, self._clock = keys, settings, clock

    async def verify(self, authorization: str, *, module_key: str | None) -> Caller | FitRefusal:
        """Verify the value of an Authorization header.

        Args:
            module_key: the manifest's key of the endpoint this route belongs to; None for routes that several modules call.
        """
        scheme, _, token = authorization.partition(" ")
        if not authorization:
            return FitRefusal.MISSING
        if scheme.lower() != "bearer" or len(token) > TOKEN_MAX_CHARACTERS or token.count(".") != 2:  # noqa: PLR2004 - JWS
            return FitRefusal.MALFORMED
        try:
            claims = await self._check_signature(token)
            self._check_registered(claims)
            return self._read_caller(claims, module_key)
        except _RefusedError as refused:
            return refused.refusal

    async def _check_signature(self, token: str) -> dict[str, Any]:
        header = _read_part(token.partition(".")[0])
        if header.get("alg") != "RS256" or "crit" in header:
            raise _RefusedError(FitRefusal.ALGORITHM)
        kid = header.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= 200:  # noqa: PLR2004 - theirs have 60
            raise _RefusedError(FitRefusal.MALFORMED)
        key = await self._keys.find(kid)
        if key is None:
            raise _RefusedError(FitRefusal.KEY_UNKNOWN if self._keys.is_usable else FitRefusal.KEYS_UNAVAILABLE)
        try:
            verified = jws.deserialize_compact(token, key, registry=_REGISTRY)
            claims = orjson.loads(verified.payload)
        except (JoseError, ValueError):
            raise _RefusedError(FitRefusal.SIGNATURE) from None
        return _expect_dict(claims)

    def _check_registered(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != ISSUER:
            raise _RefusedError(FitRefusal.ISSUER)
        if claims.get("aud") not in (self._settings.app_id, [self._settings.app_id]):
            raise _RefusedError(FitRefusal.AUDIENCE)
        times = [claims.get(name) for name in ("iat", "nbf", "exp")]
        if not all(type(each) is int for each in times):
            raise _RefusedError(FitRefusal.CLAIMS)
        issued, not_before, expires = (int(each) for each in times if each is not None)
        now = self._clock.now_milliseconds() // 1000
        if not 0 < expires - issued <= LIFETIME_MAX_SECONDS:
            raise _RefusedError(FitRefusal.LIFETIME)
        if now > expires + LEEWAY_SECONDS:
            raise _RefusedError(FitRefusal.EXPIRED)
        if now < max(issued, not_before) - LEEWAY_SECONDS:
            raise _RefusedError(FitRefusal.NOT_YET)
        if "icLabel" in claims or "icLabel" in _expect_dict(claims.get("app")):
            raise _RefusedError(FitRefusal.IC_LABEL)

    def _read_caller(self, claims: dict[str, Any], module_key: str | None) -> Caller:
        app = _expect_dict(claims.get("app"))
        if app.get("id") != self._settings.app_id:
            raise _RefusedError(FitRefusal.AUDIENCE)
        environment = _expect_dict(app.get("environment"))
        environment_id, environment_type = environment.get("id"), environment.get("type")
        if not _is_word(environment_id) or not _is_word(environment_type):
            raise _RefusedError(FitRefusal.CLAIMS)
        if self._settings.environment_id not in ("any", environment_id):
            raise _RefusedError(FitRefusal.ENVIRONMENT)
        if module_key is not None and _expect_dict(app.get("module")).get("key") != module_key:
            raise _RefusedError(FitRefusal.MODULE)
        installation, principal = app.get("installationId"), claims.get("principal")
        if not _is_word(installation) or not (principal is None or _is_word(principal)):
            raise _RefusedError(FitRefusal.CLAIMS)
        cloud_id = _read_cloud_id(app, claims)
        return Caller(
            tenant=name_tenant(environment_id, cloud_id),
            cloud_id=cloud_id,
            environment_id=environment_id,
            environment_type=environment_type,
            installation_id=installation,
            licence=_read_licence(app.get("license")),
            principal=principal,
        )


def _read_part(part: str) -> dict[str, Any]:
    try:
        return _expect_dict(orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
    except (binascii.Error, ValueError):
        raise _RefusedError(FitRefusal.MALFORMED) from None


def _expect_dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _RefusedError(FitRefusal.CLAIMS)
    return value


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _read_cloud_id(app: dict[str, Any], claims: dict[str, Any]) -> str:
    """The cloudId stands in apiBaseUrl; wherever else it stands, it must be the same."""
    found = _API_BASE_URL.fullmatch(app["apiBaseUrl"]) if isinstance(app.get("apiBaseUrl"), str) else None
    if found is None:
        raise _RefusedError(FitRefusal.SITE)
    cloud_id = found[1]
    installation = app.get("installation")
    contexts = installation.get("contexts", []) if isinstance(installation, dict) else []
    for each in contexts if isinstance(contexts, list) else []:
        if isinstance(each, dict) and each.get("name") == "jira" and each.get("apiBaseUrl") != app["apiBaseUrl"]:
            raise _RefusedError(FitRefusal.SITE)
    context = claims.get("context")
    if isinstance(context, dict) and context.get("cloudId", cloud_id) != cloud_id:
        raise _RefusedError(FitRefusal.SITE)
    return cloud_id


def _read_licence(licence: object) -> LicenceState:
    if not isinstance(licence, dict):
        return LicenceState.ABSENT
    if licence.get("isActive") is not True:
        return LicenceState.INACTIVE
    return LicenceState.TRIAL if licence.get("isEvaluation") is True else LicenceState.ACTIVE
