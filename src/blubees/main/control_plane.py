"""The control plane process: database, vault, operator API, ledger. Never receives payload.

Started by main/supervisor.py as `python -m blubees.main.control_plane`; reads its settings from standard input.
"""

import asyncio
import contextlib
import gc
import hashlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
import uvloop
from fastapi import FastAPI

from blubees.adapters.broker.boards import NatsPlanBoard, NatsSettingsBoard
from blubees.adapters.broker.cancels import NatsCancelBoard
from blubees.adapters.broker.leases import NatsLeaseDesk
from blubees.adapters.broker.mail import NatsWaiterBoard
from blubees.adapters.broker.orders import NatsOrders
from blubees.adapters.broker.parking import NatsParkingDesk
from blubees.adapters.broker.receipts import NatsReceiptBox
from blubees.adapters.broker.replays import NatsReplayStore
from blubees.adapters.broker.seen import NatsSeenDesk
from blubees.adapters.broker.sign_offs import NatsSignOffDesk
from blubees.adapters.broker.size import Surveyor, describe_size
from blubees.adapters.database import open_database
from blubees.adapters.library_log import tell_library_logs
from blubees.adapters.machine import EventLog, SystemChance, SystemClock
from blubees.connectors.tenant_shelf import TenantShelf
from blubees.doors.operator_api import OperatorServices, create_operator_api
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.main.broker_line import connect
from blubees.main.connectors import build_action_trials, build_connectors
from blubees.main.memory import furnish_forever
from blubees.main.oauth_parts import build_oauth
from blubees.main.settings import ProcessStart, Settings, decode_start
from blubees.main.vault_parts import build_farewell, build_vault
from blubees.main.vendor_parts import build_vendor_parts
from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId
from blubees.model.receipt import Fired, Receipt, RunAccepted, RunReceipt, TenantSeen
from blubees.operations.farewell import Farewell
from blubees.operations.ledger import Ledger
from blubees.operations.parking import AT_ONCE, ParkingService
from blubees.operations.recovery import Recovery
from blubees.operations.renewals import Renewals
from blubees.operations.run_control import RunControl
from blubees.operations.schedules import Scheduler
from blubees.operations.seen import SeenService
from blubees.operations.settings import SettingsService
from blubees.operations.sign_offs import SignOffService
from blubees.operations.tenants import TenantService
from blubees.operations.tickets import TicketDesk
from blubees.ports import Clock, Events, ReceiptBox
from blubees.steps.book import load_book
from blubees.vault.run_keys import RunKeys
from blubees.vault.seal import Sealer

RETRY_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 0.5
COLLECTOR_THRESHOLDS: Final = (20_000, 50, 100)  # as a conduit's: code stays, and receipts have no cycles


class ReceiptKeeper:
    """Brings receipts from the broker into the database; counts what was refused for its type."""

    def __init__(
        self,
        box: ReceiptBox,
        ledger: Ledger,
        tenants: TenantService,
        scheduler: Scheduler,
        parking: ParkingService,
        farewell: Farewell,
        flows: FlowService,
        events: Events,
    ) -> None:
        self._box, self._ledger, self._tenants, self._scheduler, self._flows = box, ledger, tenants, scheduler, flows
        self._parking, self._farewell, self._events = parking, farewell, events
        self.refused = 0

    async def keep_forever(self) -> None:
        """Keep receipts until cancelled. A batch is finished only after it is in the database."""
        async for receipts, refused, finish in self._box.collect():
            if refused:
                self.refused += refused
                self._events("receipts_refused", count=refused)
            while not await self._keep(receipts):  # noqa: ASYNC110 - no event tells that a database is back
                await asyncio.sleep(RETRY_SECONDS)
            await finish()

    async def _keep(self, receipts: Sequence[Receipt]) -> bool:
        try:
            await self._ledger.record([each for each in receipts if isinstance(each, RunReceipt | RunAccepted)])
            await self._parking.finish_runs([each for each in receipts if isinstance(each, RunReceipt)])
            for receipt in receipts:
                if isinstance(receipt, TenantSeen):
                    await self._tenants.record(receipt)
                    if receipt.uninstalled:
                        await self._farewell.say(receipt)
                        row = await self._tenants.load(TenantId(receipt.tenant))
                        if row is not None and row.seen.uninstalled:  # and not installed again since
                            await self._flows.take_down(TenantId(receipt.tenant))
                        await self._parking.forget_tenant(TenantId(receipt.tenant))
                elif isinstance(receipt, Fired):
                    await self._scheduler.note(receipt)
        except UnavailableError:
            self._events("database_unavailable")
            return False
        return True


