"""Zendesk's hooks: how its webhooks are signed. Called by flows/vendor_triggers.py."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

REPLAY_SECONDS: Final = 300


def verify_event(secret: str, headers: Mapping[str, str], body: bytes, now_seconds: int) -> bool:
    """Whether Zendesk sent it: Base64 of HMAC-SHA256 over the time as it is written and the body, not five minutes off.

    Source: https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    signature = headers.get("x-zendesk-webhook-signature", "")
    written = headers.get("x-zendesk-webhook-signature-timestamp", "")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return False
    if moment.tzinfo is None or abs(moment.timestamp() - now_seconds) > REPLAY_SECONDS:
        return False
    wanted = base64.b64encode(hmac.digest(secret.encode(), written.encode() + body, hashlib.sha256)).decode()
    return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))
