"""JWTs of our own making: as a credential, a grant (RFC 7523) or an app's name. Used by vault/lease.py and vault/grants."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

EARLIER_SECONDS: Final = 30  # `iat`: a vendor's clock may be behind ours


class JwtRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is said, and how it is signed.

    Attributes:
        claims: further ones; they may not stand over those that we make.
        lifetime_seconds: from now.
    """

    algorithm: str = "RS256"
    key_id: str = ""
    issuer: str = ""
    subject: str = ""
    audience: str = ""
    lifetime_seconds: int = 300
    claims: Mapping[str, Any] = {}


def read_rule(settings: Mapping[str, str], **more: str) -> JwtRule:
    """Read the rule from a connection's settings (model/authorisation.py). `more`: what is said where they say nothing."""
    return JwtRule(
        algorithm=settings.get("algorithm") or "RS256",
        key_id=settings.get("key_id", ""),
        issuer=settings.get("issuer_of_jwt") or more.get("issuer", ""),
        subject=settings.get("subject") or more.get("subject", ""),
        audience=settings.get("audience_of_jwt") or more.get("audience", ""),
        lifetime_seconds=int(settings.get("lifetime_seconds") or "300"),
        claims=json.loads(settings.get("claims") or "{}"),
    )


def make_jwt(rule: JwtRule, key: str, *, name: str, now_milliseconds: int) -> str:
    """Make one.

    Args:
        key: PEM, or the shared key for HS….
        name: `jti`: another one for each.

    Raises:
        ValueError: the key does not fit the algorithm.
    """
    now = now_milliseconds // 1_000
    said = {"iss": rule.issuer, "sub": rule.subject, "aud": rule.audience}
    claims = {
        **rule.claims,
        **{each: text for each, text in said.items() if text},
        "iat": now - EARLIER_SECONDS,
        "exp": now + rule.lifetime_seconds,
        "jti": name,
    }
    head = {"alg": rule.algorithm, "typ": "JWT"} | ({"kid": rule.key_id} if rule.key_id else {})
    try:
        return jwt.encode(head, claims, _read_key(rule.algorithm, key), algorithms=[rule.algorithm])
    except JoseError as error:
        raise ValueError(f"the key does not fit {rule.algorithm}") from error


def _read_key(algorithm: str, text: str) -> Key:
    kinds: dict[str, type[Key]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey}
    if algorithm.startswith("HS"):
        return OctKey.import_key(text)
    try:
        return kinds[algorithm[:2]].import_key(text)
    except (ValueError, TypeError, KeyError, JoseError):
        raise ValueError(f"the key does not fit {algorithm}") from None