async def wake_forever(parking: ParkingService, events: Events) -> None:
    """Wake parked runs when their waits are over, until cancelled."""
    is_away = False
    while True:
        try:
            count = await parking.wake_due()
            is_away = False
        except UnavailableError:
            count = 0
            if not is_away:
                events("waking_unavailable")
            is_away = True
        if count < AT_ONCE:
            await asyncio.sleep(WAKE_SECONDS)


def write_operator_file(data: Path, url: str, token: str) -> None:
    """Tell the command line where the control plane is: readable for this user only, replaced in one move."""
    path = data / "operator.json"
    fresh = data / "operator.json.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode({"url": url, "token": token}))
    fresh.replace(path)


def open_door(start: ProcessStart, api: FastAPI) -> tuple[uvicorn.Server, socket.socket]:
    """Make the operator API's server, and tell the command line where it is."""
    listener = socket.socket(fileno=start.listen_fd)
    host, port = listener.getsockname()[:2]
    write_operator_file(start.settings.data, f"http://{host}:{port}", start.operator_token)
    config = uvicorn.Config(api, loop="none", lifespan="off", log_config=None, access_log=False, server_header=False, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server, listener


async def run_control_plane(start: ProcessStart, events: Events) -> None:
    """Run until SIGTERM or SIGINT."""
    settings = start.settings
    clock, chance = SystemClock(), SystemChance()
    database = await open_database(settings.database_url or f"sqlite+aiosqlite:///{settings.data / 'blubees.sqlite3'}")
    await database.prepare()
    broker = await connect(start)
    waiter_board = NatsWaiterBoard(broker)
    tenant_settings = SettingsService(database.settings, NatsSettingsBoard(broker))
    timetable = Timetable(database.schedules, clock)
    parts = build_vault(start, database, clock, chance)
    vendors = build_vendor_parts(
        settings, database, parts, tenant_settings.load, clock, chance, events, TenantShelf(database.connectors)
    )
    flows = FlowService(
        database.flows,
        NatsPlanBoard(broker),
        timetable,
        clock,
        chance,
        load_book(),
        find_settings=tenant_settings.load,
        connectors=vendors.shelf,
        list_connections=database.connections.list,
        registrar=vendors.registrations,
    )

    async def fill_boards() -> None:
        await flows.post_all()
        for tenant in await database.parked.list_listening():
            await waiter_board.post(tenant)
        await tenant_settings.post_all()

    await broker.create_streams(fill_boards)
    sealer = Sealer(start.lease_key, chance)
    seen = SeenService(database.seen, parts.keyring, clock)
    await NatsSeenDesk(broker, sealer.seal, sealer.unseal).serve(seen.ask)
    ledger, tenants = Ledger(database.runs), TenantService(database.tenants)
    scheduler = Scheduler(database.schedules, NatsOrders(broker), flows.mend_timetable, clock, events)
    parking = ParkingService(
        database.parked,
        RunKeys(parts.keyring, chance),
        NatsOrders(broker),
        flows,
        clock,
        tenant_settings.load,
        waiter_board,
        database.runs.load,
    )
    await NatsParkingDesk(broker, sealer.seal, sealer.unseal).serve(parking.answer_desk)
    sign_offs = SignOffService(database.sign_offs, parking, NatsOrders(broker), clock)
    await NatsSignOffDesk(broker, sealer.seal, sealer.unseal).serve(sign_offs.answer_desk)
    oauth = build_oauth(
        start,
        database,
        parts,
        parking,
        flows,
        tenant_settings.load,
        vendors.registrations,
        clock=clock,
        chance=chance,
        events=events,
    )
    vendors.desk.open_lease = oauth.clerk.answer_own
    await NatsLeaseDesk(broker, sealer.seal, sealer.unseal).serve(oauth.clerk.answer)
    farewell = build_farewell(parts, database, clock, events)
    keeper = ReceiptKeeper(NatsReceiptBox(broker), ledger, tenants, scheduler, parking, farewell, flows, events)

    surveyor = Surveyor(broker)

    async def tell_readiness() -> Mapping[str, object]:
        size, has_database = await surveyor.survey(), await database.is_there()
        return {
            "ready": broker.is_connected and has_database,
            "whole": size.is_whole and has_database,
            "process": "control_plane",
            "broker": describe_size(broker, size),
            "database": {"answers": has_database},
            "receipts_refused": keeper.refused,
        }

    services = OperatorServices(
        flows=flows,
        connections=oauth.connections,
        connection_tests=vendors.tests,
        grants=oauth.desk,
        connectors=build_connectors(
            database.connectors, flows, settings, tenant_settings.load, clock, chance, oauth.clerk.answer_own
        ),
        action_trials=build_action_trials(
            database.connectors, NatsPlanBoard(broker), _give_tickets(flows, sealer, clock, settings)
        ),
        ledger=ledger,
        tenants=tenants,
        settings=tenant_settings,
        scheduler=scheduler,
        tickets=_give_tickets(flows, sealer, clock, settings),
        parking=parking,
        control=RunControl(
            ledger,
            parking,
            NatsCancelBoard(broker),
            NatsReplayStore(broker),
            NatsOrders(broker),
            flows.post_version,
            clock,
            chance,
        ),
        sign_offs=sign_offs,
        vault_keys=parts.keys,
        webhooks=vendors.registrations,
        readiness=tell_readiness,
    )
    api = create_operator_api(services, hashlib.sha256(start.operator_token.encode()).hexdigest())
    server, listener = open_door(start, api)
    stopping = _catch_signals()
    recovery = Recovery(database.runs, NatsOrders(broker), flows.post_version, clock, events, parking.wake_if_parked)
    rounds = [
        asyncio.create_task(keeper.keep_forever()),
        asyncio.create_task(scheduler.fire_forever()),
        asyncio.create_task(furnish_forever(broker, fill_boards, recovery.learn_epoch, events)),
        asyncio.create_task(seen.purge_forever(events)),
        asyncio.create_task(parts.log.purge_forever(events)),
        asyncio.create_task(farewell.see_to_all_forever()),
        asyncio.create_task(wake_forever(parking, events)),
        asyncio.create_task(sign_offs.see_to_all_forever(events)),
        asyncio.create_task(recovery.recover_forever()),
        asyncio.create_task(oauth.grants.renew_due_forever()),
        asyncio.create_task(
            Renewals(database.renewals, database.registrations, flows, vendors.calls, clock, events).renew_forever()
        ),
        asyncio.create_task(vendors.registrations.removals.see_to_all_forever()),
    ]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stop = asyncio.create_task(stopping.wait())
    events("control_plane_ready")
    await asyncio.wait({*rounds, serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await asyncio.wait({serving})
    for each in rounds:
        each.cancel()
    await asyncio.wait(rounds)
    for each_part in (services.connectors, vendors.web, oauth, broker, database):
        await each_part.close()
    events("control_plane_stopped")


def _give_tickets(flows: FlowService, sealer: Sealer, clock: Clock, settings: Settings) -> TicketDesk:
    return TicketDesk(flows, sealer, clock, f"http://127.0.0.1:{settings.port}" if settings.port else "")


def _catch_signals() -> asyncio.Event:
    """Have SIGTERM and SIGINT set an event."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def main() -> int:
    """Start: read, run."""
    start = decode_start(sys.stdin.buffer.readline())
    events = EventLog(sys.stdout.buffer)
    tell_library_logs(events, start.settings.log_level)
    sys.excepthook = lambda kind, _error, _trace: events("control_plane_crashed", error=kind.__name__)
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_control_plane(start, events))
    return 0


if __name__ == "__main__":
    sys.exit(main())
