"""How many runs of ours one after the other have led to a run: told in what flows send, read where webhooks come in.

Made by main/conduit.py; used by engine/walk.py and the webhook door. The header is signed for its tenant: nobody else can
silence a flow by claiming that it is in a loop. Source: docs/decisions/0018-loops.md.
"""

import hashlib
import hmac
from collections import OrderedDict
from typing import Final

from blubees.model.call import Call
from blubees.model.ids import TenantId

DEPTH_MAX: Final = 10  # Jira's own Automation stops there too
DEPTH_HEADER: Final = "BluBees-Depth"
KNOWN_MAX: Final = 4_096


class DepthMarks:
    """Writes and reads the header's value: the depth, a hyphen, and a keyed hash of tenant and depth."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: OrderedDict[tuple[TenantId, int], str] = OrderedDict()

    def write(self, tenant: TenantId, depth: int) -> str:
        """Give the value."""
        known = self._known.get((tenant, depth))
        if known is not None:
            return known
        digest = hmac.new(self._key, f"{tenant}\0{depth}".encode(), hashlib.sha256).hexdigest()[:32]
        self._known[tenant, depth] = value = f"{depth}-{digest}"
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return value

    def read(self, tenant: TenantId, value: str) -> int:
        """Give the depth; 0 for none, and for what we did not write for this tenant."""
        text = value.partition("-")[0]
        if not (text.isascii() and text.isdecimal() and len(text) < 4):  # noqa: PLR2004 - digits
            return 0
        good = hmac.compare_digest(value.encode("utf-8", "replace"), self.write(tenant, int(text)).encode())
        return int(text) if good else 0

    def add(self, call: Call, tenant: TenantId, depth: int) -> tuple[tuple[str, str], ...]:
        """Give the call's headers with ours in the place of any that has its name."""
        name = DEPTH_HEADER.lower()
        own = tuple(pair for pair in call.headers if pair[0].lower() != name)
        return (*own, (DEPTH_HEADER, self.write(tenant, depth)))
