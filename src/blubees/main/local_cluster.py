"""The files and environments of a whole cluster on this machine: as production has it, with made-up certificates and keys.

Used by main/cluster.py (`make cluster`) and the tests.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from blubees.adapters.database import migrate_postgresql
from blubees.main.broker_child import die_with_parent
from blubees.main.certificates import Authority
from blubees.main.cluster_keys import USERS, make_keys
from blubees.main.postgres_child import PostgresChild, start_postgresql

NODES: Final = 3
_PORTS: Final = range(10_000, 32_000)
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


class LocalCluster(LocalNodes):
    """All services of a cluster on this machine, PostgreSQL included: each can be stopped, killed and started again."""

    def __init__(self, folder: Path, site_url: str) -> None:
        super().__init__(folder)
        self._site_url = site_url
        self._site_port = site_url.rpartition(":")[2]
        self.conduits, self.control_planes = ("conduit1", "conduit2"), ("control1", "control2")
        self.service_ports = dict(zip((*self.conduits, *self.control_planes), free_ports(4), strict=True))
        self._postgres: PostgresChild | None = None
        self._database_port = free_ports(1)[0]

    def start_all(self) -> None:
        """Start all, in an order in which each finds what it needs; does not wait for the services."""
        database = self.start_database()
        asyncio.run(migrate_postgresql(database.owner_url.format("blubees"), database.service_url.format("blubees")))
        for name in (*self.names, *self.control_planes, *self.conduits):
            self.start(name)

    def start_database(self) -> PostgresChild:
        """Start PostgreSQL, or start it again on the same data."""
        self._postgres = start_postgresql(self.folder / "postgresql", self._database_port)
        return self._postgres

    def stop_database(self) -> None:
        """Stop PostgreSQL at once: what is under way in it is rolled back."""
        assert self._postgres is not None  # noqa: S101 - started first
        self._postgres.process.send_signal(signal.SIGINT)  # "fast shutdown"
        self._postgres.process.wait(20)

    @property
    def database(self) -> subprocess.Popen[bytes]:
        """The server's process, which leads its process group."""
        assert self._postgres is not None  # noqa: S101 - started first
        return self._postgres.process

    def url(self, name: str) -> str:
        """Where a service listens."""
        return f"http://127.0.0.1:{self.service_ports[name]}"

    def start(self, name: str) -> None:
        """Start one, or start it again."""
        command = "conduit" if name in self.conduits else "control-plane" if name in self.control_planes else "broker"
        self.processes[name] = start_service(self.folder / f"{name}.log", self.environment(name), command)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stop one as an operator does, or as a power cut does; returns when it is gone."""
        process = self.processes[name]
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(30)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of one process."""
        if name in self.names:
            return super().environment(name)
        keys, is_conduit = self.folder / "keys", name in self.conduits
        common = {
            "BLUBEES_DATA": str(self.folder / name),
            "BLUBEES_CONDUITS": "1",
            "BLUBEES_PORT": str(self.service_ports[name if is_conduit else self.conduits[0]]),
            "BLUBEES_ATLASSIAN_API": self._site_url,
            "BLUBEES_FORGE_KEYS": f"{self._site_url}/.well-known/jwks.json",
            "BLUBEES_ALLOW_LOOPBACK_PORTS": self._site_port,
            "BLUBEES_PUBLIC_URL": self.url(self.conduits[0]),
            "BLUBEES_BROKER_URLS": self.urls,
            "BLUBEES_BROKER_NODES": str(NODES),
            "BLUBEES_BROKER_AUTHORITY_FILE": str(self.folder / "authority.pem"),
            "BLUBEES_BROKER_SEED_FILE": str(keys / ("conduit.seed" if is_conduit else "control.seed")),
            "BLUBEES_LEASE_KEY_FILE": str(keys / "lease.key"),
        }
        if is_conduit:
            return common | {"BLUBEES_RUN_KEY_FILE": str(keys / "run.key")}
        assert self._postgres is not None  # noqa: S101 - started first
        return common | {
            "BLUBEES_OPERATOR_PORT": str(self.service_ports[name]),
            "BLUBEES_OPERATOR_TOKEN_FILE": str(keys / "operator.token"),
            "BLUBEES_VAULT_KEY_FILE": str(keys / "vault.key"),
            "BLUBEES_DATABASE_URL": self._postgres.service_url.format("blubees"),
        }

    def close(self) -> None:
        """Stop all that runs: conduits, control planes, nodes, the database."""
        for group in (self.conduits, self.control_planes, self.names):
            running = [self.processes[name] for name in group if name in self.processes]
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)
        if self._postgres is not None:
            self._postgres.process.terminate()
            self._postgres.process.wait(20)
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
    """Find ports on loopback that nobody listens on, below those that outgoing connections are given meanwhile."""
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [] if port in found else [port]
    return found


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only this user may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
