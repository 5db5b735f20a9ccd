"""Webhooks are registered at their vendor when a flow is published, with an address and a secret of their own, and taken back."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus

import msgspec
import pytest

from blubees.adapters.database import Database
from blubees.adapters.keys import LocalKeyProvider
from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.catalogue import load_connector
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.audit import Actor
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.connector import Trial
from blubees.model.errors import InputError, MissingError, TamperedError
from blubees.model.failures import FailureCode
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.operations.audit import AuditLog, LeaseClerk
from blubees.operations.connection_ending import ConnectionEnding, Ended
from blubees.operations.connection_tests import ConnectionTests
from blubees.operations.connections import ConnectionService
from blubees.operations.registrations import EndedHook
from blubees.operations.removals import PAUSES_MINUTES
from blubees.operations.vendor_calls import VaultDesk, VendorCalls
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.secrets import VaultService
from fakes.boards import FakeBoard
from fakes.connectors import FakeShelf
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock, FakeWeb
from fakes.registering import make_registrations, open_world
from fakes.vendor import ACME

FLOW = FlowId("my-flow")
ACCOUNT = {"connector": "twilio", "param_account": "AC00000000000000000000000000000001"}
TEXT = """\
id: my-flow
name: F
trigger: {on: acme.made, connection: team, inputs: {project: %s}}
steps: [{id: a, kind: stop}]
"""


class World:
    """A control plane, and a vendor that hears it."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock, chance = FakeClock(), FakeChance()
        self.database, self.board, self.status = database, FakeBoard(), 201
        keyring = Keyring(database.keys, LocalKeyProvider(folder / "local.key"), chance, clock)
        self.vault = VaultService(database.connections, keyring, clock, chance)
        self.web = FakeWeb(self.answer)
        self.ids, self.is_away, self.is_tampered = 0, False, False

        desk = VaultDesk()

        async def open_lease(tenant: TenantId, name: ConnectionName, use: Use, _refused: str) -> Lease | LeaseRefusal:
            if self.is_tampered:
                raise TamperedError
            return await self.vault.open_lease(tenant, name, use)

        desk.open_lease = LeaseClerk(open_lease, AuditLog(database.audit, clock, chance)).answer_own

        def open_line(tenant: TenantId) -> Caller:
            return Caller(tenant, self.web, desk, clock, chance, JiraSite("", "", lambda: None))

        calls, shelf = VendorCalls(open_line, clock), FakeShelf({"acme": ACME, "twilio": load_connector("twilio") or ACME})
        self.tests = ConnectionTests(self.vault, shelf, calls)
        self.clock, self.told, self.log = clock, list[str](), AuditLog(database.audit, clock, chance)
        self.registrations = make_registrations(database, self.vault, calls, clock, chance, self.log, self.tell)
        ending, no_grants = ConnectionEnding(self.registrations), cast("Any", None)  # what is saved here has none
        self.connections = ConnectionService(self.vault, no_grants, no_grants, shelf, self.log, ending=ending)
        self.flows = FlowService(
            database.flows,
            self.board,
            Timetable(database.schedules, clock),
            clock,
            chance,
            load_book(),
            connectors=shelf,
            registrar=self.registrations,
        )

    def tell(self, event: str, /, **fields: object) -> None:
        self.told.append(f"{event} {fields.get('failure', '')}".strip())

    async def audited(self) -> list[tuple[str, str, str, str]]:
        events = reversed(await self.log.list(TENANT))
        return [(each.action.value, each.purpose, each.flow, each.detail) for each in events]

    async def hooks(self) -> list[tuple[str, str, int]]:
        return [(each.state, each.failure, each.tries) for each in await self.registrations.list(TENANT)]

    def answer(self, request: WebRequest) -> WebAnswer | WebFailure:
        if self.is_away:
            return WebFailure(problem=WebProblem.UNREACHABLE)
        self.ids += request.method == "POST"
        body = json.dumps({"id": f"hook{self.ids}", "more": "not kept"}).encode()
        return WebAnswer(status=self.status, headers={"content-type": "application/json"}, body=body)

    async def publish(self, project: str = "P") -> Any:
        checked = await self.flows.save_draft(TENANT, TEXT % project)
        assert checked.flow is not None, checked.problems
        return await self.flows.publish(TENANT, FLOW)

    def asked(self) -> list[tuple[str, str]]:
        return [(each.method, each.url.removeprefix("https://acme.example/v1")) for each in self.web.requests]

    async def secret(self) -> str:
        found = await self.vault.open_lease(TENANT, ConnectionName("hook-my-flow"))
        return found.secret if isinstance(found, Lease) else ""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, World) as made:
        yield made


