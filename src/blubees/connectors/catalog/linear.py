"""Linear's hook: how its webhooks are signed, and when they were sent. Called by flows/vendor_triggers.py."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import orjson

REPLAY_SECONDS: Final = 300


def verify_event(secret: str, headers: Mapping[str, str], body: bytes, now_seconds: int) -> bool:
    """Whether Linear sent it: HMAC-SHA256 over the body, in hexadecimal; the body tells when it was sent, in milliseconds.

    The signature is compared first: nothing is read of what a stranger wrote.

    Source: https://linear.app/developers/webhooks
    """
    wanted = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    if not hmac.compare_digest(wanted.encode(), headers.get("linear-signature", "").lower().encode("utf-8", "replace")):
        return False
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    sent = told.get("webhookTimestamp") if isinstance(told, dict) else None
    return type(sent) is int and abs(sent / 1_000 - now_seconds) <= REPLAY_SECONDS
