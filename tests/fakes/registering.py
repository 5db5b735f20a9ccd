"""A control plane that registers webhooks of one connector at its vendor, on a real database file. Used by tests."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.connectors.caller import Caller, JiraSite
from blubees.flows.check_trigger import names_secret
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService, Published
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal
from blubees.model.connector import Connector
from blubees.model.ids import ConnectionName, FlowId, TenantId
from blubees.operations.audit import AuditLog
from blubees.operations.registrations import Registrations
from blubees.operations.vendor_calls import VaultDesk, VendorCalls
from blubees.ports import Events, WebClient
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.secrets import VaultService
from fakes.boards import FakeBoard
from fakes.connectors import FakeShelf
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock

FLOW = FlowId("my-flow")


class HasVault(Protocol):
    """A world with a vault."""

    vault: VaultService


Made = TypeVar("Made", bound=HasVault)


def tell_nobody(_event: str, /, **_fields: object) -> None:
    """Port Events."""


def make_registrations(
    database: Database,
    vault: VaultService,
    calls: VendorCalls,
    clock: FakeClock,
    chance: FakeChance,
    log: AuditLog,
    tell: Events = tell_nobody,
) -> Registrations:
    """Make what registers webhooks, reached at bees.example."""
    places: dict[str, Any] = {"public_url": "https://bees.example", "renewals": database.renewals}
    return Registrations(database.registrations, vault, calls, clock, chance, log, tell, **places)


@asynccontextmanager
async def open_world(folder: Path, make: Callable[[Database, Path], Made]) -> AsyncIterator[Made]:
    """Make a world on a database, with the connection `team` to a vendor called acme."""
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'flows.sqlite3'}")
    await database.prepare()
    made = make(database, folder)
    await made.vault.save(
        TENANT, name="team", kind=ConnectionKind.BEARER, hosts=("acme.example",), secret="t0ken", settings={"connector": "acme"}
    )
    yield made
    await database.close()


class Registering:
    """It has a connection `team` to the vendor, and one flow."""

    def __init__(self, database: Database, folder: Path, web: WebClient, connector: Connector) -> None:
        self.clock, chance, self.connector = FakeClock(), FakeChance(), connector
        keyring = Keyring(database.keys, LocalKeyProvider(folder / "local.key"), chance, self.clock)
        self.vault = VaultService(database.connections, keyring, self.clock, chance)
        desk, clock = VaultDesk(), self.clock

        async def open_lease(tenant: TenantId, name: ConnectionName, *_: object) -> Lease | LeaseRefusal:
            return await self.vault.open_lease(tenant, name)

        desk.open_lease = open_lease
        calls = VendorCalls(lambda tenant: Caller(tenant, web, desk, clock, chance, JiraSite("", "", lambda: None)), clock)
        log = AuditLog(database.audit, clock, chance)
        self.registrations = make_registrations(database, self.vault, calls, clock, chance, log)
        self.flows = FlowService(
            database.flows, FakeBoard(), Timetable(database.schedules, clock), clock, chance, load_book(),
            connectors=FakeShelf({connector.name: connector}), registrar=self.registrations,
        )  # fmt: skip

    async def connect(self, secret: str) -> None:
        """Add the connection, to the connector's own host."""
        values = {name: each.default or each.example for name, each in self.connector.parameters.items()}
        host = self.connector.base_url.format(**values).split("/")[2]
        settings = {f"param_{name}": text for name, text in values.items()}
        await self.vault.save(TENANT, name="signs", kind=ConnectionKind.SIGNING_SECRET, secret="theirs")
        await self.vault.save(TENANT, name="team", kind=ConnectionKind.BEARER, hosts=(host,), secret=secret, settings=settings)

    async def publish(self, trigger: str, inputs: dict[str, Any], flow: FlowId = FLOW) -> Published:
        """Publish the flow with a trigger of the connector."""
        chosen = {"on": f"{self.connector.name}.{trigger}", "connection": "team", "inputs": inputs}
        hook = self.connector.triggers[trigger].hook
        if hook is not None and hook.scheme != "none" and not names_secret(hook.register_inputs):
            chosen["signing"] = "signs"  # the vendor's own
        text = f"id: {flow}\nname: F\ntrigger: {json.dumps(chosen)}\nsteps: [{{id: a, kind: stop}}]\n"
        checked = await self.flows.save_draft(TENANT, text)
        assert checked.flow is not None, checked.problems
        return await self.flows.publish(TENANT, flow)
