"""Tickets: good for one thing, for a minute, and for whoever has the key."""

import base64

import pytest

from blubees.model.errors import TamperedError
from blubees.model.ids import FlowId, TenantId
from blubees.vault.seal import Sealer
from blubees.vault.tickets import TICKET_MILLISECONDS, Purpose, Ticket, open_ticket, seal_ticket
from fakes.machine import FakeChance

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
FLOW, NOW = FlowId("flow"), 1_795_000_000_000
SEALER = Sealer(b"k" * 32, FakeChance())
TICKET = Ticket(tenant=A, flow=FLOW, version=3, expires_at_milliseconds=NOW + TICKET_MILLISECONDS)


def test_a_ticket_opens_as_what_it_was_sealed_and_each_has_its_own_name() -> None:
    texts = [seal_ticket(SEALER, Purpose.RUN, TICKET) for _ in range(2)]
    opened = [open_ticket(SEALER, Purpose.RUN, A, FLOW, text, NOW) for text in texts]
    assert [(each.tenant, each.flow, each.version) for each in opened] == [(A, FLOW, 3)] * 2
    assert len({each.name for each in opened}) == 2
    assert open_ticket(SEALER, Purpose.RUN, A, FLOW, texts[0], NOW).name == opened[0].name


def test_it_opens_for_nothing_and_nobody_else() -> None:
    text = seal_ticket(SEALER, Purpose.RUN, TICKET)
    flipped = base64.urlsafe_b64encode(base64.urlsafe_b64decode(text + "==")[:-1] + b"x").decode().rstrip("=")
    for tenant, flow, given, at, sealer in (
        (B, FLOW, text, NOW, SEALER),
        (A, FlowId("other"), text, NOW, SEALER),
        (A, FLOW, flipped, NOW, SEALER),
        (A, FLOW, text, NOW + TICKET_MILLISECONDS, SEALER),
        (A, FLOW, text, NOW, Sealer(b"x" * 32, FakeChance())),
        (A, FLOW, "", NOW, SEALER),
        (A, FLOW, "é", NOW, SEALER),
        (A, FLOW, "=!", NOW, SEALER),
        (A, FLOW, "A" * 5_000, NOW, SEALER),
    ):
        with pytest.raises(TamperedError):
            open_ticket(sealer, Purpose.RUN, tenant, flow, given, at)
