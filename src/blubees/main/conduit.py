"""A conduit process: takes events in, performs runs, calls third parties. Sees payload, and can't write.

Started by main/supervisor.py as `python -m blubees.main.conduit`; reads its settings from standard input. Everything is
imported and every kind found before the lock.
"""

import asyncio
import contextlib
import dataclasses
import gc
import hashlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Final

import uvicorn
import uvloop

from blubees.adapters.broker.boards import NatsPlanBoard, NatsSettingsBoard, NatsTokenBoard
from blubees.adapters.broker.cancels import NatsCancelBoard
from blubees.adapters.broker.checkpoints import NatsCheckpointStore
from blubees.adapters.broker.gates import NatsGateStore
from blubees.adapters.broker.leases import NatsLeaseDesk
from blubees.adapters.broker.link import Broker
from blubees.adapters.broker.mail import NatsMailStore, NatsWaiterBoard
from blubees.adapters.broker.orders import NatsOrders
from blubees.adapters.broker.parking import NatsParkingDesk
from blubees.adapters.broker.receipts import NatsReceiptBox
from blubees.adapters.broker.replays import NatsReplayStore
from blubees.adapters.broker.runs import NatsRunQueue
from blubees.adapters.broker.seen import NatsSeenDesk
from blubees.adapters.broker.sign_offs import NatsSignOffDesk
from blubees.adapters.broker.size import Surveyor, describe_size
from blubees.adapters.broker.traces import NatsTraceStore
from blubees.adapters.library_log import tell_library_logs
from blubees.adapters.lockdown import LockReport, lock_process
from blubees.adapters.machine import EventLog, SystemChance, SystemClock
from blubees.adapters.protocols import make_protocols
from blubees.adapters.protocols.router import ProtocolRouter
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.catalogue import load_twins
from blubees.connectors.field_names import FieldDirectory
from blubees.connectors.pace import PaceBook
from blubees.connectors.rich_text import adf_schema
from blubees.connectors.watched import WatchedCaller
from blubees.doors.call_backs import CallBackDoor
from blubees.doors.forge_events import ForgeEventsDoor
from blubees.doors.forge_ui import ForgeUiDoor, split_forge
from blubees.doors.front import create_front
from blubees.doors.identity import FitSettings, FitVerifier
from blubees.doors.jwks import JwksCache
from blubees.doors.live import LiveDoor
from blubees.doors.manual_runs import ManualRunsDoor
from blubees.doors.replies import NOT_FOUND
from blubees.doors.slow_clients import GuardedHttpProtocol
from blubees.doors.webhooks import WebhookDoor
from blubees.engine.cancelled import CancelledRuns
from blubees.engine.depth import DepthMarks
from blubees.engine.error_flow import ErrorFlows
from blubees.engine.gate import Gate
from blubees.engine.launch import Launcher
from blubees.engine.mail import CallBackAddresses, MailRoom
from blubees.engine.pace import Pace
from blubees.engine.park import Parker
from blubees.engine.plan import PlanShelf
from blubees.engine.replay import ReplayDesk
from blubees.engine.runner import Runner
from blubees.engine.sign_offs import SignOffs
from blubees.engine.surroundings import Surroundings
from blubees.engine.traces import IssueTraces
from blubees.engine.work import Receipts, Worker
from blubees.expressions.locales import load_common
from blubees.flows.firing import FiringDesk
from blubees.flows.intake import Intake
from blubees.flows.listening import Listener
from blubees.flows.live import ForgetfulSeenDesk, LiveDesk, LiveStream
from blubees.flows.manual import ManualDesk
from blubees.flows.match import FlowIndex
from blubees.flows.own_events import OwnEvents
from blubees.flows.redrive import RedriveDesk
from blubees.main.broker_line import connect
from blubees.main.memory import follow_forever
from blubees.main.orders import send_to_desks
from blubees.main.settings import ProcessStart, Settings, decode_start
from blubees.model.errors import UnavailableError
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Clear, Fire, Notify, Redrive, Retry, Wake
from blubees.model.receipt import Trial
from blubees.model.settings import SettingsShelf, Shapes
from blubees.ports import Chance, Clock, Events
from blubees.steps.book import load_book
from blubees.vault.seal import Sealer
from blubees.vault.tokens import TokenShelf

