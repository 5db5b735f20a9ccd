"""From the address of an MCP server that wants OAuth to a call of its tool: found, registered, said yes to, called, renewed."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import pytest

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.actions.perform import compile_action
from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.catalogue_shelf import CatalogueShelf
from blubees.connectors.importers.mcp import read_mcp
from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.model.call import Call
from blubees.model.connection import Connection, ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.errors import InputError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.grant import ConsentState
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.settings import SettingsShelf, TenantSettings
from blubees.operations.audit import AuditLog
from blubees.operations.client_registration import ClientRegistrar
from blubees.operations.connections import ConnectionService
from blubees.operations.connector_asking import Send
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.consents import ConsentService
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.keeping import GrantKeeper
from blubees.vault.secrets import VaultService
from fakes.machine import FakeChance, FakeClock
from fakes.mcp_house import House, make_house
from fakes.third_parties import CallingTools, serve

A = TenantId("t" + "a" * 24)
NAME = ConnectionName("house")
BACK = "http://127.0.0.1:1/oauth/callback"


class World:
    """A control plane's connections beside one MCP server; port LeaseDesk."""

    def __init__(self, database: Database, folder: Path, port: int, house: House) -> None:
        self.url, self.house, self.folder = f"http://127.0.0.1:{port}/mcp", house, folder
        self.clock = clock = FakeClock(int(time.time() * 1_000))
        chance = FakeChance()
        self.rules = SettingsShelf()
        self.web = GuardedWebClient(frozenset({port}), find_judge=self.rules.find_judge)
        keyring = Keyring(database.keys, LocalKeyProvider(folder / "keys" / "local.key"), chance, clock)
        self.vault = VaultService(database.connections, keyring, clock, chance)

        async def live(_tenant: TenantId, _name: ConnectionName) -> None: ...
        async def choose(connection: Connection) -> tuple[str, ...]:
            return tuple(connection.settings.get("scopes", "").split())

        def tell(_event: str, /, **_fields: object) -> None: ...

        keeper = GrantKeeper(self.vault, database.grants, clock, tell, live)
        self.grants = GrantService(self.vault, database.grants, keeper, self.web, clock, chance, tell)
        self.consents = ConsentService(
            self.vault, database.grants, keeper, keyring, self.web, clock, chance, tell, callback=BACK, choose_scopes=choose
        )
        self.caller = Caller(A, self.web, self, clock, chance, JiraSite("", "", lambda: None))
        self.log = AuditLog(database.audit, clock, chance)
        clients = ClientRegistrar(
            lambda tenant: Caller(tenant, self.web, self, clock, chance, JiraSite("", "", lambda: None)).call, BACK
        )
        self.connections = ConnectionService(self.vault, keeper, self.grants, CatalogueShelf(), self.log, clients=clients)

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        return await self.grants.open_lease(tenant, name, refused, use)

    async def say_yes(self) -> tuple[ConsentState, str]:
        """A person opens the address in a browser, says yes, and is sent back."""
        begun = await self.consents.begin(A, NAME, "me")
        going = await self.consents.go_on(parse_qs(urlsplit(begun.url).query)["state"][0])
        assert going is not None
        async with aiohttp.ClientSession() as browser, browser.get(going.url, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            back = answer.headers["Location"]
        assert back.startswith(BACK)
        done = await self.consents.take_answer(dict(parse_qsl(urlsplit(back).query)), {going.cookie: going.proof})
        assert done is not None
        return done.state, done.outcome


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    house = House()
    async with serve(lambda port: make_house(house, port)) as port:
        made = World(database, tmp_path, port, house)
        yield made
        await made.consents.close()
        await made.web.close()
    await database.close()


async def test_from_an_address_to_a_tools_call(world: World) -> None:
    saved = await world.connections.save(A, name=NAME, kind=None, mcp=world.url)
    (client,) = world.house.clients.values()
    assert (saved.kind, saved.hosts) == (ConnectionKind.OAUTH2_CODE, (urlsplit(world.url).netloc,))
    assert {name: saved.settings[name] for name in ("client_id", "client_auth", "resource", "scopes")} == {
        "client_id": client.client_id,
        "client_auth": "body",
        "resource": world.url,
        "scopes": "tools",
    }
    assert client.client_secret is not None
    assert [each.field for each in saved.fields] == ["client_secret"]
    assert client.client_secret.encode() not in b"".join(file.read_bytes() for file in world.folder.glob("db.sqlite3*"))
    assert [each.detail for each in await world.log.list(A)] == ["registered"]

    assert await world.say_yes() == (ConsentState.DONE, "")
    document = await ask_tools(world.caller.call, world.url, NAME)
    assert isinstance(document, bytes), document
    connector = read_mcp(document, "house", url=world.url).connector
    enter = compile_action(connector, "enter", {})
    tools = CallingTools(world.caller.call)
    found = await enter({"name": "Olha", "connection": NAME}, tools)
    assert isinstance(found, dict), found
    assert found["structured"] == {"hello": "Olha", "client": client.client_id}

    world.house.end_tokens()
    world.clock.advance(120)  # a younger token would be refused for another reason
    found = await enter({"name": "Ivan", "connection": NAME}, tools)
    assert isinstance(found, dict), found
    assert found["structured"]["hello"] == "Ivan"
    assert world.house.refreshed == 1


async def test_a_client_that_a_person_names_is_used_and_none_is_registered(world: World) -> None:
    settings = {"client_id": "mine", "client_auth": "none"}
    saved = await world.connections.save(A, name=NAME, kind=None, mcp=world.url, settings=settings)
    assert (saved.settings["client_id"], saved.settings["client_auth"]) == ("mine", "none")
    assert saved.settings["token_url"].endswith("/token")
    assert world.house.clients == {}


async def test_a_connector_that_was_imported_registers_as_well(world: World) -> None:
    place = world.url.removesuffix("mcp")
    settings = {"authorize_url": f"{place}authorize", "token_url": f"{place}token", "registration_url": f"{place}register"}
    saved = await world.connections.save(A, name=NAME, kind=ConnectionKind.OAUTH2_CODE, hosts=("a.example",), settings=settings)
    assert saved.settings["client_id"] in world.house.clients
    again = await world.connections.save(A, name=NAME, kind=ConnectionKind.OAUTH2_CODE, hosts=("a.example",), settings=settings)
    assert again.settings["client_id"] != saved.settings["client_id"]


async def test_where_nobody_registers_a_client_id_is_asked_for(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    house = House(registers=False)
    async with serve(lambda port: make_house(house, port)) as port:
        world = World(database, tmp_path, port, house)
        with pytest.raises(InputError) as raised:
            await world.connections.save(A, name=NAME, kind=None, mcp=world.url)
        await world.web.close()
    await database.close()
    assert f"127.0.0.1:{port} does not let clients register themselves" in raised.value.for_user
    assert BACK in raised.value.for_user
    assert "--setting client_id=" in raised.value.for_user


async def test_a_registration_that_is_refused_is_told_and_nothing_is_kept(world: World) -> None:
    with pytest.raises(InputError) as raised:
        await world.connections.save(A, name=NAME, kind=None, mcp=world.url, settings={"scopes": "everything"})
    assert "invalid_client_metadata" in raised.value.for_user
    assert "everything" not in raised.value.for_user
    assert "--setting client_id=" in raised.value.for_user
    assert await world.connections.list(A) == ()
    assert world.house.clients == {}


async def test_a_host_that_the_tenant_does_not_permit_is_neither_asked_nor_registered_at(world: World) -> None:
    world.rules.learn(TenantSettings(tenant=A, egress_deny=("127.0.0.1",)))
    place = world.url.removesuffix("mcp")
    settings = {"authorize_url": f"{place}authorize", "token_url": f"{place}token", "registration_url": f"{place}register"}
    for more in ({"mcp": world.url}, {"kind": ConnectionKind.OAUTH2_CODE, "settings": settings}):
        with pytest.raises(InputError, match="host_rules"):
            await world.connections.save(A, **{"name": NAME, "kind": None, "hosts": ("a.example",), **more})  # type: ignore[arg-type]
    assert world.house.clients == {}


async def test_what_is_no_such_server_is_told(world: World) -> None:
    place = world.url.removesuffix("mcp")
    for url, words in (
        (f"{place}other", "does not say that it speaks OAuth"),
        ("mcp.example.com", "whole address"),
        ("https://127.0.0.1:1/mcp", "not one that flows may reach"),
    ):
        with pytest.raises(InputError) as raised:
            await world.connections.save(A, name=NAME, kind=None, mcp=url)
        assert words in raised.value.for_user, raised.value.for_user


async def test_a_server_that_is_away_is_told_as_such_and_so_is_a_tenants_rule() -> None:
    found = Failure(code=FailureCode.TIMEOUT)

    def make_send(tenant: TenantId) -> Send:
        assert tenant == A

        async def send(_call: Call) -> Failure:
            return found

        return send

    clients = ClientRegistrar(make_send, BACK)
    settings = {"registration_url": "https://as.example/register"}
    with pytest.raises(UnavailableError):
        await clients.prepare(A, "https://mcp.example/mcp", {})
    with pytest.raises(UnavailableError):
        await clients.register(A, settings)
    found = Failure(code=FailureCode.EGRESS_REFUSED, detail="host_rules")
    for asking in (clients.prepare(A, "https://mcp.example/mcp", {}), clients.register(A, settings)):
        with pytest.raises(InputError, match="host_rules") as raised:
            await asking
        assert "client_id" not in raised.value.for_user
    assert await clients.register(A, settings | {"client_id": "c1"}) is None
    assert await clients.register(A, {}) is None
