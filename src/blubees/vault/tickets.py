"""Tickets: what the control plane gives an operator to do one thing at a conduit's door, whose data it may not see itself.

Sealed with the lease key, so that every conduit can open one and nobody else can make one; nothing is kept. Made by
operations/tickets.py, opened by flows/manual.py and live.py. It is good for a minute; whoever takes one takes its name once.
"""

import base64
import binascii
import hashlib
from enum import StrEnum
from typing import Final

import msgspec

from blubees.model.errors import TamperedError
from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import Trial
from blubees.vault.seal import Sealer

TICKET_MILLISECONDS: Final = 60_000
TICKET_MAX_CHARACTERS: Final = 1_000


class Purpose(StrEnum):
    """What a ticket is good for: one for another purpose does not open."""

    RUN = "run"
    TEST = "test"
    DRY_RUN = "dry_run"


TRIAL_PURPOSES: Final = {Trial.TEST: Purpose.TEST, Trial.DRY_RUN: Purpose.DRY_RUN}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket says.

    Attributes:
        version: the flow version that it is for.
        expires_at_milliseconds: after that it is worth nothing.
        name: names this one ticket, so that it is taken once; made by opening.
    """

    tenant: TenantId
    flow: FlowId
    version: int
    expires_at_milliseconds: int
    name: str = ""


_DECODER: Final = msgspec.msgpack.Decoder(Ticket)


def seal_ticket(sealer: Sealer, purpose: Purpose, ticket: Ticket) -> str:
    """Seal a ticket into a text that can stand in a header."""
    sealed = sealer.seal(msgspec.msgpack.encode(ticket), ("ticket", purpose, ticket.tenant, ticket.flow))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def open_ticket(sealer: Sealer, purpose: Purpose, tenant: TenantId, flow: FlowId, text: str, now: int) -> Ticket:
    """Open a ticket for this purpose, tenant and flow.

    Raises:
        TamperedError: it is for something else, was changed, or its time is over. Which one is not told.
    """
    if len(text) > TICKET_MAX_CHARACTERS or not text.isascii():
        raise TamperedError
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise TamperedError from None
    ticket = _DECODER.decode(sealer.unseal(sealed, ("ticket", purpose, tenant, flow)))
    if now >= ticket.expires_at_milliseconds:
        raise TamperedError
    return msgspec.structs.replace(ticket, name=hashlib.sha256(sealed).hexdigest()[:32])