COLLECTOR_THRESHOLDS: Final = (20_000, 50, 100)
GRACE_SECONDS: Final = 8.0  # to finish what is held when told to stop


class FrontServer(uvicorn.Server):
    """uvicorn without its signal handlers: the conduit decides in which order things stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _make_way_out(settings: Settings, shelf: SettingsShelf, clock: Clock, chance: Chance) -> ProtocolRouter:
    """Make the one way to third parties."""
    ports, authorities = frozenset(settings.allowed_loopback_ports), settings.extra_ca_file or None
    web = GuardedWebClient(ports, extra_ca_file=authorities, find_judge=shelf.find_judge)
    return ProtocolRouter(web, make_protocols(ports, clock, chance, authorities), shelf.find_judge)


class Conduit:
    """All parts of one conduit, put together."""

    def __init__(self, start: ProcessStart, broker: Broker, lock: LockReport, events: Events) -> None:
        settings = start.settings
        self._broker, self._lock, self._settings, self._events = broker, lock, settings, events
        clock, chance = SystemClock(), SystemChance()
        self.tenant_settings = SettingsShelf()
        self.web = _make_way_out(settings, self.tenant_settings, clock, chance)
        run_sealer = Sealer(start.run_key, chance)
        lease_sealer = Sealer(start.lease_key, chance)
        self._desk = NatsLeaseDesk(broker, lease_sealer.seal, lease_sealer.unseal)
        self.shelf, self._paces = PlanShelf(load_book()), PaceBook(clock)
        self.index = FlowIndex()
        self.plans = NatsPlanBoard(broker)
        self._settings_board = NatsSettingsBoard(broker)
        self._token_board = NatsTokenBoard(broker)
        self.tokens = TokenShelf(run_sealer)
        self._surveyor = Surveyor(broker)
        self._cloud_ids: dict[TenantId, str] = {}
        self._queue = NatsRunQueue(broker)
        self.receipts = Receipts(NatsReceiptBox(broker), events)
        self._refused = 0
        self._told: set[tuple[TenantId, FlowId]] = set()
        marks = DepthMarks(hashlib.sha256(b"depth" + start.run_key).digest())
        parking = NatsParkingDesk(broker, lease_sealer.seal, lease_sealer.unseal)
        room = MailRoom(NatsMailStore(broker), parking, run_sealer)
        call_backs = CallBackAddresses(parking, settings.reached_at, clock)
        traces = IssueTraces(NatsTraceStore(broker), hashlib.sha256(b"traces" + start.run_key).digest(), self.index.wants_own)
        around = Surroundings(
            seen=NatsSeenDesk(broker, lease_sealer.seal, lease_sealer.unseal),
            depth=marks,
            shelf=self.shelf,
            mail=room,
            call_backs=call_backs,
            traces=traces,
            explains=lambda tenant: self.tenant_settings.of(tenant).shapes is Shapes.ALL,
            question_key=hashlib.sha256(b"question" + start.run_key).digest(),
            field_names=FieldDirectory(self._open_line, clock).of,
        )
        runner = Runner(clock, self._open_line, around=around)
        self._clock, self._chance = clock, chance
        pace = Pace(clock)
        launcher = Launcher(
            self._queue, run_sealer, hashlib.sha256(b"delivery" + start.run_key).digest(), clock, self.receipts.add, pace
        )
        error_flows = ErrorFlows(launcher, self.shelf, clock, chance, events)
        parker = Parker(parking, self._queue, self._open_line, run_sealer, chance, room, self.receipts.add)
        self._cancel_board, self._cancelled = NatsCancelBoard(broker), CancelledRuns()
        replays = ReplayDesk(
            NatsReplayStore(broker), run_sealer, self.tenant_settings.of, launcher, self.receipts.add, clock, events
        )
        self.worker = Worker(
            self._queue,
            NatsCheckpointStore(broker),
            self.shelf,
            runner,
            self.receipts,
            run_sealer,
            clock,
            events,
            parker=parker,
            refused=self._count_refused,
            gate=Gate(NatsGateStore(broker), hashlib.sha256(b"gate" + start.run_key).digest(), clock),
            error_flows=error_flows,
            cancelled=self._cancelled,
            replays=replays,
            pace=pace,
        )
        intake = Intake(
            self.index,
            self.shelf,
            launcher,
            runner,
            self.receipts,
            clock,
            chance,
            error_flows=error_flows,
            field_names=around.field_names,
        )
        self._waiter_board = NatsWaiterBoard(broker)
        self._listener = Listener(intake.admit, room, parking)
        self.orders = NatsOrders(broker)
        sign_offs = SignOffs(NatsSignOffDesk(broker, lease_sealer.seal, lease_sealer.unseal), parker)
        firing = FiringDesk(
            self.index, intake.admit, self._open_line, launcher, self.receipts, clock, chance, around.field_names
        )
        redrive = RedriveDesk(self.shelf, self._open_line, launcher, self.receipts, clock)
        self.carry_out = send_to_desks(
            {
                Notify: sign_offs.notify,
                Fire: firing.carry_out,
                Wake: parker.wake,
                Clear: parker.clear,
                Redrive: redrive.carry_out,
                Retry: replays.carry_out,
            },
            clock,
        )
        verifier = FitVerifier(
            JwksCache(self.web, settings.forge_keys, clock),
            FitSettings(app_id=settings.app_id, environment_id=settings.environment_id),
            clock,
        )
        self._around = around
        live = LiveDesk(self.shelf, self._make_trial_runner, self._queue.claim, self.receipts.add, lease_sealer, clock, chance)
        own_events = OwnEvents(self._listener.admit, intake.admit, traces)
        events_door = ForgeEventsDoor(verifier, own_events.admit, self.receipts.add, self._keep_token, clock)
        self._posting: set[asyncio.Task[None]] = set()
        self.front = create_front(
            {
                "forge": split_forge(ForgeUiDoor(verifier, sign_offs, self._keep_token), events_door),
                "runs": ManualRunsDoor(ManualDesk(self.index, intake.admit, lease_sealer, clock).start),
                "call-backs": CallBackDoor(call_backs.find_mailbox, room.deliver),
                "live": LiveDoor(live.start),
                "hooks": WebhookDoor(self.index.find_hook, self._desk, intake.admit, clock, marks.read, settings.reached_at),
            },
            self._tell_readiness,
            NOT_FOUND,
        )

    def learn_plan(self, tenant: TenantId, flow: FlowId, plan: PublishedFlow | None) -> None:
        """A plan came from the board."""
        self.shelf.put(tenant, flow, plan)
        if plan is None or plan.is_live:
            self.index.changed(tenant, flow, plan)
        self._told.add((tenant, flow))

    async def watch_boards(self) -> None:
        """Learn all plans, settings and tokens there are, and go on learning. A flow without a plan is live no more."""
        self._told.clear()
        await self.plans.watch(self.learn_plan)
        self.index.keep_only(self._told)
        await self.plans.watch_past(lambda plan: self.shelf.put(plan.tenant, plan.flow.id, plan))
        await self._cancel_board.watch(self._cancelled.learn)
        await self._settings_board.watch(self.tenant_settings.learn)
        await self._waiter_board.watch(self._listener.learn)
        await self._token_board.watch(self.tokens.learn)

    async def learn_all(self) -> None:
        """Learn the boards once the queue is there: the boards are complete then. Raises UnavailableError."""
        await self._queue.epoch()
        await self.watch_boards()

    async def find_way(self) -> None:
        """The brokers' memory is a new one: learn what is in it, and share the tokens that we hold."""
        await self.watch_boards()
        for tenant, sealed in self.tokens.share_all():
            await self._token_board.post(tenant, sealed)

    def _open_line(self, tenant: TenantId) -> Caller:
        return Caller(tenant, self.web, self._desk, self._clock, self._chance, self._find_site(tenant), self._paces)

    def _find_site(self, tenant: TenantId) -> JiraSite:
        return JiraSite(
            origin=self._settings.atlassian_api,
            cloud_id=self.tokens.cloud_id(tenant),
            token=lambda: self.tokens.token(tenant),
        )

    def _make_trial_runner(self, stream: LiveStream, trial: Trial) -> Runner:
        """Make the runner of one trial: who watches sees its steps and calls."""
        is_dry = trial is Trial.DRY_RUN

        def open_line(tenant: TenantId) -> WatchedCaller:
            site = self._find_site(tenant)
            return WatchedCaller(
                tenant, self.web, self._desk, self._clock, self._chance, site, stream, is_dry=is_dry, paces=self._paces
            )

        seen = ForgetfulSeenDesk() if is_dry else self._around.seen
        return Runner(self._clock, open_line, around=dataclasses.replace(self._around, watch=stream, seen=seen))

    def _keep_token(self, tenant: TenantId, cloud_id: str, token: str) -> None:
        sealed = self.tokens.renew(tenant, cloud_id, token)
        if sealed is None:
            return
        task = asyncio.create_task(self._post_token(tenant, sealed))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post_token(self, tenant: TenantId, sealed: bytes) -> None:
        try:
            await self._token_board.post(tenant, sealed)
        except UnavailableError:
            self._events("token_not_shared", tenant=tenant)  # the next invocation brings a new one

    def _count_refused(self) -> None:
        self._refused += 1

    async def _tell_readiness(self) -> tuple[bool, Mapping[str, object]]:
        waiting: int | None = None
        with contextlib.suppress(UnavailableError):
            waiting = await self._queue.count_waiting()
        ready = self._broker.is_connected and waiting is not None
        size = await self._surveyor.survey()
        return ready, {
            "ready": ready,
            "whole": ready and size.is_whole,
            "process": "conduit",
            "lock": {"complete": self._lock.complete, "missing": list(self._lock.missing)},
            "broker": describe_size(self._broker, size) | {"runs_waiting": waiting},
            "plans": self.index.count,
            "runs_held": self.worker.held,
            "runs_refused": self._refused,
            "egress_allowed_loopback_ports": list(self._settings.allowed_loopback_ports),
        }


