"""Webhooks of a connector's trigger: its events only, its ids, its signature, and the proof that our address is ours."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from blubees.doors.webhooks import WebhookDoor
from blubees.flows import vendor_triggers
from blubees.flows.check import check_flow
from blubees.flows.connectors import FoundConnectors
from blubees.model.connection import ConnectionKind, Lease, Use
from blubees.model.connector import Connector
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.flow import PublishedFlow
from blubees.model.ids import ConnectionName, TenantId
from blubees.steps.book import load_book
from fakes.engine import TENANT
from fakes.machine import FakeClock
from fakes.vendor import ACME

SECRET = "s3cret"


class Desk:
    """Port LeaseDesk."""

    async def borrow(self, _tenant: TenantId, name: ConnectionName, _use: Use, _refused: str = "") -> Lease:
        secret = SECRET if name in {"signing", "hook-flow"} else "another"
        return Lease(
            kind=ConnectionKind.SIGNING_SECRET,
            hosts=(),
            user_name="",
            parameter="",
            secret=secret,
            expires_at_milliseconds=9_999_999_999_999,
        )


def publish(trigger: str, connectors: tuple[Connector, ...] = (ACME,)) -> PublishedFlow:
    text = f"id: flow\nname: F\ntrigger: {{{trigger}}}\nsteps: [{{id: a, kind: stop}}]\n"
    checked = check_flow(text, load_book(), FoundConnectors(connectors))
    assert checked.flow is not None, checked.problems
    return PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=connectors)


class World:
    """A door, and what comes through it."""

    def __init__(self, published: PublishedFlow) -> None:
        self.events: list[RawEvent] = []
        self.door = WebhookDoor(lambda _tenant, _hash: published, Desk(), self.admit, FakeClock())

    async def admit(self, event: RawEvent) -> Admission:
        self.events.append(event)
        return Admission(verdict=Verdict.QUEUED, runs=1)

    async def send(
        self, document: object, headers: dict[str, str] | None = None, method: str = "POST", query: bytes = b""
    ) -> tuple[int, bytes]:
        body, said = json.dumps(document).encode(), list[Any]()
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        signed = {"x-hub-signature-256": f"sha256={digest}", "x-sign": digest, **(headers or {})}
        pairs = [(name.encode(), value.encode()) for name, value in signed.items()]
        pairs += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: dict[str, Any]) -> None:
            said.append(message)

        scope = {"type": "http", "method": method, "path": f"/hooks/{TENANT}/token", "query_string": query, "headers": pairs}
        await self.door(scope, receive, keep)
        return said[0]["reply"].status, said[0]["reply"].body


@pytest.fixture
def world() -> World:
    return World(publish("on: acme.posted, signing: signing"))


async def test_only_the_events_that_are_meant_come_through_once_each(world: World) -> None:
    for kind in ("posted", "deleted", "edited", 7, None):
        assert (await world.send({"id": f"d-{kind}", "event": {"type": kind}}))[0] == 202
    assert [each.delivery for each in world.events] == ["d-posted", "d-edited"]


async def test_an_event_can_be_named_by_a_header() -> None:
    world = World(publish("on: acme.made, connection: c, inputs: {project: P}"))
    assert (await world.send({}, {"x-event": "thing.made", "x-id": "7"}))[0] == 202
    assert (await world.send({}, {"x-event": "thing.gone", "x-id": "8"}))[0] == 202
    assert (await world.send({}, {"x-event": "thing.made", "x-id": "9", "x-sign": "0" * 64}))[0] == 404
    assert [each.delivery for each in world.events] == ["7"]


async def test_a_vendor_that_proves_our_address_hears_its_own_word(world: World) -> None:
    assert await world.send({"challenge": "abc-123"}) == (200, b"abc-123")
    assert (await world.send({"challenge": "abc-123"}, {"x-hub-signature-256": "sha256=00"}))[0] == 404
    assert await world.send({}, method="GET", query=b"token=t%2B1") == (200, b"t+1")
    assert await world.send({}, query=b"token=t1") == (200, b"t1")
    assert world.events == []


@pytest.mark.parametrize("word", ["<script>", "x" * 1_001, "a\r\nb", "\u00e4", ["a"], 7, ""])
async def test_what_is_no_plain_word_is_not_said_back(world: World, word: object) -> None:
    status, body = await world.send({"challenge": word, "event": {"type": "other"}})
    assert (status, body) == (202, b'{"status":"unmatched"}')


async def test_a_plain_webhook_and_another_flow_say_nothing_back() -> None:
    world = World(publish("on: webhook", ()))
    assert (await world.send({"challenge": "abc"}))[0] == 202
    assert (await world.send({}, method="GET", query=b"token=t1"))[0] == 405
    assert len(world.events) == 1


async def test_the_python_twin_may_know_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec  # noqa: PLC0415 - of this test alone

    def verify_event(secret: str, headers: dict[str, str], body: bytes, now_seconds: int) -> bool:
        return headers.get("x-own") == secret + body.decode() and now_seconds > 0

    hook = ACME.triggers["posted"].hook
    assert hook is not None
    trigger = msgspec.structs.replace(ACME.triggers["posted"], hook=msgspec.structs.replace(hook, scheme="hook"))
    connector = msgspec.structs.replace(ACME, source="catalogue", triggers={"posted": trigger})
    monkeypatch.setattr(vendor_triggers, "find_hooks", lambda _connector: {"verify_event": verify_event})
    world = World(publish("on: acme.posted, signing: signing", (connector,)))
    document = {"id": "1", "event": {"type": "posted"}}
    assert (await world.send(document, {"x-own": SECRET + json.dumps(document)}))[0] == 202
    assert (await world.send(document, {"x-own": "wrong"}))[0] == 404
    assert len(world.events) == 1
    monkeypatch.setattr(vendor_triggers, "find_hooks", lambda _connector: {})
    assert (await world.send(document, {"x-own": SECRET + json.dumps(document)}))[0] == 404
