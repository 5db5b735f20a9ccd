"""What allows asking a source for an event again: ids and times, no content. Made by doors and triggers; kept in the ledger."""

from typing import Annotated

import msgspec

IdText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,20}$")]
ItemText = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:/+=-]{0,200}$")]
DeliveryText = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an event came from.

    Attributes:
        issue, comment, changelog: Jira's ids of what a Jira event is about.
        event_at_milliseconds: when it happened, as the source says it; 0 when it does not.
        due_at_milliseconds: the time that a schedule was due at.
        item: a poll's item or cursor.
        delivery: keyed hash of the sender's delivery id: it can be compared, and not asked for.
    """

    issue: IdText = ""
    comment: IdText = ""
    changelog: IdText = ""
    event_at_milliseconds: Milliseconds = 0
    due_at_milliseconds: Milliseconds = 0
    item: ItemText = ""
    delivery: DeliveryText = ""


def read_id(value: object) -> str:
    """Give an id as it came when it is one of Jira's, else an empty one: nothing else may ride along."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdecimal() and len(text) <= 20 else ""  # noqa: PLR2004 - as IdText


def read_milliseconds(value: object) -> int:
    """Give a time in milliseconds as it came when it is one, else 0."""
    text = read_id(value)
    return int(text) if text and len(text) <= 15 else 0  # noqa: PLR2004 - the year 33658
