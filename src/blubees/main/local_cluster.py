"""The files and environments of a whole cluster on this machine: as production has it, with made-up certificates and keys.

Used by main/cluster.py (`make cluster`) and the tests.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from blubees.main.broker_child import die_with_parent
from blubees.main.certificates import Authority
from blubees.main.cluster_keys import USERS, make_keys

NODES: Final = 3
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - memory; a folder of our own is made in it
_INHERITED: Final = frozenset({"PATH", "HOME", "LANG", "VIRTUAL_ENV"})


class LocalNodes:
    """Three nodes of the broker on this machine: each a process that can be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Path(tempfile.mkdtemp(prefix="blubees-", dir=_MEMORY))
        self.names = tuple(f"node{number}" for number in range(1, NODES + 1))
        self.ports = dict(zip(self.names, free_ports(NODES), strict=True))
        self._cluster_ports = dict(zip(self.names, free_ports(NODES), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        make_keys(folder / "keys")
        authority = Authority()
        write_secret(folder / "authority.pem", authority.certificate)
        for name in self.names:
            issued = authority.issue(name)
            write_secret(folder / f"{name}.pem", issued.certificate)
            write_secret(folder / f"{name}.key", issued.key)

    @property
    def urls(self) -> str:
        """All nodes, as clients name them."""
        return ",".join(f"tls://127.0.0.1:{port}" for port in self.ports.values())

    def environment(self, name: str) -> dict[str, str]:
        """The settings of one node."""
        keys = {f"BLUBEES_NODE_{user.upper()}_PUBLIC_KEY": self.read_key(f"{user}.public") for user in USERS}
        return keys | {
            "BLUBEES_NODE_NAME": name,
            "BLUBEES_NODE_HOST": "127.0.0.1",
            "BLUBEES_NODE_PORT": str(self.ports[name]),
            "BLUBEES_NODE_CLUSTER_PORT": str(self._cluster_ports[name]),
            "BLUBEES_NODE_ROUTES": ",".join(f"127.0.0.1:{port}" for port in self._cluster_ports.values()),
            "BLUBEES_NODE_CERTIFICATE_FILE": str(self.folder / f"{name}.pem"),
            "BLUBEES_NODE_KEY_FILE": str(self.folder / f"{name}.key"),
            "BLUBEES_NODE_AUTHORITY_FILE": str(self.folder / "authority.pem"),
            "BLUBEES_NODE_STORE": str(self.store / name),
        }

    def read_key(self, name: str) -> str:
        """What one of the shared files holds."""
        return (self.folder / "keys" / name).read_text()

    def start(self, name: str) -> None:
        """Start a node, or start it again: it keeps its name and its store."""
        self.processes[name] = start_service(self.folder / f"{name}.log", self.environment(name), "broker")

    def close(self) -> None:
        """Stop all that run, and forget what they had in memory."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(15)
        shutil.rmtree(self.store)


def start_service(log: Path, environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    """Start a `blubees` command as a service of its own, which ends with this process. Call it from the main thread."""
    inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-c", "from blubees.main.cli import main; main()", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=inherited | environment,
            start_new_session=True,  # Ctrl-C goes to this process alone, which stops them in their order
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock that it needs
        )


def free_ports(count: int) -> list[int]:
    """Find ports on loopback that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only this user may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