async def test_publishing_registers_an_address_and_a_secret_made_for_it(world: World) -> None:
    done = await world.publish()
    assert (done.is_registered, done.registration, done.hook_token) == (True, None, "")
    assert world.asked() == [("POST", "/P/hooks")]
    body = json.loads(world.web.requests[0].body)
    assert dict(world.web.requests[0].headers)["Authorization"] == "Bearer t0ken"
    address, secret = body["url"], body["secret"]
    assert body["events"] == ["thing.made"]
    assert len(secret) == 64
    assert secret == await world.secret()
    plan = (await world.board.find(TENANT, FLOW))[1]
    assert plan is not None
    token = address.removeprefix(f"https://bees.example/hooks/{TENANT}/")
    assert plan.hook_token_hash == hashlib.sha256(token.encode()).hexdigest()


async def test_what_is_registered_already_is_left_alone_and_what_changed_is_registered_anew(world: World) -> None:
    await world.publish()
    assert (await world.publish()).is_registered is False
    assert (await world.publish("Q")).is_registered is True
    assert world.asked() == [("POST", "/P/hooks"), ("DELETE", "/P/hooks/hook1"), ("POST", "/Q/hooks")]
    row = await world.database.registrations.load(TENANT, FLOW)
    assert row is not None
    assert json.loads(row.inputs) == {"project": "Q", "id": "hook2"}, "and no more than is needed to take it back"


async def test_withdrawing_takes_it_back_and_forgets_the_secret(world: World) -> None:
    await world.publish()
    await world.flows.withdraw(TENANT, FLOW)
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1")]
    assert await world.database.registrations.load(TENANT, FLOW) is None
    assert await world.secret() == ""


async def test_where_the_vendor_has_the_secret_already_the_authors_is_left_as_it_is(world: World) -> None:
    await world.vault.save(TENANT, name="auth-token", kind=ConnectionKind.SIGNING_SECRET, secret="0ld")
    await world.vault.save(
        TENANT, name="sms", kind=ConnectionKind.BASIC, hosts=("api.twilio.com",), secret="p", user_name="SK1", settings=ACCOUNT
    )
    text = TEXT.replace("acme.made, connection: team", "twilio.message_received, connection: sms, signing: auth-token")
    await world.flows.save_draft(TENANT, text.replace("project: %s", "number: PN1"))
    assert (await world.flows.publish(TENANT, FLOW)).is_registered is True
    await world.flows.withdraw(TENANT, FLOW)
    asked = [(each.method, each.url.rpartition("/")[2], each.body) for each in world.web.requests]
    assert [each[:2] for each in asked] == [("POST", "PN1.json")] * 2
    address = f"SmsUrl={quote_plus('https://bees.example/hooks/')}".encode()
    assert asked[0][2].startswith(b"SmsMethod=POST&" + address)
    assert asked[1][2] == b"SmsUrl="
    assert isinstance(await world.vault.open_lease(TENANT, ConnectionName("auth-token")), Lease)


async def test_another_trigger_takes_it_back(world: World) -> None:
    await world.publish()
    await world.flows.save_draft(TENANT, "id: my-flow\nname: F\ntrigger: {on: webhook}\nsteps: [{id: a, kind: stop}]\n")
    await world.flows.publish(TENANT, FLOW)
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1")]


async def test_another_token_is_told_to_the_vendor(world: World) -> None:
    await world.publish()
    token = await world.flows.rotate_hook(TENANT, FLOW)
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1"), ("POST", "/P/hooks")]
    assert json.loads(world.web.requests[-1].body)["url"].endswith(f"/{token}")


