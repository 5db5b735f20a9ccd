"""Registrations that end by themselves are renewed in time, asked for again where a vendor is away, and made anew where it forgot."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blubees.adapters.database import Database
from blubees.adapters.keys import LocalKeyProvider
from blubees.connectors.caller import Caller, JiraSite
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.action import Action, ActionInput, Content, Place, Request
from blubees.model.audit import Actor, AuditAction
from blubees.model.call import Effect
from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.errors import UnavailableError
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.model.web import WebAnswer, WebRequest
from blubees.operations.audit import AuditLog
from blubees.operations.renewals import Renewals
from blubees.operations.vendor_calls import VaultDesk, VendorCalls
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.secrets import VaultService
from fakes.boards import FakeBoard
from fakes.connectors import FakeShelf
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock, FakeWeb
from fakes.registering import make_registrations, open_world
from fakes.vendor import ACME, TEXT

FLOW = FlowId("my-flow")
MINUTE = 60_000  # milliseconds
TRIGGER = "{on: acme.made, connection: team, inputs: {project: P}}"
FLOW_TEXT = "id: my-flow\nname: F\ntrigger: TRIGGER\nsteps: [{id: a, kind: stop}]\n"


def make_lasting() -> Any:
    """Acme, whose registrations end after an hour."""

    def body(name: str) -> ActionInput:
        return ActionInput(schema=TEXT, place=Place.BODY, at=(name,), is_required=True)

    register = ACME.actions["register"]
    register = msgspec.structs.replace(register, inputs={**register.inputs, "until": body("until")})
    renew = Action(
        effect=Effect.IDEMPOTENT,
        request=Request(method="PATCH", path="/{project}/hooks/{id}", content=Content.JSON),
        inputs={**ACME.actions["unregister"].inputs, "until": body("until")},
    )
    made = ACME.triggers["made"]
    assert made.hook is not None
    inputs = {**made.hook.register_inputs, "until": "$expires"}
    lasting = {"lasts_seconds": 3_600, "renew": "renew", "renew_inputs": {"until": "$expires"}}
    hook = msgspec.structs.replace(made.hook, register_inputs=inputs, **lasting)
    return msgspec.structs.replace(
        ACME,
        actions={**ACME.actions, "register": register, "renew": renew},
        triggers={**ACME.triggers, "made": msgspec.structs.replace(made, hook=hook)},
    )


class World:
    """A control plane, and a vendor that hears it."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock, chance = FakeClock(), FakeChance()
        self.database, self.clock, self.events = database, clock, list[tuple[str, dict[str, Any]]]()
        self.statuses = {"POST": 201, "PATCH": 200, "DELETE": 204}
        self.ids: Counter[str] = Counter()
        self.board = FakeBoard()
        self.known_when_registering: list[bool] = []
        self.keyring = Keyring(database.keys, LocalKeyProvider(folder / "local.key"), chance, clock)
        self.log = AuditLog(database.audit, clock, chance)
        self.vault = VaultService(database.connections, self.keyring, clock, chance)
        self.web = FakeWeb(self.answer)
        desk = VaultDesk()

        async def open_lease(
            tenant: TenantId, name: ConnectionName, _uses: Sequence[Use], _refused: str
        ) -> Lease | LeaseRefusal:
            return await self.vault.open_lease(tenant, name)

        desk.open_lease = open_lease

        def open_line(tenant: TenantId) -> Caller:
            return Caller(tenant, self.web, desk, clock, chance, JiraSite("", "", lambda: None))

        def tell(event: str, /, **fields: object) -> None:
            self.events.append((event, fields))

        calls = VendorCalls(open_line, clock)
        registrations = make_registrations(database, self.vault, calls, clock, chance, self.log, tell)
        self.flows = FlowService(
            database.flows,
            self.board,
            Timetable(database.schedules, clock),
            clock,
            chance,
            load_book(),
            connectors=FakeShelf({"acme": make_lasting()}),
            registrar=registrations,
        )

        self.renewals = Renewals(database.renewals, database.registrations, self.flows, calls, clock, tell)

    def answer(self, request: WebRequest) -> WebAnswer:
        self.ids[request.method] += 1
        if request.method == "POST":  # now the vendor would try the address
            token = json.loads(request.body)["url"].rpartition("/")[2]
            plan = self.board.kept[TENANT, FLOW][1]
            assert plan is not None
            self.known_when_registering.append(plan.hook_token_hash == hashlib.sha256(token.encode()).hexdigest())
        body = json.dumps({"id": f"hook{self.ids['POST']}"}).encode()
        return WebAnswer(status=self.statuses[request.method], headers={"content-type": "application/json"}, body=body)

    async def publish(self, trigger: str = TRIGGER) -> Any:
        checked = await self.flows.save_draft(TENANT, FLOW_TEXT.replace("TRIGGER", trigger))
        assert checked.flow is not None, checked.problems
        return await self.flows.publish(TENANT, FLOW)

    async def go_on(self, minutes: float) -> list[tuple[str, str]]:
        """Let time pass, and see to what is due; gives what the vendor heard."""
        self.clock.milliseconds += int(minutes * MINUTE)
        before = len(self.web.requests)
        await self.renewals.renew_due()
        return [(each.method, each.url.removeprefix("https://acme.example/v1")) for each in self.web.requests[before:]]

    def until(self) -> Any:
        return json.loads(self.web.requests[-1].body)["until"]

    async def count_rows(self) -> int:
        return len(await self.database.renewals.list_due(self.clock.milliseconds + 10**9, limit=9))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, World) as made:
        yield made