async def run_conduit(start: ProcessStart, lock: LockReport, events: Events) -> None:
    """Run until SIGTERM or SIGINT, then finish or hand back what is held."""
    broker = await connect(start)
    conduit = Conduit(start, broker, lock, events)
    await _wait_for_streams(conduit)
    gc.freeze()  # code and plans stay: the collector need not look at them again and again, nor so often (a third of the CPU)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    config = uvicorn.Config(
        conduit.front,
        http=GuardedHttpProtocol,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # no caller's address is wanted
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        limit_concurrency=4_096,
    )
    server = FrontServer(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    listener = socket.socket(fileno=start.listen_fd)
    sending = asyncio.create_task(conduit.receipts.send_forever())
    working = asyncio.create_task(conduit.worker.work_forever())
    ordering = asyncio.create_task(conduit.orders.supply(conduit.carry_out))
    following = asyncio.create_task(follow_forever(broker, conduit.find_way, events))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stop = asyncio.create_task(stopping.wait())
    events("conduit_ready", plans=conduit.index.count, lock_complete=lock.complete)
    await asyncio.wait({working, ordering, serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    ordering.cancel()
    await asyncio.wait({serving, ordering})
    await conduit.worker.stop(GRACE_SECONDS)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(conduit.receipts.drain(), 3)
    for task in (working, sending, following):
        task.cancel()
    await asyncio.wait({working, sending, following})
    await conduit.web.close()
    await broker.close()
    events("conduit_stopped")


async def _wait_for_streams(conduit: Conduit) -> None:
    for _ in range(200):
        with contextlib.suppress(UnavailableError):  # not there yet; the last try below tells
            return await conduit.learn_all()
        await asyncio.sleep(0.05)
    return await conduit.learn_all()


def read_ahead() -> None:
    """Read and import what will be needed, so that no file is opened after the lock, but those of rarer locales.

    These can still be read then: the lock stops writing only.
    """
    load_book()
    load_twins()
    adf_schema.prepare()
    load_common()


def main() -> int:
    """Start: read, import, lock, run."""
    start = decode_start(sys.stdin.buffer.readline())
    sys.dont_write_bytecode = True
    events = EventLog(sys.stdout.buffer)
    tell_library_logs(events, start.settings.log_level)
    read_ahead()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a held run may have a connection of its own
    lock = lock_process(require=start.settings.require_lockdown)
    sys.excepthook = lambda kind, _error, _trace: events("conduit_crashed", error=kind.__name__)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_conduit(start, lock, events))
    return 0


if __name__ == "__main__":
    os._exit(main())