async def test_an_address_stays_when_a_plain_webhook_becomes_a_vendors(world: World) -> None:
    """As Notion's page asks of the author: the token is heard first, by a plain one."""
    plain = "id: my-flow\nname: F\ntrigger: {on: webhook}\nsteps: [{id: a, kind: stop}]\n"
    await world.flows.save_draft(TENANT, plain)
    token = (await world.flows.publish(TENANT, FLOW)).hook_token
    await world.vault.save(TENANT, name="signing", kind=ConnectionKind.SIGNING_SECRET, secret="s")
    await world.flows.save_draft(TENANT, plain.replace("webhook", "acme.posted, signing: signing"))
    assert (await world.flows.publish(TENANT, FLOW)).hook_token == ""
    plan = (await world.board.find(TENANT, FLOW))[1]
    assert plan is not None
    assert plan.flow.trigger.connector == "acme.posted"
    assert plan.hook_token_hash == hashlib.sha256(token.encode()).hexdigest()


async def test_a_vendor_that_refuses_is_told_and_asked_again_at_the_next_publishing(world: World) -> None:
    world.status = 401
    done = await world.publish()
    assert not done.is_registered
    assert done.registration.code is FailureCode.CREDENTIAL_REFUSED
    assert await world.database.registrations.load(TENANT, FLOW) is None
    world.status = 201
    assert (await world.publish()).is_registered is True


async def test_registering_and_taking_back_are_told_as_what_they_are(world: World) -> None:
    await world.publish()
    await world.flows.withdraw(TENANT, FLOW)
    assert await world.audited() == [
        ("lease_opened", "register", "my-flow", ""),
        ("hook_registered", "", "my-flow", ""),
        ("lease_opened", "take_back", "my-flow", ""),
        ("hook_taken_back", "", "my-flow", ""),
    ]
    assert {each.actor for each in await world.log.list(TENANT)} == {Actor.CONTROL_PLANE}


async def test_what_a_vendor_does_not_take_back_is_tried_again_with_longer_and_longer_pauses(world: World) -> None:
    await world.publish()
    world.is_away = True
    assert await world.flows.withdraw(TENANT, FLOW) == "unreachable"
    assert await world.secret() == "", "what it still sends proves nothing"
    assert await world.hooks() == [("leaving", "unreachable", 1)]
    assert await world.registrations.removals.see_to_due() == 0
    world.clock.advance(60)
    assert await world.registrations.removals.see_to_due() == 1
    world.clock.advance(60)
    assert await world.registrations.removals.see_to_due() == 0, "five minutes after the second"
    world.is_away = False
    world.clock.advance(240)
    assert await world.registrations.removals.see_to_due() == 1
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1")] * 3
    assert await world.hooks() == []
    assert world.told == []


async def test_it_is_given_up_after_three_days_and_told_and_a_person_can_have_it_tried_again(world: World) -> None:
    await world.publish()
    world.status = 401
    await world.flows.withdraw(TENANT, FLOW)
    for minutes in PAUSES_MINUTES:
        assert world.told == []
        world.clock.advance(minutes * 60)
        assert await world.registrations.removals.see_to_due() == 1
    assert await world.hooks() == [("left", "credential_refused", 9)]
    assert world.told == ["hook_left credential_refused"]
    assert (await world.audited())[-1] == ("hook_left", "", "my-flow", "credential_refused")
    world.clock.advance(86_400)
    assert await world.registrations.removals.see_to_due() == 0
    (left,) = await world.registrations.list(TENANT)
    assert (left.connector, left.connection) == ("acme", "team")
    with pytest.raises(MissingError):
        await world.registrations.removals.try_again(TENANT, "0" * 32)
    assert await world.registrations.removals.try_again(TENANT, left.removal) == "credential_refused"
    assert await world.hooks() == [("leaving", "credential_refused", 1)]
    world.status = 204
    assert await world.registrations.removals.try_again(TENANT, left.removal) is None
    assert await world.hooks() == []


async def test_what_was_given_up_is_forgotten_after_ninety_days(world: World) -> None:
    await world.publish()
    world.status = 401
    await world.connections.delete(TENANT, ConnectionName("team"))
    world.clock.advance(89 * 86_400)
    await world.registrations.removals.see_to_due()
    assert [each[0] for each in await world.hooks()] == ["left"]
    world.clock.advance(2 * 86_400)
    await world.registrations.removals.see_to_due()
    assert await world.hooks() == []


async def test_what_is_gone_at_the_vendor_is_taken_back(world: World) -> None:
    await world.publish()
    world.status = 404
    assert await world.flows.withdraw(TENANT, FLOW) is None
    assert await world.hooks() == []


