"""Control planes that keep grants, on a real database file, beside Authlib's server. Used by tests/vault."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.connection import Connection, ConnectionKind, Lease, OpenConnection
from blubees.model.grant import Grant
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebRequest
from blubees.ports import AnswerStream
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.asking import Asker
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.keeping import GrantKeeper
from blubees.vault.oauth.tokens import Tokens, read_tokens
from blubees.vault.secrets import VaultService
from fakes.keys import RSA_KEY, RSA_PEM, write_public
from fakes.machine import FakeChance, FakeClock
from fakes.oauth_server import Client, OAuthServer, run_oauth_server

A = TenantId("t" + "a" * 24)
NAME = ConnectionName("mine")
BACK = "https://bees.example.com/oauth/callback"
SECRET = "s3cr3t-client-hfkqpwzm"


class CrashError(BaseException):
    """The process ends here."""


class Way:
    """Port WebClient: the guarded one, with a place to crash at once the vendor has answered."""

    def __init__(self, client: GuardedWebClient) -> None:
        self.client, self.crashes = client, False

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        answer = await self.client.call(request)
        if self.crashes:
            raise CrashError
        return answer

    async def open(self, request: WebRequest, body: SentBody | None = None) -> AnswerStream | WebFailure:
        return await self.client.open(request, body)

    async def close(self) -> None:
        await self.client.close()


class Process:
    """One control plane."""

    def __init__(self, world: "World") -> None:
        self.chance = FakeChance()
        self.chance.count = 1_000 * (len(world.processes) + 1)
        self.events: list[tuple[str, dict[str, object]]] = []
        self.lived: list[ConnectionName] = []
        keyring = Keyring(world.database.keys, world.provider, self.chance, world.clock)
        self.vault = VaultService(world.database.connections, keyring, world.clock, self.chance)
        self.keeper = GrantKeeper(self.vault, world.database.grants, world.clock, self.tell, self.live)
        self.web = Way(world.client)
        self.grants = GrantService(
            self.vault, world.database.grants, self.keeper, self.web, world.clock, self.chance, self.tell
        )

    def tell(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    async def live(self, _tenant: TenantId, name: ConnectionName) -> None:
        self.lived.append(name)

    async def lease(self, refused: str = "") -> Lease:
        found = await self.grants.open_lease(A, NAME, refused)
        assert isinstance(found, Lease), found
        return found


class World:
    def __init__(self, folder: Path, database: Database, server: OAuthServer) -> None:
        self.database, self.server, self.clock = database, server, FakeClock(int(time.time() * 1_000))
        self.provider = LocalKeyProvider(folder / "keys" / "local.key")
        self.client = GuardedWebClient(frozenset({urlsplit(server.url).port or 0}))
        self.processes: list[Process] = []

    def start(self) -> Process:
        self.processes.append(Process(self))
        return self.processes[-1]

    async def save(self, kind: ConnectionKind = ConnectionKind.OAUTH2_CODE, **more: str) -> Connection:
        facts = {"client_id": "app", "token_url": self.server.url + "/token", "scopes": "read"}
        facts |= {"authorize_url": self.server.url + "/authorize"} if kind is ConnectionKind.OAUTH2_CODE else {}
        secrets = {"client_secret": SECRET}
        if kind in {ConnectionKind.OAUTH2_JWT, ConnectionKind.JWT}:
            secrets = {"private_key": RSA_PEM}
        if kind is ConnectionKind.JWT:
            facts = {"issuer_of_jwt": "app"}
        return await self.processes[0].vault.save(
            A, name="mine", kind=kind, hosts=("api.example.com",), secrets=secrets, settings=facts | more
        )

    async def consent(self, process: Process) -> Tokens:
        """A person says yes, and what is given is kept."""
        opened = await process.vault.open(A, NAME)
        assert opened is not None
        connection = opened.connection
        asker = Asker(connection.kind, connection.settings, opened.secrets, name="j", now_milliseconds=0)
        url = asker.write_authorize_url(redirect_uri=BACK, state="s", verifier="v" * 43, scopes=("read",))
        code = parse_qs(urlsplit(self.server.consent(url)).query)["code"][0]
        answer = await self.client.call(asker.redeem_code(code, redirect_uri=BACK, verifier="v" * 43))
        tokens = read_tokens(answer, connection.kind, connection.settings, self.clock.now_milliseconds())
        assert isinstance(tokens, Tokens)
        assert await process.keeper.put(opened, tokens, ("read",)) is not None
        return tokens

    async def opened(self) -> OpenConnection:
        found = await self.processes[0].vault.open(A, NAME)
        assert found is not None
        return found

    async def grant(self) -> Grant:
        found = await self.database.grants.load(A, NAME)
        assert found is not None
        return found


@asynccontextmanager
async def run_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Make one."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setattr("blubees.vault.oauth.grants.WAIT_SECONDS", 0.01)
    monkeypatch.setattr("blubees.vault.oauth.keeping.SAVE_AGAIN_SECONDS", 0.01)
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    server = OAuthServer(clients={"app": Client("app", SECRET, "client_secret_basic", (BACK,), write_public(RSA_KEY))})
    async with run_oauth_server(server):
        made = World(tmp_path, database, server)
        yield made
        await made.client.close()
    await database.close()