async def test_it_is_renewed_at_half_its_time_again_and_again(world: World) -> None:
    world.clock.milliseconds = 1_795_521_600_000
    await world.publish()
    assert world.until() == "2026-11-24T13:00:00Z"
    assert await world.go_on(29.9) == []
    assert await world.go_on(0.1) == [("PATCH", "/P/hooks/hook1")]
    assert world.until() == "2026-11-24T13:30:00Z"
    assert await world.go_on(29) == []
    assert await world.go_on(1) == [("PATCH", "/P/hooks/hook1")]
    assert world.events == []


async def test_a_vendor_that_is_away_is_asked_again_ever_later_and_told_of_once(world: World) -> None:
    await world.publish()
    world.statuses["PATCH"] = 503
    assert await world.go_on(30) == [("PATCH", "/P/hooks/hook1")]
    assert await world.go_on(0.9) == []
    heard = [len(await world.go_on(minutes)) for minutes in (0.1, 1.9, 0.1, 4, 8, 16, 32, 59.9, 0.1)]
    assert heard == [1, 0, 1, 1, 1, 1, 1, 0, 1]
    assert [name for name, _ in world.events] == ["hook_not_renewed"]
    assert set(world.events[0][1]) == {"tenant", "flow", "failure"}
    world.statuses["PATCH"] = 200
    assert await world.go_on(60) == [("PATCH", "/P/hooks/hook1")]
    assert await world.go_on(29.9) == []
    assert len(await world.go_on(0.1)) == 1


async def test_what_the_vendor_has_forgotten_is_registered_anew_with_another_address_and_secret(world: World) -> None:
    await world.publish()
    first = json.loads(world.web.requests[0].body)
    world.statuses |= {"PATCH": 404, "DELETE": 404}
    assert await world.go_on(30) == [("PATCH", "/P/hooks/hook1"), ("DELETE", "/P/hooks/hook1"), ("POST", "/P/hooks")]
    second = json.loads(world.web.requests[-1].body)
    assert first["url"] != second["url"]
    assert first["secret"] != second["secret"]
    world.statuses["PATCH"] = 200
    assert await world.go_on(29.9) == []
    assert await world.go_on(0.1) == [("PATCH", "/P/hooks/hook2")]
    assert [name for name, _ in world.events] == ["hook_lost"]
    assert world.known_when_registering == [True, True], "an address is known before its vendor tries it"


async def test_where_registering_anew_fails_it_is_tried_again(world: World) -> None:
    await world.publish()
    world.statuses |= {"PATCH": 404, "DELETE": 404, "POST": 503}
    assert len(await world.go_on(30)) == 3
    assert await world.database.registrations.load(TENANT, FLOW) is None
    world.statuses["POST"] = 201
    assert await world.go_on(1) == [("POST", "/P/hooks")]
    assert await world.database.registrations.load(TENANT, FLOW) is not None
    world.statuses["PATCH"] = 200
    assert [method for method, _ in await world.go_on(30)] == ["PATCH"]


async def test_what_is_withdrawn_or_has_another_trigger_is_not_renewed(world: World) -> None:
    await world.publish()
    await world.flows.withdraw(TENANT, FLOW)
    assert await world.go_on(30) == []
    assert await world.count_rows() == 0
    await world.publish()
    await world.publish("{on: webhook}")
    assert await world.go_on(30) == []
    assert await world.count_rows() == 0


async def test_two_control_planes_do_not_both_renew_it(world: World) -> None:
    await world.publish()
    due = await world.database.renewals.list_due(world.clock.milliseconds + 10**9, limit=9)
    later = msgspec.structs.replace(due[0], tries=1, due_milliseconds=due[0].due_milliseconds + 1)
    assert await world.database.renewals.swap(due[0], later) is True
    assert await world.database.renewals.swap(due[0], later) is False
    await world.database.renewals.remove(due[0])
    assert await world.count_rows() == 1


async def test_one_that_can_t_be_seen_to_does_not_keep_others_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.publish()

    async def fail(*_: object) -> None:
        raise UnavailableError("The broker is away.")

    monkeypatch.setattr(world.flows, "load_live", fail)
    assert await world.go_on(30) == []
    assert [(name, fields["failure"]) for name, fields in world.events] == [("hook_not_renewed", "unavailable")]
    monkeypatch.undo()
    assert await world.go_on(1) == [("PATCH", "/P/hooks/hook1")]


async def test_what_a_shredded_site_had_registered_is_not_renewed(world: World) -> None:
    await world.publish()
    await world.keyring.shred(TENANT, world.log.make(TENANT, AuditAction.TENANT_SHREDDED, Actor.CONTROL_PLANE))
    assert await world.count_rows() == 0


async def test_a_registration_that_was_made_since_is_left_alone(world: World) -> None:
    await world.publish()
    (row,) = await world.database.renewals.list_due(world.clock.milliseconds + 10**9, limit=9)
    await world.database.renewals.put(
        msgspec.structs.replace(row, registered_at_milliseconds=row.registered_at_milliseconds - 1)
    )
    assert await world.go_on(30) == []
    assert await world.count_rows() == 0