async def test_who_dies_while_it_asks_has_another_ask_later(world: World) -> None:
    await world.publish()

    def die(_request: WebRequest) -> WebAnswer:
        raise KeyboardInterrupt

    world.web.reply = die
    with pytest.raises(KeyboardInterrupt):
        await world.flows.withdraw(TENANT, FLOW)
    assert await world.hooks() == [("leaving", "", 1)]
    world.web.reply = world.answer
    assert await world.registrations.removals.see_to_due() == 0
    world.clock.advance(300)
    assert await world.registrations.removals.see_to_due() == 1
    assert await world.hooks() == []


async def test_a_flow_that_may_use_the_connection_no_more_leaves_nothing_behind(world: World) -> None:
    await world.publish()
    await world.vault.permit(TENANT, ConnectionName("team"), ("another",))
    assert await world.flows.withdraw(TENANT, FLOW) is None
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1")]
    assert (await world.publish()).registration.code is FailureCode.CONNECTION_MISSING, "and registers nothing any more"


async def test_before_a_connection_goes_all_that_it_registered_is_taken_back(world: World) -> None:
    await world.publish()
    ended = await world.connections.delete(TENANT, ConnectionName("team"))
    assert ended == Ended(webhooks=(EndedHook(flow="my-flow"),))
    assert world.asked()[1:] == [("DELETE", "/P/hooks/hook1")]
    assert await world.hooks() == []


async def test_what_stays_at_a_vendor_when_its_connection_goes_is_told_and_does_not_hold_it_up(world: World) -> None:
    await world.publish()
    world.is_away = True
    await world.publish("Q")
    assert [each[0] for each in await world.hooks()] == ["leaving"], "the older one, and the newer one was not registered"
    world.is_away = False
    await world.publish("Q")
    world.status = 500
    ended = await world.connections.delete(TENANT, ConnectionName("team"))
    assert [(each.flow, each.failure) for each in ended.webhooks] == [("my-flow", "vendor_broken")] * 2
    assert [each[0] for each in await world.hooks()] == ["left", "left"]
    assert await world.vault.list(TENANT) == ()
    assert world.told == ["hook_left vendor_broken"] * 2
    with pytest.raises(MissingError):
        await world.connections.delete(TENANT, ConnectionName("team"))


async def test_a_connection_that_is_gone_or_does_not_open_ends_no_round(world: World) -> None:
    await world.publish()
    world.is_tampered = True
    assert await world.flows.withdraw(TENANT, FLOW) == "unavailable vault"
    world.is_tampered = False
    await world.vault.delete(TENANT, ConnectionName("team"))
    world.clock.advance(60)
    assert await world.registrations.removals.see_to_due() == 1
    assert await world.hooks() == [("left", "connection_missing missing", 2)]


async def test_what_no_action_takes_back_is_told_as_left(world: World) -> None:
    made = ACME.triggers["made"]
    assert made.hook is not None
    hook = msgspec.structs.replace(made.hook, unregister="")
    one_way = msgspec.structs.replace(ACME, triggers={"made": msgspec.structs.replace(made, hook=hook)})
    world.flows.connectors = FakeShelf({"acme": one_way})
    await world.publish()
    assert await world.flows.withdraw(TENANT, FLOW) == "no_action"
    assert await world.hooks() == [("left", "no_action", 1)]


async def test_a_connection_is_tested_by_its_connectors_action_and_nothing_is_kept(world: World) -> None:
    with pytest.raises(InputError, match="no way to test"):
        await world.tests.test(TENANT, ConnectionName("team"))
    with pytest.raises(MissingError, match="no connector other"):
        await world.tests.test(TENANT, ConnectionName("team"), "other")
    with pytest.raises(MissingError, match="no such connection"):
        await world.tests.test(TENANT, ConnectionName("none"), "acme")


async def test_a_catalogues_connection_is_tested(world: World) -> None:
    tried = msgspec.structs.replace(ACME, trial=Trial(action="list", inputs={"project": "P"}))
    world.tests._shelf = FakeShelf({"acme": tried})
    world.status = 200
    good = await world.tests.test(TENANT, ConnectionName("team"))
    assert (good.connector, good.action, good.failure) == ("acme", "list", None)
    world.status = 401
    bad = await world.tests.test(TENANT, ConnectionName("team"))
    assert bad.failure is not None
    assert (bad.failure.code, bad.what_to_do) == (FailureCode.CREDENTIAL_REFUSED, "Renew the connection's secret.")
