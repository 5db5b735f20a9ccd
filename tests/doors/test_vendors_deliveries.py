"""Deliveries as the catalogue's vendors send them: signed by their schemes, one event or many, each once, answered as they want."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from blubees.connectors.catalogue import load_connector
from blubees.doors.webhooks import WebhookDoor
from blubees.flows.check import check_flow
from blubees.flows.connectors import FoundConnectors
from blubees.model.connection import ConnectionKind, Lease, Use
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.flow import PublishedFlow
from blubees.model.ids import ConnectionName, TenantId
from blubees.steps.book import load_book
from fakes.engine import TENANT
from fakes.machine import FakeClock

SECRET = "the-vendors-own-secret"
ADDRESS = f"https://bees.example/hooks/{TENANT}/token"
FORM = "application/x-www-form-urlencoded"


class Desk:
    """Port LeaseDesk."""

    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str = "") -> Lease:
        return Lease(
            kind=ConnectionKind.SIGNING_SECRET,
            hosts=(),
            user_name="",
            parameter="",
            secret=SECRET,
            expires_at_milliseconds=9_999_999_999_999,
        )


def publish(trigger: str) -> PublishedFlow:
    connector = load_connector(trigger.partition(":")[2].strip().partition(".")[0])
    assert connector is not None
    text = f"id: flow\nname: F\ntrigger: {{{trigger}}}\nsteps: [{{id: a, kind: stop}}]\n"
    checked = check_flow(text, load_book(), FoundConnectors((connector,)))
    assert checked.flow is not None, checked.problems
    return PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=(connector,))


class World:
    """A door, what comes through it, and what the intake says of it."""

    def __init__(self, published: PublishedFlow) -> None:
        self.events: list[RawEvent] = []
        self.verdicts: list[Verdict] = []
        self.clock = FakeClock()
        self.door = WebhookDoor(
            lambda _tenant, _hash: published, Desk(), self.admit, self.clock, public_url="https://bees.example"
        )

    async def admit(self, event: RawEvent) -> Admission:
        self.events.append(event)
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict.QUEUED
        return Admission(verdict=verdict, runs=1, status=201, headers={"content-type": "text/xml"}, body=b"<Response/>")

    async def send(self, body: bytes, headers: dict[str, str], query: bytes = b"") -> tuple[int, bytes, bytes]:
        said = list[Any]()
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: dict[str, Any]) -> None:
            said.append(message)

        path = f"/hooks/{TENANT}/token"
        await self.door(
            {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": pairs}, receive, keep
        )
        reply = said[0]["reply"]
        return reply.status, dict(reply.headers).get(b"content-type", b""), reply.body

    async def send_twilio(self, fields: dict[str, str], query: bytes = b"") -> tuple[int, bytes, bytes]:
        url = ADDRESS + (f"?{query.decode()}" if query else "")
        message = url + "".join(name + fields[name] for name in sorted(fields))
        signature = base64.b64encode(hmac.digest(SECRET.encode(), message.encode(), hashlib.sha1)).decode()
        headers = {"content-type": FORM, "X-Twilio-Signature": signature}
        return await self.send(urlencode(fields).encode(), headers, query)

    async def send_hubspot(self, document: object, late_milliseconds: int = 0) -> tuple[int, bytes, bytes]:
        body = json.dumps(document).encode()
        stamp = str(self.clock.now_milliseconds() - late_milliseconds)
        message = b"POST" + ADDRESS.encode() + body + stamp.encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), message, hashlib.sha256)).decode()
        headers = {
            "content-type": "application/json",
            "X-HubSpot-Signature-v3": signature,
            "X-HubSpot-Request-Timestamp": stamp,
        }
        return await self.send(body, headers)

    async def send_microsoft(self, events: list[object]) -> tuple[int, bytes, bytes]:
        return await self.send(json.dumps({"value": events}).encode(), {"content-type": "application/json"})

    async def send_notion(self, document: object, token: str = SECRET) -> tuple[int, bytes, bytes]:
        body = json.dumps(document, separators=(",", ":")).encode()
        signature = f"sha256={hmac.digest(token.encode(), body, hashlib.sha256).hex()}"
        return await self.send(body, {"content-type": "application/json", "X-Notion-Signature": signature})


def tell(event: int, kind: str, **more: object) -> dict[str, object]:
    return {"eventId": event, "subscriptionId": 7, "objectId": 51, "occurredAt": 1, "subscriptionType": kind, **more}


async def test_a_message_that_twilio_tells_of_starts_a_run_and_twilio_hears_that_nothing_is_to_be_said() -> None:
    world = World(publish("on: twilio.message_received, connection: c, signing: s, inputs: {number: PN1}"))
    fields = {"MessageSid": "SM1", "From": "+15558675310", "To": "+15017122661", "Body": "Grüße & more", "NumMedia": "0"}
    assert await world.send_twilio(fields) == (200, b"text/xml; charset=utf-8", b"<Response></Response>")
    assert await world.send_twilio(fields, b"a=1&b=%2B") == (200, b"text/xml; charset=utf-8", b"<Response></Response>")
    assert [(each.document["Body"], each.delivery) for each in world.events] == [("Grüße & more", "SM1")] * 2
    assert "x-twilio-signature" not in world.events[0].headers
    world.verdicts = [Verdict.ANSWERED, Verdict.DUPLICATE, Verdict.FULL]
    assert (await world.send_twilio(fields))[::2] == (201, b"<Response/>"), "the flow's own answer"
    assert (await world.send_twilio(fields))[0] == 200
    assert (await world.send_twilio(fields))[0] == 429


async def test_what_twilio_did_not_sign_is_refused() -> None:
    world = World(publish("on: twilio.message_received, connection: c, signing: s, inputs: {number: PN1}"))
    message = f"https://other.example/hooks/{TENANT}/tokenMessageSidSM1"
    signature = base64.b64encode(hmac.digest(SECRET.encode(), message.encode(), hashlib.sha1)).decode()
    for headers in ({}, {"X-Twilio-Signature": signature}, {"X-Twilio-Signature": "AAAA"}):
        assert (await world.send(b"MessageSid=SM1", {"content-type": FORM, **headers}))[0] == 404
    assert world.events == []


async def test_each_status_of_a_message_is_one_delivery() -> None:
    world = World(publish("on: twilio.message_status, signing: s"))
    for status in ("sent", "delivered"):
        await world.send_twilio({"MessageSid": "SM1", "MessageStatus": status})
    assert [each.delivery for each in world.events] == ["SM1/sent", "SM1/delivered"]


async def test_only_the_end_of_a_call_is_meant() -> None:
    world = World(publish("on: twilio.call_ended, signing: s"))
    for status in ("ringing", "in-progress", "completed"):
        assert (await world.send_twilio({"CallSid": "CA1", "CallStatus": status}))[::2] == (200, b"<Response></Response>")
    assert [each.delivery for each in world.events] == ["CA1/completed"]


async def test_each_event_of_hubspots_list_that_is_meant_starts_a_run() -> None:
    world = World(publish("on: hubspot.property_changed, signing: s"))
    sent = [
        tell(1, "deal.propertyChange", propertyName="dealstage", propertyValue="closedwon"),
        tell(2, "deal.creation"),
        tell(1, "deal.propertyChange", propertyName="amount", propertyValue="5"),
        "no event",
    ]
    assert (await world.send_hubspot(sent))[0] == 202
    assert [each.document for each in world.events] == [sent[0], sent[2]]
    assert [json.loads(each.body) for each in world.events] == [sent[0], sent[2]]
    assert [each.delivery for each in world.events] == ["1/7/51/1/dealstage", "1/7/51/1/amount"]
    assert await world.send_hubspot([tell(2, "deal.creation")]) == (202, b"application/json", b'{"status":"unmatched"}')
    assert (await world.send_hubspot([]))[2] == b'{"status":"unmatched"}'


async def test_what_can_t_be_taken_is_told_and_hubspot_sends_all_of_it_again() -> None:
    world = World(publish("on: hubspot.record_created, signing: s"))
    world.verdicts = [Verdict.QUEUED, Verdict.UNAVAILABLE]
    three = [tell(number, "contact.creation") for number in (1, 2, 3)]
    assert (await world.send_hubspot(three))[0] == 503
    assert len(world.events) == 2
    world.verdicts = [Verdict.DUPLICATE, Verdict.QUEUED, Verdict.DUPLICATE]
    assert await world.send_hubspot(three) == (202, b"application/json", b'{"status":"queued"}')
    assert len(world.events) == 5


@pytest.mark.parametrize("document", [{"eventId": 1}, "text", 7, [{}] * 1_001])
async def test_what_is_no_list_of_events_is_malformed(document: object) -> None:
    world = World(publish("on: hubspot.record_created, signing: s"))
    assert (await world.send_hubspot(document))[0] == 400
    assert (world.events, world.door.refusals["malformed"]) == ([], 1)


async def test_what_hubspot_sent_long_ago_is_refused() -> None:
    world = World(publish("on: hubspot.record_created, signing: s"))
    assert (await world.send_hubspot([tell(1, "contact.creation")], 301_000))[0] == 404
    assert (await world.send_hubspot([tell(1, "contact.creation")], 299_000))[0] == 202
    assert world.door.refusals == {"signature_stale": 1}


async def test_notions_events_are_signed_by_its_token() -> None:
    world = World(publish("on: notion.page_created, signing: s"))
    event = {"id": "e1", "type": "page.created", "entity": {"id": "p1", "type": "page"}}
    assert (await world.send_notion(event))[0] == 202
    assert (await world.send_notion({**event, "type": "page.deleted"}))[0] == 202
    assert (await world.send_notion(event, "another"))[0] == 404
    assert (await world.send(b'{"verification_token":"secret_x"}', {"content-type": "application/json"}))[0] == 404
    assert [each.delivery for each in world.events] == ["e1"]


def change(message: str, secret: object = SECRET, **more: object) -> dict[str, object]:
    return {"subscriptionId": "S1", "clientState": secret, "changeType": "created", "resourceData": {"id": message}, **more}


async def test_microsofts_events_carry_our_secret_and_runs_do_not_see_it() -> None:
    world = World(publish("on: microsoft_outlook.message_arrived, connection: c"))
    about_itself = {"subscriptionId": "S1", "clientState": SECRET, "lifecycleEvent": "reauthorizationRequired"}
    assert (await world.send_microsoft([change("m1"), about_itself, change("m2", changeType="updated"), change("m3")]))[
        0
    ] == 202
    assert [each.delivery for each in world.events] == ["m1", "m3"]
    assert world.events[0].document == {"subscriptionId": "S1", "changeType": "created", "resourceData": {"id": "m1"}}
    assert [json.loads(each.body) for each in world.events] == [each.document for each in world.events]
    assert SECRET.encode() not in b"".join(each.body for each in world.events)


@pytest.mark.parametrize("other", ["", "the-vendors-own-secres", None, 7, SECRET + "x", [SECRET]])
async def test_where_one_event_lacks_our_secret_none_is_taken(other: object) -> None:
    world = World(publish("on: microsoft_outlook.message_arrived, connection: c"))
    assert (await world.send_microsoft([change("m1"), change("m2", other)]))[0] == 404
    assert (world.events, world.door.refusals) == ([], {"signature_wrong": 1})


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"value": {}}', b'{"value": []}', b"null"])
async def test_what_has_no_event_of_microsofts_is_refused(body: bytes) -> None:
    world = World(publish("on: microsoft_outlook.message_arrived, connection: c"))
    assert (await world.send(body, {"content-type": "application/json"}))[0] == 404
    assert world.events == []


async def test_microsoft_proves_our_address_by_the_query_of_an_empty_post() -> None:
    world = World(publish("on: microsoft_teams.message_posted, connection: c, inputs: {resource: chats/C/messages}"))
    query = b"validationToken=Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+a1"
    status, media_type, body = await world.send(b"", {"content-type": "text/plain; charset=utf-8"}, query)
    assert (status, media_type) == (200, b"text/plain; charset=utf-8")
    assert body == b"Validation: Testing client application reachability for subscription Request-Id: a1"
    assert world.events == []
