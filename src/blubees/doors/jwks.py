"""The public keys of Forge's invocation tokens, cached so that no flood of forged tokens becomes a flood of fetches.

Used by doors/identity.py. The URL is a setting; nothing in a token ever becomes a URL.
"""

import asyncio
from typing import Final

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from blubees.model.web import WebAnswer, WebRequest
from blubees.ports import Clock, WebClient

FRESH_SECONDS: Final = 3_600.0
KEPT_SECONDS: Final = 86_400.0  # when refetching fails
COOL_DOWN_SECONDS: Final = 30.0  # between fetches, whatever asks for them
FETCH_SECONDS: Final = 4.0  # under Forge's 5 s
ANSWER_MAX_BYTES: Final = 262_144
KEY_MIN_BITS: Final = 2_048
KEYS_MAX: Final = 100


class JwksCache:
    """Gives a key by its id."""

    def __init__(self, web: WebClient, url: str, clock: Clock) -> None:
        self._web, self._url, self._clock = web, url, clock
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def is_usable(self) -> bool:
        """Whether any key is known and not too old."""
        return bool(self._keys) and self._clock.monotonic_seconds() - self._fetched_at < KEPT_SECONDS

    async def find(self, kid: str) -> RSAKey | None:
        """Give the key, fetching when it is unknown or the cache is old, but never more often than the cool-down allows."""
        now = self._clock.monotonic_seconds()
        if kid in self._keys and now - self._fetched_at < FRESH_SECONDS:
            return self._keys[kid]
        if now - self._tried_at >= COOL_DOWN_SECONDS:
            async with self._lock:  # those who waited here find what the first one fetched
                if self._clock.monotonic_seconds() - self._tried_at >= COOL_DOWN_SECONDS:
                    await self._fetch()
        elif self._lock.locked():
            async with self._lock:
                pass
        return self._keys.get(kid) if self.is_usable else None

    async def _fetch(self) -> None:
        request = WebRequest(method="GET", url=self._url, timeout_seconds=FETCH_SECONDS, answer_limit_bytes=ANSWER_MAX_BYTES)
        answer = await self._web.call(request)
        self._tried_at = self._clock.monotonic_seconds()
        if not isinstance(answer, WebAnswer) or answer.status != 200:  # noqa: PLR2004 - not an answer of ours
            return
        keys = _read_keys(answer.body)
        if keys:
            self._keys, self._fetched_at = keys, self._tried_at


def _read_keys(body: bytes) -> dict[str, RSAKey]:
    """Read the RSA keys of a JWKS; what is not one is passed over."""
    try:
        listed = orjson.loads(body)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}
    keys: dict[str, RSAKey] = {}
    for each in listed[:KEYS_MAX] if isinstance(listed, list) else []:
        if not isinstance(each, dict) or each.get("kty") != "RSA" or not isinstance(each.get("kid"), str):
            continue
        try:
            key = RSAKey.import_key({"kty": "RSA", "n": each["n"], "e": each["e"]})
            bits = key.public_key.key_size
        except (JoseError, ValueError, KeyError, TypeError):
            continue
        if bits >= KEY_MIN_BITS:
            keys[each["kid"]] = key
    return keys
