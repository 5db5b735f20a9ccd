"""The question of a `dedupe` step. Made by engine/seen.py; answered by operations/seen.py."""

from typing import Annotated, Final

import msgspec

SEEN_DAYS_MAX: Final = 365


class SeenQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Has somebody else marked this digest? If not, mark it. No key: a digest of it, and who asks.

    Attributes:
        digest: SHA-256 of tenant, flow, step and key.
        asker: names one performing of one step of one run, whichever conduit performs it.
        days: how long the mark lives, when it is made now.
    """

    digest: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    asker: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    days: Annotated[int, msgspec.Meta(ge=1, le=SEEN_DAYS_MAX)]
