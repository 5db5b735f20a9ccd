"""What a connector says of its trigger, for a published flow: which deliveries are meant, their ids, what proves our address.

Called by doors/webhooks.py for webhooks, flows/asking_action.py for polls.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.connectors.actions.paths import look_up
from blubees.connectors.catalogue import find_hooks
from blubees.flows.check_trigger import find_trigger
from blubees.model.connector import Hook
from blubees.model.flow import PublishedFlow

TEXT_MAX: Final = 200
CHALLENGE_MAX: Final = 1_000
EVENTS_MAX: Final = 1_000  # in one delivery: HubSpot sends 100, Microsoft Graph some dozens
VERIFY: Final = "verify_event"
Verify = Callable[[str, Mapping[str, str], bytes, int], bool]
"""A hook: (secret, headers with names lower-cased, body, seconds since 1970) → whether the sender is who it says."""


@dataclass(frozen=True, slots=True)
class VendorHook:
    """How a vendor's deliveries are read.

    Attributes:
        verify: the Python twin's check of the signature; None: the scheme is one of doors/signatures.py.
    """

    hook: Hook
    events: frozenset[str]
    verify: Verify | None

    def is_meant(self, headers: Mapping[str, str], document: object) -> bool:
        """Whether a delivery is one of the events that the trigger stands for."""
        if not self.events:
            return True
        return _read(self.hook.event_header, self.hook.event_at, headers, document) in self.events

    def list_events(self, document: object) -> list[Any] | None:
        """Give the events of a delivery: mostly the one that it is. None: it is not what the vendor sends."""
        if not self.hook.each_at:
            return [document]
        events = look_up(document, self.hook.each_at[:-1])
        return events if isinstance(events, list) and len(events) <= EVENTS_MAX else None

    def list_tokens(self, document: object) -> list[str]:
        """Give the secret that stands in each event of a delivery (scheme `token`), empty where none does; none: no event."""
        return [_read("", self.hook.token_at, {}, event) for event in self.list_events(document) or ()]

    def hide_token(self, event: object) -> object:
        """Give an event without the secret in it: runs need not know that."""
        *way, last = self.hook.token_at
        holder = look_up(event, tuple(way))
        if isinstance(holder, dict):
            holder.pop(last, None)
        return event

    def read_delivery(self, headers: Mapping[str, str], document: object) -> str:
        """Give the vendor's id of a delivery; empty when it has none."""
        known = _read(self.hook.delivery_header, self.hook.delivery_at, headers, document)
        if not known or not self.hook.delivery_with:
            return known[:TEXT_MAX]
        more = (_read("", tuple(path.split(".")), headers, document) for path in self.hook.delivery_with)
        return "/".join((known, *more))[:TEXT_MAX]

    def read_challenge(self, document: object) -> str:
        """Give what must be answered when the vendor proves our address by its body; empty: it does not."""
        if not self.hook.challenge_at:
            return ""
        return _clean(look_up(document, self.hook.challenge_at))

    def read_query_challenge(self, query: Mapping[str, str]) -> str:
        """Give what must be answered when the vendor proves our address by the query; empty: it does not."""
        return _clean(query.get(self.hook.challenge_query, "")) if self.hook.challenge_query else ""


def find_vendor_hook(published: PublishedFlow) -> VendorHook | None:
    """Give how a flow's webhook is read, where it is a connector's; else None."""
    name = published.flow.trigger.connector
    found = find_trigger(published.connectors, name) if name else None
    if found is None or found[1].hook is None:
        return None
    connector, trigger = found
    hooks = find_hooks(connector) if found[1].hook.scheme == "hook" else {}
    return VendorHook(found[1].hook, frozenset(trigger.events), hooks.get(VERIFY))


def _read(header: str, path: tuple[str, ...], headers: Mapping[str, str], document: object) -> str:
    if header:
        return headers.get(header.lower(), "")
    found = look_up(document, path) if path else ""
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _clean(value: Any) -> str:  # noqa: ANN401 - JSON
    """What is answered is the vendor's own word; it is a short plain one."""
    is_plain = isinstance(value, str) and 0 < len(value) <= CHALLENGE_MAX and value.isascii() and value.isprintable()
    return value if is_plain and not set("<>") & set(value) else ""
