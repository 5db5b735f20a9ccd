"""A trigger of a connector is checked, and written out as the webhook or the poll that it is."""

import msgspec
import pytest

from blubees.connectors.catalogue_shelf import CatalogueShelf
from blubees.flows.check import CheckedFlow, check_flow
from blubees.flows.connectors import find_connectors
from blubees.model.flow import (
    Signature,
    SignatureDigest,
    SignatureEncoding,
    SignatureScheme,
    SignedPart,
    TriggerKind,
)
from blubees.model.ids import TenantId
from blubees.steps.book import load_book
from fakes.connectors import FakeShelf
from fakes.vendor import ACME

TENANT = TenantId("tenant")


async def check(trigger: str, value: str = "x") -> CheckedFlow:
    text = f"id: my-flow\nname: F\ntrigger: {{{trigger}}}\nsteps:\n- {{id: a, kind: set, with: {{values: {{v: '{value}'}}}}}}\n"
    found = await find_connectors(FakeShelf({"acme": ACME}), TENANT, text, load_book())
    return check_flow(text, load_book(), found)


async def check_twilio(more: str) -> CheckedFlow:
    text = f"id: f\nname: F\ntrigger: {{on: twilio.message_received, connection: c, {more}}}\nsteps: [{{id: a, kind: stop}}]\n"
    found = await find_connectors(CatalogueShelf(), TENANT, text, load_book())
    return check_flow(text, load_book(), found)


async def test_a_webhook_is_written_out_with_its_signature() -> None:
    checked = await check("on: acme.posted, signing: secret, where: '{{webhookData.kind}}'")
    assert checked.problems == ()
    assert checked.flow is not None
    trigger = checked.flow.trigger
    assert (trigger.on, trigger.connector) == (TriggerKind.WEBHOOK, "acme.posted")
    assert trigger.signature == Signature(scheme=SignatureScheme.GITHUB, connection="secret")


async def test_a_webhook_that_we_register_has_a_secret_of_its_own() -> None:
    checked = await check("on: acme.made, connection: team, inputs: {project: P}")
    assert checked.problems == ()
    assert checked.flow is not None
    trigger = checked.flow.trigger
    assert (trigger.connection, trigger.inputs) == ("team", {"project": "P"})
    assert trigger.signature.connection == "hook-my-flow"
    assert (trigger.signature.scheme, trigger.signature.header) == (SignatureScheme.HMAC_SHA256, "X-Sign")


async def test_what_the_vendor_signs_by_is_the_authors_to_give_where_registering_hands_over_no_secret() -> None:
    assert "twilio.message_received needs `signing`" in (await check_twilio("inputs: {number: PN1}")).problems[0].message
    checked = await check_twilio("signing: auth-token, inputs: {number: PN1}")
    assert checked.problems == ()
    assert checked.flow is not None
    assert checked.flow.trigger.signature == Signature(
        scheme=SignatureScheme.HMAC,
        connection="auth-token",
        header="X-Twilio-Signature",
        encoding=SignatureEncoding.BASE64,
        digests=(SignatureDigest.SHA1, SignatureDigest.SHA256),
        signed=(SignedPart.URL, SignedPart.FORM),
    )


async def test_a_poll_is_written_out_with_its_interval() -> None:
    checked = await check("on: acme.changed, connection: team, every_seconds: 60, start: all, inputs: {project: P}")
    assert checked.problems == ()
    assert checked.flow is not None
    assert msgspec.to_builtins(checked.flow.trigger) == {
        "on": "poll",
        "connector": "acme.changed",
        "connection": "team",
        "inputs": {"project": "P"},
        "every_seconds": 60,
        "poll": {"start": "all"},
    }


@pytest.mark.parametrize(
    ("trigger", "told", "nearest"),
    [
        ("on: acme.mad", "The connector acme has no trigger `mad`.", "acme.made"),
        ("on: acne.made", "no built-in one is called so, and there is no connector `acne`", "acme"),
        ("on: acme.posted", "acme.posted needs `signing`: the name of a connection of kind signing_secret", ""),
        ("on: acme.posted, signing: s, every_seconds: 60", "`every_seconds` is not known here", ""),
        ("on: acme.made, inputs: {project: P}", "acme.made needs `connection`", ""),
        ("on: acme.made, connection: c", "acme.made needs `inputs` with `project`.", ""),
        ("on: acme.made, connection: c, inputs: {project: [P]}", "`project` is a list, allowed is: text.", ""),
        ("on: acme.made, connection: c, inputs: {project: P, projct: Q}", "acme.made has no input `projct`.", "project"),
        ("on: acme.made, connection: c, inputs: {project: P, url: x}", "acme.made has no input `url`.", ""),
        ("on: acme.changed, inputs: {project: P}", "acme.changed needs `connection`", ""),
        ("on: acme.changed, connection: c, inputs: {project: P}, every_seconds: 5", "every 30 to 2592000 seconds", ""),
        ("on: webhook, signature: {scheme: hook, connection: c}", "This scheme belongs to triggers of connectors", ""),
        ("on: webhook, signature: {scheme: hmac, connection: c}", "This scheme belongs to triggers of connectors", ""),
        ("on: acme.posted, signing: s, where: '{{item.id}}'", "Nothing is called `item` here.", ""),
        ("on: webhook, connector: acme.posted", "`connector` is not known here.", ""),
    ],
)
async def test_what_is_wrong_is_told(trigger: str, told: str, nearest: str) -> None:
    found = [each for each in (await check(trigger)).problems if told in each.message]
    assert found, (await check(trigger)).problems
    assert found[0].nearest.startswith(nearest)


@pytest.mark.parametrize(("value", "is_good"), [("{{webhookData.kind}}", True), ("{{webhookData.knd}}", False)])
async def test_what_an_event_holds_is_known_from_its_form(value: str, *, is_good: bool) -> None:
    assert ((await check("on: acme.posted, signing: s", value)).problems == ()) is is_good
