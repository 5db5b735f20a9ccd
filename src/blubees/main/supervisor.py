"""`blubees serve`: starts broker, control plane and conduits on one machine, restarts what dies, stops all. Called by the CLI.

It holds the listening sockets, so that a conduit's death loses no connection that waits to be accepted, and it passes on
only lines that are known events: whatever else a child says is counted, not shown.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from blubees.main.broker_child import BrokerChild, die_with_parent, start_broker
from blubees.main.settings import ProcessStart, Settings, encode_start
from blubees.model.errors import UnavailableError

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
RESTART_SECONDS: Final = 0.2
EVENT_MAX_BYTES: Final = 1_024
BROKER_TRIES: Final = 20
BROKER_DEATHS: Final = 5  # within BROKER_DEATHS_SECONDS: then starting another one helps nobody
BROKER_DEATHS_SECONDS: Final = 60.0

Tell = Callable[[dict[str, object]], None]


@dataclass(slots=True)
class Child:
    """A process that is kept alive."""

    name: str
    module: str
    start: ProcessStart
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    withheld_lines: int = 0


def choose_environment(child: Child) -> dict[str, str]:
    """What of our environment a child gets: AWS's own variables only where it asks AWS KMS, which no conduit does."""
    asks_aws = child.module == "blubees.main.control_plane" and child.start.settings.kms_keys
    names = {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name in names or (asks_aws and name.startswith("AWS_"))}


