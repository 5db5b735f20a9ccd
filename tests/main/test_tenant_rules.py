"""What the control plane asks of others for a tenant is held by the tenant's own rules of hosts: tokens and registrations alike."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.main.settings import Settings
from blubees.main.tenant_web import TenantWebClient
from blubees.main.vault_parts import VaultParts
from blubees.main.vendor_parts import VendorParts, build_vendor_parts
from blubees.model.connection import Connection, ConnectionKind, Lease, LeaseRefusal
from blubees.model.errors import ConflictError, InputError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.grant import GrantState
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.model.settings import TenantSettings
from blubees.model.web import WebFailure, WebProblem, WebRequest
from blubees.operations.audit import AuditLog
from blubees.operations.grants import GrantDesk, ScopeChooser
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.consents import ConsentService
from blubees.vault.secrets import VaultService
from fakes.boards import FakeBoard
from fakes.connectors import FakeShelf
from fakes.grants import BACK, NAME, A, World, run_world
from fakes.machine import FakeChance, FakeClock
from fakes.third_parties import serve
from fakes.vendor import ACME

DENIED: dict[str, tuple[str, ...]] = {"egress_deny": ("127.0.0.1",)}
ELSEWHERE: dict[str, tuple[str, ...]] = {"egress_allow": ("*.example.com",)}


class Rules:
    """The tenant's settings, as an administrator changes them."""

    def __init__(self) -> None:
        self.rules: dict[str, tuple[str, ...]] = {}
        self.is_away = False

    async def load(self, tenant: TenantId) -> TenantSettings:
        if self.is_away:
            raise UnavailableError("The database does not answer.")
        return TenantSettings(tenant=tenant, **self.rules)  # type: ignore[arg-type]


class Granting:
    """A control plane that keeps grants, and asks by its own way out."""

    def __init__(self, world: World) -> None:
        self.world, self.process, self.rules = world, world.start(), Rules()
        settings = Settings(data=Path(), allowed_loopback_ports=(urlsplit(world.server.url).port or 0,))
        self.web = TenantWebClient(settings, self.rules.load)
        self.process.web.client = self.web
        process = self.process
        keyring = Keyring(world.database.keys, world.provider, process.chance, world.clock)
        scopes = ScopeChooser(self.list_none)
        self.consents = ConsentService(
            process.vault, world.database.grants, process.keeper, keyring, process.web, world.clock, process.chance,
            process.tell, callback=BACK, choose_scopes=scopes.choose,
        )  # fmt: skip
        self.desk = GrantDesk(process.vault, process.grants, self.consents, scopes)

    async def list_none(self, _connection: Connection) -> tuple[str, ...]:
        return ()


@pytest.fixture
async def granting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Granting]:
    async with run_world(tmp_path, monkeypatch) as world:
        made = Granting(world)
        yield made
        await made.consents.close()
        await made.web.close()


@pytest.mark.parametrize("rules", [DENIED, ELSEWHERE])
async def test_no_code_is_redeemed_at_a_host_that_the_tenant_does_not_permit(
    granting: Granting, rules: dict[str, tuple[str, ...]]
) -> None:
    await granting.world.save()
    begun = await granting.consents.begin(A, NAME, "me")
    going = await granting.consents.go_on(parse_qs(urlsplit(begun.url).query)["state"][0])
    assert going is not None
    back = dict(parse_qsl(urlsplit(granting.world.server.consent(going.url)).query))
    granting.rules.rules = rules
    done = await granting.consents.take_answer(back, {going.cookie: going.proof})
    assert done is not None
    assert done.outcome == "host_rules"
    assert granting.world.server.asked == []


@pytest.mark.parametrize("rules", [DENIED, ELSEWHERE])
async def test_a_token_is_not_renewed_there_and_both_runs_and_people_hear_why(
    granting: Granting, rules: dict[str, tuple[str, ...]]
) -> None:
    await granting.world.save()
    await granting.world.consent(granting.process)
    asked = len(granting.world.server.asked)
    granting.rules.rules = rules
    with pytest.raises(ConflictError, match="egress-allow"):
        await granting.desk.renew(A, NAME)
    assert len(granting.world.server.asked) == asked
    view = await granting.desk.show(A, NAME)
    assert (view.state, view.problem) == (GrantState.LIVE, "host_rules")
    granting.world.clock.advance(3_600)
    assert await granting.process.grants.open_lease(A, NAME) is LeaseRefusal.HOST_RULES
    assert await granting.process.grants.open_lease(A, NAME) is LeaseRefusal.HOST_RULES, "also while it is not tried again"
    granting.rules.rules = {}
    granting.world.clock.advance(60)
    assert (await granting.process.lease()).secret in granting.world.server.access_tokens


@pytest.mark.parametrize("kind", [ConnectionKind.OAUTH2_CLIENT, ConnectionKind.OAUTH2_JWT])
async def test_what_asks_nobody_fetches_no_token_there(granting: Granting, kind: ConnectionKind) -> None:
    await granting.world.save(kind, issuer_of_jwt="app") if kind is ConnectionKind.OAUTH2_JWT else await granting.world.save(
        kind
    )
    granting.rules.rules = DENIED
    assert await granting.process.grants.open_lease(A, NAME) is LeaseRefusal.HOST_RULES
    assert granting.world.server.asked == []


