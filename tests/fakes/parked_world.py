"""Everything that parking takes, in one process: a run, a Jira with properties, a real database, a control plane's service."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from blubees.adapters.database import Database, open_database
from blubees.adapters.keys import LocalKeyProvider
from blubees.engine.journal import Journal
from blubees.engine.mail import CallBackAddresses, MailRoom
from blubees.engine.message import RunMessage, open_run
from blubees.engine.runner import Answered, Ended, Parked, Runner
from blubees.engine.surroundings import Surroundings
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.field_names import FieldNames
from blubees.model.ids import TenantId
from blubees.model.order import Clear, Order, Wake
from blubees.model.receipt import RunReceipt
from blubees.model.settings import Parking, TenantSettings
from blubees.operations.parking import ParkingService
from blubees.steps.book import load_book
from blubees.vault.keyring import Keyring
from blubees.vault.run_keys import RunKeys
from blubees.vault.seal import Sealer
from fakes.boards import FakeBoard
from fakes.engine import FakeCheckpoints, FakeLine, FakeQueue, make_message, make_plan
from fakes.machine import FakeChance, FakeClock
from fakes.parking import FakeDesk, FakeMail, FakeProperties, make_parker

SEALER = Sealer(b"k" * 32, FakeChance())


class FakeOrders:
    """Port OrderBox."""

    def __init__(self) -> None:
        self.given: list[Order] = []

    async def send(self, order: Order, *, name: str) -> None:
        assert name
        self.given.append(order)


class ParkedWorld:
    """One run of one flow."""

    def __init__(self, database: Database, folder: Path, steps: str, trigger: str) -> None:
        self.plan = make_plan(steps, trigger=trigger)
        self.database, self.clock, chance = database, FakeClock(), FakeChance()
        self.jira, self.queue, self.orders, self.board = FakeProperties(), FakeQueue(), FakeOrders(), FakeBoard()
        keyring = Keyring(database.keys, LocalKeyProvider(folder / "local.key"), chance, self.clock)
        flows = FlowService(
            database.flows, self.board, Timetable(database.schedules, self.clock), self.clock, chance, load_book()
        )
        self.service = ParkingService(
            database.parked,
            RunKeys(keyring, chance),
            self.orders,
            flows,
            self.clock,
            self.find_settings,
            self,
            database.runs.load,
        )
        self.parking = Parking.ALLOW
        self.desk = FakeDesk(self.service.answer_desk)
        self.ended: list[RunReceipt] = []
        self.room = MailRoom(FakeMail(), self.desk, SEALER)
        self.call_backs = CallBackAddresses(self.desk, "https://hooks.example.com", self.clock)
        self.listening: list[TenantId] = []
        self.parker = make_parker(self.queue, desk=self.desk, jira=self.jira, room=self.room, ended=self.ended.append)
        self.store, self.asked, self.sent = FakeCheckpoints(), list[str](), list[Call]()
        self.dies_at = ""
        self.field_names = FieldNames()

    async def post(self, tenant: TenantId) -> None:
        """Port WaiterBoard."""
        self.listening.append(tenant)

    async def watch(self, changed: Callable[[TenantId], None]) -> None:
        """Nobody asks."""

    async def find_settings(self, tenant: TenantId) -> TenantSettings:
        return TenantSettings(tenant=tenant, parking=self.parking)

    def answer(self, call: Call) -> CallAnswer | Failure:
        name = call.url.removeprefix("https://a.example.com/")
        if name == self.dies_at:
            self.dies_at = ""
            raise KeyboardInterrupt  # what SIGKILL does to a walk
        self.asked.append(name)
        self.sent.append(call)
        content = json.dumps({"name": name}).encode()
        return CallAnswer(status=200, headers={"content-type": "application/json"}, body=content)

    async def perform(self, message: RunMessage, *, deliveries: int = 1) -> Ended | Answered | Parked:
        """Perform a run as far as it comes."""
        journal = Journal(self.store, SEALER, self.clock, message)
        if deliveries > 1:
            message.state = await journal.load() or message.state
        around = Surroundings(mail=self.room, call_backs=self.call_backs, field_names=self.look_up)
        runner = Runner(self.clock, lambda _tenant: FakeLine(self.answer), around=around)
        return await runner.perform(self.plan, message, journal=journal, deliveries=deliveries)

    async def look_up(self, _tenant: TenantId) -> FieldNames | Failure:
        """Give the names of the site's fields."""
        return self.field_names

    async def start(self, body: object) -> Parked:
        """Perform it until it waits, and park it."""
        message = make_message(json.dumps(body).encode())
        message.trigger = self.plan.published.flow.trigger.on
        end = await self.perform(message)
        assert isinstance(end, Parked)
        assert await self.parker.park(end.message, end.waits) is None
        self.store.kept.clear()
        return end

    async def carry_out(self) -> list[RunMessage]:
        """Carry out the orders that were given; gives the runs that came back into the queue."""
        before = len(self.queue.put_runs)
        for order in self.orders.given:
            if isinstance(order, Wake):
                await self.parker.wake(order)
            elif isinstance(order, Clear):
                await self.parker.clear(order)
        self.orders.given.clear()
        return [open_run(tenant, sealed, SEALER) for tenant, _, sealed, _ in self.queue.put_runs[before:]]

    async def wake(self, seconds: float = 0) -> Ended | Answered | Parked:
        """Let time pass, and perform the run that comes back."""
        self.clock.advance(seconds)
        await self.service.wake_due()
        runs = await self.carry_out()
        assert len(runs) == 1
        return await self.perform(runs[0])

    async def end(self, end: Ended | Answered | Parked) -> RunReceipt:
        """Hand in the receipt of the run, and clear up after it."""
        assert isinstance(end, Ended)
        await self.service.finish_runs([end.receipt])
        await self.carry_out()
        return end.receipt


@asynccontextmanager
async def park_world(folder: Path, steps: str, trigger: str = "webhook") -> AsyncIterator[ParkedWorld]:
    """Make one."""
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'db.sqlite3'}")
    await database.prepare()
    yield ParkedWorld(database, folder, steps, trigger)
    await database.close()