class Supervisor:
    """Starts, watches and stops the processes of one machine."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._stopping = False
        self._children: list[Child] = []
        self._broker: BrokerChild | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._sockets: list[socket.socket] = []
        self.port = 0
        self.operator_port = 0
        self.failed = asyncio.Event()

    async def start(self) -> None:
        """Start all; returns when all are ready.

        Raises:
            OSError: a port is taken.
            UnavailableError: the broker did not start.
            TimeoutError: a process was not ready within 30 s.
        """
        settings = self._settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        front, operator = listen(settings.port), listen(settings.operator_port)
        self._sockets = [front, operator]
        self.port, self.operator_port = front.getsockname()[1], operator.getsockname()[1]
        settings = msgspec.structs.replace(settings, port=self.port)
        passwords = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._broker = await start_broker(settings.data / "broker", *passwords)
        self._watchers.append(asyncio.create_task(self._keep_broker(self._broker)))
        run_key, lease_key = secrets.token_bytes(32), secrets.token_bytes(32)
        control = ProcessStart(
            settings=settings,
            broker_url=self._broker.url,
            lease_key=lease_key,
            broker_user="control",
            broker_password=self._broker.control_password,
            run_key=b"",
            listen_fd=operator.fileno(),
            operator_token=secrets.token_urlsafe(32),
        )
        conduit = ProcessStart(
            settings=msgspec.structs.replace(settings, database_url=""),
            broker_url=self._broker.url,
            lease_key=lease_key,
            broker_user="conduit",
            broker_password=self._broker.conduit_password,
            run_key=run_key,
            listen_fd=front.fileno(),
        )
        self._children = [Child("control_plane", "blubees.main.control_plane", control)] + [
            Child(f"conduit_{number}", "blubees.main.conduit", conduit) for number in range(1, settings.conduits + 1)
        ]
        await self.keep(self._children)

    async def keep(self, children: list[Child]) -> None:
        """Keep these alive; returns when all are ready. Raises TimeoutError."""
        self._children = children
        self._watchers += [asyncio.create_task(self._keep_alive(child)) for child in children]
        async with asyncio.timeout(READY_SECONDS):
            await asyncio.gather(*(child.ready.wait() for child in self._children))

    async def stop(self) -> None:
        """Stop conduits first, then the control plane (it keeps their last receipts), the broker last."""
        self._stopping = True
        conduits = [child for child in self._children if child.name != "control_plane"]
        await self._stop_children(conduits)
        await self._stop_children([child for child in self._children if child.name == "control_plane"])
        if self._broker is not None and self._broker.process.returncode is None:
            self._broker.process.terminate()
            await _wait_or_kill(self._broker.process)
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for each in self._sockets:
            each.close()
        (self._settings.data / "operator.json").unlink(missing_ok=True)

    async def _stop_children(self, children: list[Child]) -> None:
        running = [child.process for child in children if child.process and child.process.returncode is None]
        for process in running:
            process.terminate()
        await asyncio.gather(*(_wait_or_kill(process) for process in running))

    async def _keep_broker(self, broker: BrokerChild) -> None:
        """Have another one take a dead one's place: same port, same passwords, an empty memory. Not again and again."""
        deaths: deque[float] = deque(maxlen=BROKER_DEATHS)
        loop = asyncio.get_running_loop()
        while True:
            await broker.process.wait()
            if self._is_stopping():
                return
            deaths.append(loop.time())
            self._tell({"event": "broker_died"})
            is_hopeless = len(deaths) == BROKER_DEATHS and deaths[-1] - deaths[0] < BROKER_DEATHS_SECONDS
            fresh = None if is_hopeless else await self._replace_broker(broker)
            if fresh is None:
                self.failed.set()
                return
            self._broker = broker = fresh
            self._tell({"event": "broker_restarted"})

    async def _replace_broker(self, dead: BrokerChild) -> BrokerChild | None:
        for _ in range(BROKER_TRIES):
            try:
                return await start_broker(dead.folder, dead.conduit_password, dead.control_password, port=dead.port)
            except UnavailableError:
                await asyncio.sleep(RESTART_SECONDS)
        return None

    async def _keep_alive(self, child: Child) -> None:
        while not self._is_stopping():
            child.process = await self._spawn(child)
            await asyncio.gather(self._read_events(child, child.process.stdout), self._read_events(child, child.process.stderr))
            code = await child.process.wait()
            if self._is_stopping():
                return
            child.restarts += 1
            self._tell({"event": "process_died", "process": child.name, "code": code, "restarts": child.restarts})
            await asyncio.sleep(min(RESTART_SECONDS * child.restarts, 5.0))

    def _is_stopping(self) -> bool:
        """Asked anew after every wait."""
        return self._stopping

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            child.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(child.start.listen_fd,),
            env=choose_environment(child),
            start_new_session=True,
            preexec_fn=die_with_parent,
            limit=64 * 1024,
        )
        assert process.stdin is not None  # noqa: S101 - asked for above
        process.stdin.write(encode_start(child.start))
        process.stdin.close()
        return process

    async def _read_events(self, child: Child, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None  # noqa: S101 - asked for in _spawn
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the reader's limit: no event of ours is
                self._withhold(child)
                continue
            if not line:
                return
            self._pass_on(child, line)

    def _withhold(self, child: Child) -> None:
        """Count a line that is no event of ours; the first of each process is told."""
        child.withheld_lines += 1
        if child.withheld_lines == 1:
            self._tell({"event": "output_withheld", "process": child.name})

    def _pass_on(self, child: Child, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line, type=dict[str, str | int | float | bool])
        except msgspec.DecodeError:
            event = {}
        if "event" not in event or len(line) > EVENT_MAX_BYTES:
            self._withhold(child)
            return
        if str(event["event"]) in {"conduit_ready", "control_plane_ready"}:
            child.ready.set()
        self._tell({**event, "process": child.name})


def serve(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM. Gives the exit code: 0 when stopped, 1 when it could not go on."""
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    supervisor = Supervisor(settings, print_event)
    stopping = catch_signals()
    try:
        starting = asyncio.create_task(supervisor.start())
        stop = asyncio.create_task(stopping.wait())
        failed = asyncio.create_task(supervisor.failed.wait())
        await asyncio.wait({starting, stop, failed}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print_event({"event": "serving", "port": supervisor.port, "operator_port": supervisor.operator_port})
            await asyncio.wait({stop, failed}, return_when=asyncio.FIRST_COMPLETED)
        for task in (starting, stop, failed):
            task.cancel()
    finally:
        await supervisor.stop()
    return 1 if supervisor.failed.is_set() else 0


def catch_signals() -> asyncio.Event:
    """Give an event that is set by SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def print_event(event: dict[str, object]) -> None:
    """Print one event line. Where it can't be written (a full disk), it is left out: who keeps the others alive goes on."""
    with contextlib.suppress(OSError):
        sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
        sys.stdout.flush()


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Listen, for a child that inherits it. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2_048)
    listener.set_inheritable(True)
    return listener


async def _wait_or_kill(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