async def test_no_device_code_is_asked_for_there(granting: Granting) -> None:
    await granting.world.save(ConnectionKind.OAUTH2_DEVICE, device_url=granting.world.server.url + "/device")
    granting.rules.rules = DENIED
    with pytest.raises(InputError, match=r"device_url: .*egress-allow"):
        await granting.consents.begin(A, NAME, "me")


async def test_where_the_rules_cannot_be_read_nothing_is_called(granting: Granting) -> None:
    granting.rules.is_away = True
    with pytest.raises(UnavailableError):
        await granting.web.call(WebRequest(tenant=A, method="POST", url=granting.world.server.url + "/token"))
    with pytest.raises(UnavailableError):
        await granting.web.open(WebRequest(tenant=A, method="GET", url=granting.world.server.url + "/who"))
    granting.rules.is_away, granting.rules.rules = False, DENIED
    found = await granting.web.open(WebRequest(tenant=A, method="GET", url=granting.world.server.url + "/who"))
    assert isinstance(found, WebFailure)
    assert found.problem is WebProblem.REFUSED_HOST
    assert granting.world.server.asked == []


def tell_nobody(_event: str, /, **_fields: object) -> None:
    """Port Events."""


class Registering:
    """A control plane as main builds it, and a vendor on loopback."""

    def __init__(self, database: Database, folder: Path, port: int, heard: list[str], ports: tuple[int, ...]) -> None:
        clock, chance = FakeClock(), FakeChance()
        self.rules, self.heard = Rules(), heard
        provider = LocalKeyProvider(folder / "local.key")
        keyring = Keyring(database.keys, provider, chance, clock)
        self.vault = VaultService(database.connections, keyring, clock, chance)
        acme = msgspec.structs.replace(ACME, base_url=f"http://127.0.0.1:{port}/v1")
        settings = Settings(data=folder, port=0, public_url="https://bees.example", allowed_loopback_ports=ports)
        no_keys: Any = None  # nobody looks after them here
        parts = VaultParts(
            keyring=keyring,
            provider=provider,
            vault=self.vault,
            keys=no_keys,
            log=AuditLog(database.audit, clock, chance),
        )
        self.parts: VendorParts = build_vendor_parts(
            settings, database, parts, self.rules.load, clock, chance, tell_nobody, FakeShelf({"acme": acme})
        )
        self.parts.desk.open_lease = self.open_lease
        self.flows = FlowService(
            database.flows, FakeBoard(), Timetable(database.schedules, clock), clock, chance, load_book(),
            connectors=self.parts.shelf, registrar=self.parts.registrations,
        )  # fmt: skip
        self.port, self.database, self.folder = port, database, folder

    async def open_lease(self, tenant: TenantId, name: ConnectionName, *_: object) -> Lease | LeaseRefusal:
        return await self.vault.open_lease(tenant, name)

    async def save(self, host: str) -> Connection:
        return await self.vault.save(A, name="team", kind=ConnectionKind.BEARER, hosts=(host,), secret="t0ken")

    async def publish(self) -> Failure | None:
        text = "id: my-flow\nname: F\ntrigger: {on: acme.made, connection: team, inputs: {project: P}}\nsteps: [{id: a, kind: stop}]\n"
        await self.flows.save_draft(A, text)
        return (await self.flows.publish(A, FlowId("my-flow"))).registration


@pytest.fixture
async def registering(tmp_path: Path) -> AsyncIterator[Registering]:
    heard: list[str] = []

    async def register(request: Request) -> Response:
        heard.append(f"{request.method} {request.url.path}")
        return JSONResponse({"id": "h1"}, 201)

    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    route = Route("/v1/{rest:path}", register, methods=["POST", "DELETE"])
    async with serve(lambda _: Starlette(routes=[route])) as port:
        made = Registering(database, tmp_path, port, heard, (port,))
        yield made
        await made.parts.web.close()
    await database.close()


@pytest.mark.parametrize("rules", [DENIED, ELSEWHERE])
async def test_no_webhook_is_registered_at_a_host_that_the_tenant_does_not_permit(
    registering: Registering, rules: dict[str, tuple[str, ...]]
) -> None:
    await registering.save(f"127.0.0.1:{registering.port}")
    registering.rules.rules = rules
    failure = await registering.publish()
    assert failure is not None
    assert (failure.code, failure.detail) == (FailureCode.EGRESS_REFUSED, "host_rules")
    assert registering.heard == []
    registering.rules.rules = {}
    assert await registering.publish() is None
    assert registering.heard == ["POST /v1/P/hooks"]


async def test_no_webhook_is_registered_by_a_connection_that_is_for_other_hosts(registering: Registering) -> None:
    await registering.save("acme.example")
    failure = await registering.publish()
    assert failure is not None
    assert (failure.code, failure.detail) == (FailureCode.CONNECTION_MISSING, "host")
    assert registering.heard == []


async def test_no_webhook_is_registered_at_an_address_that_the_guard_refuses(registering: Registering) -> None:
    guarded = Registering(registering.database, registering.folder, registering.port, registering.heard, ())
    await guarded.save(f"127.0.0.1:{guarded.port}")
    failure = await guarded.publish()
    assert failure is not None
    assert failure.code is FailureCode.EGRESS_REFUSED
    assert guarded.heard == []
    await guarded.parts.web.close()
